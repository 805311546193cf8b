// A temporary folder, and a small federation that never trained anything, told to any sink event by event.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "core/events.hpp"
#include "core/file.hpp"
#include "experiments/sinks/run_folder_sink.hpp"
#include "experiments/sinks/run_summary.hpp"

namespace fedloom {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = testing::TempDir() + "/fedloom-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// The text of the UserError that `action` throws; a failure and "" when it throws none.
inline std::string user_error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected a UserError";
  return "";
}

/// Round w of `rounds`: two tasks of 100 bytes each way, of which every third round loses one; test accuracy
/// 1 - 0.9^w and loss 2 * 0.9^w on every round, validation on even ones, clients' spread on every fourth.
struct FakeFederation {
  std::string strategy = "fedavg";
  std::uint64_t seed = 1;
  std::uint64_t rounds = 8;
  Tick ticks_per_round = 1;
  double ticks_per_second = 1.0;

  static double accuracy(std::uint64_t round) { return 1 - std::pow(0.9, static_cast<double>(round)); }
  static double loss(std::uint64_t round) { return 2 * std::pow(0.9, static_cast<double>(round)); }

  void tell_start(const std::function<void(const FederationEvent&)>& to) const {
    to(RunStarted{"fake", strategy, "synchronous", "2nn", "mnist", seed, 4, 199210, 0xfeedULL,
                  ticks_per_second});
  }

  void tell_round(std::uint64_t w, const std::function<void(const FederationEvent&)>& to) const {
    const Tick tick = static_cast<Tick>(w) * ticks_per_round;
    const bool lost = w % 3 == 0;
    const auto number = static_cast<std::uint32_t>(w);
    to(WindowOpened{w, tick - ticks_per_round, w - 1});
    for (const ClientId client : {ClientId{0}, ClientId{1}})
      to(TaskStarted{w, tick - ticks_per_round, {client, number}, "train", w - 1, 100});
    to(TaskEnded{w, tick, {0, number}, Verdict::accepted, Reason::none, 0, 60, 6, loss(w), 100});
    if (lost)
      to(TaskEnded{w, tick, {1, number}, Verdict::lost, Reason::disconnected, 0, 0, 0, 0, 0});
    else
      to(TaskEnded{w, tick, {1, number}, Verdict::accepted, Reason::none, 0, 60, 6, loss(w), 100});
    WindowClosed closed{w,   tick,    w, lost ? 1U : 2U, 0, 0, lost ? 1U : 0U, 0, lost ? 100U : 200U,
                        200, loss(w), {}};
    closed.metrics["drift"] = 0.5;
    to(closed);
    to(Evaluated{w, tick, w, "test", loss(w), accuracy(w), 1000});
    if (w % 2 == 0) to(Evaluated{w, tick, w, "validation", loss(w), accuracy(w) - 0.01, 500});
    if (w % 4 == 0) {
      const double a = accuracy(w);
      to(ClientsEvaluated{w, tick, w, {0, 1, 2, 3}, {a, a / 2, a, a}, {1, 1, 1, 1}, {10, 10, 10, 10}});
    }
  }

  void tell_end(const std::function<void(const FederationEvent&)>& to) const {
    to(RunEnded{static_cast<Tick>(rounds) * ticks_per_round, rounds, "rounds", "c0ffee"});
  }

  void tell_all(const std::function<void(const FederationEvent&)>& to) const {
    tell_start(to);
    for (std::uint64_t w = 1; w <= rounds; ++w) tell_round(w, to);
    tell_end(to);
  }

  /// A whole run folder; a round takes half a second of wall time.
  void write(const std::string& folder, const std::string& settings, bool finished = true) const {
    double now = 0.0;
    RunFolderSink files(folder, {[&] { return now; }, [&] { return 1.7e9 + now; }});
    SummarySink summary(0.5);
    const auto to = [&](const FederationEvent& event) {
      if (std::holds_alternative<WindowOpened>(event)) now += 0.5;
      files.on(event);
      summary.on(event);
      if (const auto* closed = std::get_if<WindowClosed>(&event))
        files.on(MachineEvent(MachineState{closed->window, now, 2 * closed->window, 1000, 2000, 10, 20}));
    };
    tell_start(to);
    for (std::uint64_t w = 1; w <= rounds; ++w) tell_round(w, to);
    if (finished) tell_end(to);
    files.finish();
    write_text(folder + "/resolved.yaml", settings);
    if (!finished) return;
    RunSummary result = summary.summary();
    result.events_hash = files.events().hash();
    result.cpu = "test";
    write_summary(folder + "/summary.json", result);
  }
};

}  // namespace fedloom
