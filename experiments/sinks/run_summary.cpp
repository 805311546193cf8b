// One list of fields serves writing and reading of summary.json.
#include "experiments/sinks/run_summary.hpp"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/file.hpp"
#include "core/version.hpp"

namespace fedloom {

namespace {

using Json = nlohmann::ordered_json;

template <class Summary, class Visitor>
void visit_fields(Summary& s, Visitor&& field) {
  field("experiment", s.experiment);
  field("strategy", s.strategy);
  field("model", s.model);
  field("data", s.data);
  field("seed", s.seed);
  field("rounds", s.rounds);
  field("reason", s.reason);
  field("final_test_accuracy", s.final_test_accuracy);
  field("final_test_loss", s.final_test_loss);
  field("final_validation_accuracy", s.final_validation_accuracy);
  field("best_test_accuracy", s.best_test_accuracy);
  field("best_round", s.best_round);
  field("target_accuracy", s.target_accuracy);
  field("rounds_to_target", s.rounds_to_target);
  field("simulated_seconds", s.simulated_seconds);
  field("seconds_to_target", s.seconds_to_target);
  field("epsilon", s.epsilon);
  field("model_hash", s.model_hash);
  field("events_hash", s.events_hash);
  field("clients_accepted", s.clients_accepted);
  field("clients_dropped", s.clients_dropped);
  field("bytes_up", s.bytes_up);
  field("bytes_down", s.bytes_down);
  field("socket_bytes_sent", s.socket_bytes_sent);
  field("socket_bytes_received", s.socket_bytes_received);
  field("client_trainings", s.client_trainings);
  field("wall_seconds", s.wall_seconds);
  field("peak_rss_bytes", s.peak_rss_bytes);
  field("version", s.version);
  field("cpu", s.cpu);
}

template <class T>
Json json_of(const T& value) {
  return value;
}
template <class T>
Json json_of(const std::optional<T>& value) {
  return value ? json_of(*value) : Json();
}

template <class T>
void read_into(const Json& from, T& to) {
  to = from.get<T>();
}
template <class T>
void read_into(const Json& from, std::optional<T>& to) {
  to = from.get<T>();
}

}  // namespace

std::string to_json(const RunSummary& summary) {
  Json json;
  visit_fields(summary, [&](const char* name, const auto& value) { json[name] = json_of(value); });
  // Text of foreign origin (a CPU's name) may not be UTF-8; that must not cost the user the summary.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

RunSummary summary_from_json(const std::string& text, const std::string& source) {
  RunSummary summary;
  try {
    const Json json = Json::parse(text);
    if (!json.is_object()) throw user_error("{}: expected a JSON object", source);
    visit_fields(summary, [&](const char* name, auto& value) {
      const auto found = json.find(name);
      if (found != json.end() && !found->is_null()) read_into(*found, value);
    });
  } catch (const Json::exception& error) {
    throw user_error("{}: not a run summary: {}", source, error.what());
  }
  return summary;
}

void write_summary(const std::string& path, const RunSummary& summary) {
  write_file_atomically(path, to_json(summary), true);
}

RunSummary read_summary(const std::string& path) { return summary_from_json(read_file(path), path); }

SummarySink::SummarySink(std::optional<double> target_accuracy, std::string target_split,
                         const MachineTotals& earlier)
    : target_split_(std::move(target_split)), earlier_(earlier) {
  summary_.target_accuracy = target_accuracy;
  summary_.version = kVersion;
}

void SummarySink::on(const FederationEvent& event) {
  if (const auto* started = std::get_if<RunStarted>(&event)) {
    summary_.experiment = started->experiment;
    summary_.strategy = started->strategy;
    summary_.model = started->model;
    summary_.data = started->data;
    summary_.seed = started->seed;
    ticks_per_second_ = started->ticks_per_second;
  } else if (const auto* closed = std::get_if<WindowClosed>(&event)) {
    summary_.rounds = closed->window;
    summary_.clients_accepted += closed->accepted;
    summary_.clients_dropped += closed->rejected + closed->discarded + closed->lost + closed->cancelled;
    summary_.bytes_up += closed->bytes_up;
    summary_.bytes_down += closed->bytes_down;
    if (const auto spent = closed->metrics.find("epsilon"); spent != closed->metrics.end())
      summary_.epsilon = spent->second;
  } else if (const auto* e = std::get_if<Evaluated>(&event)) {
    evaluated(*e);
  } else if (const auto* clients = std::get_if<ClientsEvaluated>(&event)) {
    summary_.bytes_up += clients->bytes_up;
    summary_.bytes_down += clients->bytes_down;
  } else if (const auto* ended = std::get_if<RunEnded>(&event)) {
    summary_.rounds = ended->windows;
    summary_.simulated_seconds = seconds(ended->tick);
    summary_.reason = ended->reason;
    summary_.model_hash = ended->model_hash;
    if (const auto spent = ended->metrics.find("epsilon"); spent != ended->metrics.end())
      summary_.epsilon = spent->second;
  }
}

std::optional<double> SummarySink::seconds(Tick tick) const {
  if (ticks_per_second_ <= 1.0) return std::nullopt;
  return static_cast<double>(tick) / ticks_per_second_;
}

void SummarySink::evaluated(const Evaluated& event) {
  if (event.split == target_split_ && summary_.target_accuracy && !summary_.rounds_to_target &&
      event.accuracy >= *summary_.target_accuracy) {
    summary_.rounds_to_target = event.window;
    summary_.seconds_to_target = seconds(event.tick);
  }
  if (event.split == "validation") summary_.final_validation_accuracy = event.accuracy;
  if (event.split != "test") return;
  summary_.final_test_accuracy = event.accuracy;
  summary_.final_test_loss = event.loss;
  if (!summary_.best_test_accuracy || event.accuracy > *summary_.best_test_accuracy) {
    summary_.best_test_accuracy = event.accuracy;
    summary_.best_round = event.window;
  }
}

void SummarySink::on(const MachineEvent& event) {
  const auto* state = std::get_if<MachineState>(&event);
  if (state == nullptr) return;
  summary_.client_trainings = earlier_.client_trainings + state->client_trainings;
  summary_.socket_bytes_sent = earlier_.socket_bytes_sent + state->socket_bytes_sent;
  summary_.socket_bytes_received = earlier_.socket_bytes_received + state->socket_bytes_received;
  summary_.wall_seconds = earlier_.wall_seconds + state->wall_seconds;
}

}  // namespace fedloom
