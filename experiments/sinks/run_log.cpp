// Stamping of machine events, and the sums over the processes of a resumed run.
#include "experiments/sinks/run_log.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/sinks/events_log.hpp"

namespace fedloom {

RunLog::RunLog(const std::string& file, std::function<double()> seconds, bool resume)
    : file_(resume ? OutputFile::extend(file) : OutputFile::create(file)), seconds_(std::move(seconds)) {}

void RunLog::on(const MachineEvent& event) {
  // The stamp goes in front of the event's own fields: {"wall":1.25,"event":...}.
  file_.append(fmt::format("{{\"wall\":{:.6f},{}\n", seconds_(), to_json(event).substr(1)));
  file_.flush();
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
