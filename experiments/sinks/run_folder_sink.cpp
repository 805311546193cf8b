// The names of the files in a run folder and the order in which they hear of an event.
#include "experiments/sinks/run_folder_sink.hpp"

#include <filesystem>

namespace fedloom {

namespace {

std::string made(const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw user_error("cannot make the run folder {}: {}", folder, failed.message());
  return folder;
}

}  // namespace

RunFolderSink::RunFolderSink(const std::string& folder, const RunClocks& clocks)
    : events_(made(folder) + "/events.jsonl"),
      run_(folder + "/run.jsonl", clocks.elapsed_seconds),
      metrics_(folder + "/metrics.csv", clocks.elapsed_seconds),
      stages_(folder + "/stages.csv"),
      tensorboard_(folder + "/tensorboard", clocks.unix_seconds) {}

RunFolderSink::RunFolderSink(const std::string& folder, const RunClocks& clocks, const ResumePoint& from,
                             const std::function<void(const FederationEvent&)>& replay)
    : events_(folder + "/events.jsonl", from.events_offset),
      run_(folder + "/run.jsonl", clocks.elapsed_seconds, true),
      metrics_(folder + "/metrics.csv", clocks.elapsed_seconds, events_.path(), from.events_offset,
               read_machine_totals(folder + "/run.jsonl").wall_seconds),
      stages_(folder + "/stages.csv", events_.path(), from.events_offset),
      tensorboard_(folder + "/tensorboard", clocks.unix_seconds, from.window) {
  for_each_event(events_.path(), from.events_offset, [&](const FederationEvent& event) {
    tensorboard_.restore(event);
    if (replay) replay(event);
  });
}

void RunFolderSink::on(const FederationEvent& event) {
  events_.on(event);
  // Evaluations are rare and watched: whoever reads the folder of a running run sees them at once.
  if (std::holds_alternative<Evaluated>(event)) events_.flush();
  metrics_.on(event);
  stages_.on(event);
  tensorboard_.on(event);
}

void RunFolderSink::on(const MachineEvent& event) {
  run_.on(event);
  tensorboard_.on(event);
}

void RunFolderSink::finish() {
  events_.finish();
  run_.finish();
  metrics_.finish();
  stages_.finish();
  tensorboard_.finish();
}

}  // namespace fedloom
