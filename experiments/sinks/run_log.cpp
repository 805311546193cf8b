// Stamping of machine events, and the sums over the processes of a resumed run.
#include "experiments/sinks/run_log.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "experiments/sinks/events_log.hpp"

namespace fedloom {

namespace {

constexpr double kMinute = 60.0;

// The stamp goes in front of the event's own fields: {"wall":1.25,"event":...}.
std::string line_of(double seconds, const MachineEvent& event) {
  return fmt::format("{{\"wall\":{:.6f},{}\n", seconds, to_json(event).substr(1));
}

}  // namespace

void warn_of_lost_lines(const std::string& text) { spdlog::warn("{}", text); }

RunLog::RunLog(const std::string& file, std::function<double()> seconds, bool resume, Warn warn)
    : file_(resume ? OutputFile::extend(file) : OutputFile::create(file)),
      seconds_(std::move(seconds)),
      warn_(std::move(warn)) {}

void RunLog::on(const MachineEvent& event) {
  const double now = seconds_();
  std::erase_if(refusals_, [&](const auto& entry) {
    const bool over = now - entry.second.begin >= kMinute;
    if (over) tell_left_out(entry.first, entry.second);
    return over;
  });
  if (const auto* refused = std::get_if<Refused>(&event); refused != nullptr && leaves_out(*refused, now))
    return;
  write(event);
}

// Anybody who reaches the port can be refused as often as he likes.
bool RunLog::leaves_out(const Refused& refused, double now) {
  Minute& minute = refusals_.try_emplace(refused.reason, Minute{now, 0, 0}).first->second;
  if (minute.lines < kMostRefusals) {
    ++minute.lines;
    return false;
  }
  ++minute.left_out;
  return true;
}

void RunLog::tell_left_out(Reason reason, const Minute& minute) {
  if (minute.left_out > 0)
    write(Refused{"several", reason, fmt::format("{} more within a minute, left out here", minute.left_out)});
}

void RunLog::write(const MachineEvent& event) {
  const double now = seconds_();
  std::string lines = line_of(now, event);
  if (lost_ > 0)
    lines.insert(0, line_of(now, Note{fmt::format("{} lines could not be written here", lost_)}));
  const std::string why = file_.write_or_drop(lines);
  lost_ = why.empty() ? 0 : lost_ + 1;
  if (!why.empty() && !std::exchange(warned_, true))
    warn_(fmt::format(
        "cannot write to {}: {}; the run goes on, and lines are missing there until there is room",
        file_.path(), why));
}

void RunLog::finish() {
  for (const auto& [reason, minute] : std::exchange(refusals_, {})) tell_left_out(reason, minute);
}

MachineTotals read_machine_totals(const std::string& file) {
  MachineTotals totals;
  if (!std::filesystem::exists(file)) return totals;
  MachineTotals process;
  const auto close_process = [&] {
    totals.wall_seconds += process.wall_seconds;
    totals.client_trainings += process.client_trainings;
    totals.socket_bytes_sent += process.socket_bytes_sent;
    totals.socket_bytes_received += process.socket_bytes_received;
    totals.peak_resident_bytes_all =
        std::max(totals.peak_resident_bytes_all, process.peak_resident_bytes_all);
    process = {};
  };
  for_each_line(file, kWholeFile, [&](std::string_view line, std::uint64_t) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    if (!event.is_object()) return;
    const double wall = event.value("wall", 0.0);
    const std::string kind = event.value("event", "");
    // A new process took over; its clock began anew, too, should it have died before it could say so.
    if (kind == "resumed" || wall < process.wall_seconds) close_process();
    process.wall_seconds = wall;
    if (kind != "machine") return;
    process.client_trainings = event.value("client_trainings", std::uint64_t{0});
    process.socket_bytes_sent = event.value("socket_bytes_sent", std::uint64_t{0});
    process.socket_bytes_received = event.value("socket_bytes_received", std::uint64_t{0});
    process.peak_resident_bytes_all =
        std::max(process.peak_resident_bytes_all, event.value("resident_bytes_all", std::uint64_t{0}));
  });
  close_process();
  return totals;
}

}  // namespace fedloom
