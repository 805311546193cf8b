// One event, several rows.
#include "experiments/sinks/stages_csv.hpp"

#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "experiments/sinks/events_log.hpp"

namespace fedloom {

namespace {

constexpr std::string_view kHeader =
    "round,tick,version,split,stage,ended,on_stage,accuracy,loss,examples,mean_accuracy,forgetting,"
    "forgetting_from_best,backward_transfer";

std::string cell(double value) { return std::isfinite(value) ? fmt::format("{}", value) : ""; }

std::string rows_of(const StagesEvaluated& e) {
  std::string rows;
  for (std::size_t i = 0; i < e.accuracies.size(); ++i)
    rows += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", e.window, e.tick, e.version, e.split,
                        e.stage, e.ended ? 1 : 0, i + 1, cell(e.accuracies[i]), cell(e.losses[i]),
                        e.examples[i], cell(e.mean_accuracy), cell(e.forgetting),
                        cell(e.forgetting_from_best), cell(e.backward_transfer));
  return rows;
}

}  // namespace

std::string_view StagesCsv::header() { return kHeader; }

StagesCsv::StagesCsv(const std::string& file, const std::string& events_file, std::uint64_t offset)
    : path_(file) {
  std::error_code none;
  std::filesystem::remove(path_, none);
  for_each_event(
      events_file, offset, [this](const FederationEvent& event) { on(event); },
      [](std::string_view kind) { return kind == "stages_evaluated"; });
}

void StagesCsv::on(const FederationEvent& event) {
  const auto* evaluated = std::get_if<StagesEvaluated>(&event);
  if (evaluated == nullptr) return;
  if (!file_) {
    file_.emplace(OutputFile::create(path_));
    file_->append(fmt::format("{}\n", kHeader));
  }
  file_->append(rows_of(*evaluated));
  file_->flush();  // rare, and watched
}

void StagesCsv::finish() {
  if (file_) file_->flush();
}

}  // namespace fedloom
