// From events to lines.
#include "experiments/status/run_metrics.hpp"

#include <cmath>
#include <string_view>
#include <variant>

#include "core/version.hpp"

namespace fedloom {

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

// Label values: \, " and line ends are escaped.
std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\\' || c == '"') safe += '\\';
    if (c == '\n')
      safe += "\\n";
    else
      safe += c;
  }
  return safe;
}

class Page {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP fedloom_{} {}\n# TYPE fedloom_{} {}\n", name, help, name, type);
  }
  template <class Number>
  void value(Number number) {
    text_ += fmt::format("fedloom_{} {}\n", name_, number);
  }
  template <class Number>
  void value(std::string_view label, std::string_view of, Number number) {
    text_ += fmt::format("fedloom_{}{{{}=\"{}\"}} {}\n", name_, label, escaped(of), number);
  }
  void line(std::string_view text) { text_ += text; }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

}  // namespace

void RunMetrics::on(const FederationEvent& event) {
  const std::lock_guard lock(mutex_);
  Totals& t = totals_;
  std::visit(Overloaded{[&](const RunStarted& e) {
                          t.run = e;
                          t.started = true;
                        },
                        [&](const WindowClosed& e) {
                          t.rounds = e.window;
                          t.tasks["accepted"] += e.accepted;
                          t.tasks["rejected"] += e.rejected;
                          t.tasks["discarded"] += e.discarded;
                          t.tasks["lost"] += e.lost;
                          t.tasks["cancelled"] += e.cancelled;
                          t.bytes_up += e.bytes_up;
                          t.bytes_down += e.bytes_down;
                          t.train_loss = e.train_loss;
                          t.reported = e.metrics;
                        },
                        [&](const Evaluated& e) { t.evaluated[e.split] = e; },
                        [&](const ClientsEvaluated& e) {
                          t.bytes_up += e.bytes_up;
                          t.bytes_down += e.bytes_down;
                        },
                        [&](const RunEnded&) { t.ended = true; }, [](const auto&) {}},
             event);
}

void RunMetrics::on(const MachineEvent& event) {
  const std::lock_guard lock(mutex_);
  Totals& t = totals_;
  std::visit(Overloaded{[&](const PeerChanged& e) { t.connected += e.joined ? 1 : -1; },
                        [&](const TaskRetried&) { ++t.retries; },
                        [&](const Refused& e) { ++t.refused[std::string(to_string(e.reason))]; },
                        [&](const CheckpointWritten& e) { t.checkpoint_round = e.window; },
                        [&](const MachineState& e) { t.machine = e; }, [](const auto&) {}},
             event);
}

std::string RunMetrics::text() const {
  const std::lock_guard lock(mutex_);
  const Totals& t = totals_;
  Page page;
  page.family("info", "gauge", "What runs; always 1.");
  page.line(
      fmt::format("fedloom_info{{version=\"{}\",experiment=\"{}\",strategy=\"{}\",pacer=\"{}\",model=\"{}\","
                  "data=\"{}\"}} 1\n",
                  kVersion, escaped(t.run.experiment), escaped(t.run.strategy), escaped(t.run.pacer),
                  escaped(t.run.model), escaped(t.run.data)));
  page.family("running", "gauge", "1 from the first round to the end of the run.");
  page.value(t.started && !t.ended ? 1 : 0);
  page.family("rounds_total", "counter",
              "Rounds (or windows) that have ended, over all processes of the run.");
  page.value(t.rounds);
  page.family("tasks_total", "counter", "Tasks of clients by how they ended.");
  for (const auto& [verdict, count] : t.tasks) page.value("verdict", verdict, count);
  page.family("federation_bytes_total", "counter",
              "What clients sent (up) and received (down) by their messages.");
  page.value("direction", "up", t.bytes_up);
  page.value("direction", "down", t.bytes_down);
  page.family("socket_bytes_total", "counter", "What this process moved through its sockets.");
  page.value("direction", "sent", t.machine.socket_bytes_sent);
  page.value("direction", "received", t.machine.socket_bytes_received);
  page.family("peers_connected", "gauge", "Clients, or worker processes, that are connected.");
  page.value(t.connected);
  page.family("refused_total", "counter", "Messages and connections that were refused, by reason.");
  for (const auto& [reason, count] : t.refused) page.value("reason", reason, count);
  page.family("retries_total", "counter", "Tasks that were given out again.");
  page.value(t.retries);
  page.family("checkpoint_round", "gauge", "Round of the newest checkpoint; 0: none yet.");
  page.value(t.checkpoint_round);
  page.family("resident_bytes", "gauge",
              "Memory of the server's process, and of all processes of the run here.");
  page.value("of", "server", t.machine.resident_bytes);
  page.value("of", "all", t.machine.resident_bytes_all);
  if (std::isfinite(t.train_loss)) {
    page.family("train_loss", "gauge", "Mean loss of the latest round's local training.");
    page.value(t.train_loss);
  }
  if (!t.evaluated.empty()) {
    page.family("accuracy", "gauge", "Share of examples that the global model has right.");
    for (const auto& [split, e] : t.evaluated) page.value("split", split, e.accuracy);
    page.family("loss", "gauge", "Mean loss of the global model.");
    for (const auto& [split, e] : t.evaluated) page.value("split", split, e.loss);
  }
  if (!t.reported.empty()) {
    page.family("reported", "gauge", "What strategy and server report of the latest round.");
    for (const auto& [name, value] : t.reported) page.value("name", name, value);
  }
  return page.take();
}

}  // namespace fedloom
