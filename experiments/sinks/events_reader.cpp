// The way back: lines of events.jsonl to event structs, field by field as core/events.cpp wrote them.
// Reading and writing are apart because only reports and resumed runs read.
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "experiments/sinks/events_log.hpp"

namespace fedloom {

namespace {

using Json = nlohmann::json;

// Doubles are null where they were NaN or infinite.
double real(const Json& value) { return value.is_null() ? std::nan("") : value.get<double>(); }

void take(const Json& from, const char* name, std::string& to) { to = from.at(name).get<std::string>(); }
void take(const Json& from, const char* name, std::uint64_t& to) { to = from.at(name).get<std::uint64_t>(); }
void take(const Json& from, const char* name, std::int64_t& to) { to = from.at(name).get<std::int64_t>(); }
void take(const Json& from, const char* name, double& to) { to = real(from.at(name)); }
void take(const Json& from, const char* name, std::vector<double>& to) {
  for (const Json& value : from.at(name)) to.push_back(real(value));
}
void take(const Json& from, const char* name, std::vector<std::uint64_t>& to) {
  to = from.at(name).get<std::vector<std::uint64_t>>();
}
void take(const Json& from, const char* name, std::map<std::string, double>& to) {
  for (const auto& [key, value] : from.at(name).items()) to[key] = real(value);
}

template <class Enum>
Enum named(const std::string& name, Enum last) {
  for (int i = 0; i <= static_cast<int>(last); ++i)
    if (to_string(static_cast<Enum>(i)) == name) return static_cast<Enum>(i);
  throw user_error("unknown word \"{}\"", name);
}

void take_task(const Json& from, TaskId& to) {
  take(from, "client", to.client);
  to.number = from.at("task").get<std::uint32_t>();
}

// window, tick and version open most events.
template <class Event>
Event at_moment(const Json& from) {
  Event e;
  take(from, "window", e.window);
  take(from, "tick", e.tick);
  if constexpr (requires { e.version; }) take(from, "version", e.version);
  return e;
}

RunStarted run_started(const Json& from) {
  RunStarted e;
  take(from, "experiment", e.experiment);
  take(from, "strategy", e.strategy);
  take(from, "pacer", e.pacer);
  take(from, "model", e.model);
  take(from, "data", e.data);
  take(from, "seed", e.seed);
  take(from, "clients", e.clients);
  take(from, "parameters", e.parameters);
  const auto layout = from.at("layout").get<std::string>();
  const auto [end, error] = std::from_chars(layout.data(), layout.data() + layout.size(), e.layout, 16);
  if (error != std::errc() || end != layout.data() + layout.size())
    throw user_error("layout \"{}\" is not a hexadecimal number", layout);
  // Logs of earlier versions have no such field: their ticks have no unit.
  if (from.contains("ticks_per_second")) take(from, "ticks_per_second", e.ticks_per_second);
  if (!(e.ticks_per_second > 0.0))
    throw user_error("ticks_per_second is {}; expected a number above 0", e.ticks_per_second);
  return e;
}

TaskStarted task_started(const Json& from) {
  auto e = at_moment<TaskStarted>(from);
  take_task(from, e.task);
  take(from, "kind", e.kind);
  take(from, "bytes_down", e.bytes_down);
  return e;
}

TaskEnded task_ended(const Json& from) {
  auto e = at_moment<TaskEnded>(from);
  take_task(from, e.task);
  e.verdict = named(from.at("verdict").get<std::string>(), Verdict::cancelled);
  e.reason = named(from.at("reason").get<std::string>(), Reason::limit);
  take(from, "staleness", e.staleness);
  take(from, "examples", e.examples);
  take(from, "steps", e.steps);
  take(from, "train_loss", e.train_loss);
  take(from, "bytes_up", e.bytes_up);
  return e;
}

WindowClosed window_closed(const Json& from) {
  auto e = at_moment<WindowClosed>(from);
  take(from, "accepted", e.accepted);
  take(from, "rejected", e.rejected);
  take(from, "discarded", e.discarded);
  take(from, "lost", e.lost);
  take(from, "cancelled", e.cancelled);
  take(from, "bytes_up", e.bytes_up);
  take(from, "bytes_down", e.bytes_down);
  take(from, "train_loss", e.train_loss);
  take(from, "metrics", e.metrics);
  return e;
}

Evaluated evaluated(const Json& from) {
  auto e = at_moment<Evaluated>(from);
  take(from, "split", e.split);
  take(from, "loss", e.loss);
  take(from, "accuracy", e.accuracy);
  take(from, "examples", e.examples);
  return e;
}

StagesEvaluated stages_evaluated(const Json& from) {
  auto e = at_moment<StagesEvaluated>(from);
  take(from, "split", e.split);
  take(from, "stage", e.stage);
  e.ended = from.at("ended").get<bool>();
  take(from, "accuracies", e.accuracies);
  take(from, "losses", e.losses);
  take(from, "examples", e.examples);
  take(from, "mean_accuracy", e.mean_accuracy);
  take(from, "forgetting", e.forgetting);
  take(from, "forgetting_from_best", e.forgetting_from_best);
  take(from, "backward_transfer", e.backward_transfer);
  return e;
}

ClientsEvaluated clients_evaluated(const Json& from) {
  auto e = at_moment<ClientsEvaluated>(from);
  take(from, "clients", e.clients);
  take(from, "accuracies", e.accuracies);
  take(from, "losses", e.losses);
  take(from, "examples", e.examples);
  take(from, "bytes_up", e.bytes_up);
  take(from, "bytes_down", e.bytes_down);
  return e;
}

RunEnded run_ended(const Json& from) {
  RunEnded e;
  take(from, "tick", e.tick);
  take(from, "windows", e.windows);
  take(from, "reason", e.reason);
  take(from, "model_hash", e.model_hash);
  if (from.contains("metrics")) take(from, "metrics", e.metrics);
  return e;
}

// The kind without parsing the line: every line opens with {"event":"KIND".
std::string_view kind_of(std::string_view line) {
  constexpr std::string_view kOpening = "{\"event\":\"";
  if (!line.starts_with(kOpening)) return {};
  line.remove_prefix(kOpening.size());
  return line.substr(0, line.find('"'));
}

}  // namespace

FederationEvent parse_federation_event(std::string_view line) {
  try {
    const Json from = Json::parse(line);
    const auto kind = from.at("event").get<std::string>();
    if (kind == "run_started") return run_started(from);
    if (kind == "window_opened") return at_moment<WindowOpened>(from);
    if (kind == "task_started") return task_started(from);
    if (kind == "task_ended") return task_ended(from);
    if (kind == "window_closed") return window_closed(from);
    if (kind == "evaluated") return evaluated(from);
    if (kind == "stages_evaluated") return stages_evaluated(from);
    if (kind == "clients_evaluated") return clients_evaluated(from);
    if (kind == "run_ended") return run_ended(from);
    throw user_error("unknown event \"{}\"", kind);
  } catch (const Json::exception& error) {
    throw user_error("not a federation event: {}", error.what());
  }
}

void for_each_line(const std::string& file, std::uint64_t limit,
                   const std::function<void(std::string_view, std::uint64_t)>& use) {
  if (limit == kWholeFile) {
    std::error_code missing;
    limit = std::filesystem::file_size(file, missing);
    if (missing) throw user_error("cannot read {}: {}", file, missing.message());
  }
  std::string rest;
  std::uint64_t number = 0;
  for_each_block(file, limit, [&](std::string_view block) {
    for (std::size_t newline = block.find('\n'); newline != std::string_view::npos;
         newline = block.find('\n')) {
      const std::string_view part = block.substr(0, newline);
      if (rest.empty()) {
        use(part, ++number);
      } else {
        use(rest.append(part), ++number);
        rest.clear();
      }
      block.remove_prefix(newline + 1);
    }
    rest += block;
  });
}

void for_each_event(const std::string& file, std::uint64_t limit,
                    const std::function<void(const FederationEvent&)>& use,
                    const std::function<bool(std::string_view)>& wanted) {
  for_each_line(file, limit, [&](std::string_view line, std::uint64_t number) {
    const std::string_view kind = kind_of(line);
    if (wanted && !kind.empty() && !wanted(kind)) return;
    FederationEvent event;
    try {
      event = parse_federation_event(line);
    } catch (const UserError& error) {
      throw user_error("{}:{}: {}", file, number, error.what());
    }
    use(event);
  });
}

}  // namespace fedloom
