// JSON lines of events, written by hand over fmt: the hashed form must not depend on a library's choices,
// and a run writes a hundred thousand of them.
#include "core/events.hpp"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fedloom {

namespace {

class JsonLine {
 public:
  explicit JsonLine(std::string_view type) { text_ = fmt::format("{{\"event\":\"{}\"", type); }

  JsonLine& field(std::string_view name, const std::string& value) { return raw(name, quote(value)); }
  JsonLine& field(std::string_view name, std::string_view value) {
    return raw(name, quote(std::string(value)));
  }
  JsonLine& field(std::string_view name, const char* value) { return raw(name, quote(value)); }
  JsonLine& field(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  JsonLine& field(std::string_view name, std::uint64_t value) { return raw(name, fmt::format("{}", value)); }
  JsonLine& field(std::string_view name, std::uint32_t value) { return raw(name, fmt::format("{}", value)); }
  JsonLine& field(std::string_view name, std::int64_t value) { return raw(name, fmt::format("{}", value)); }
  JsonLine& field(std::string_view name, double value) { return raw(name, number(value)); }
  JsonLine& field(std::string_view name, const std::vector<double>& values) {
    std::string list;
    for (const double value : values) list += (list.empty() ? "" : ",") + number(value);
    return raw(name, "[" + list + "]");
  }
  JsonLine& field(std::string_view name, const std::vector<std::uint64_t>& values) {
    return raw(name, fmt::format("[{}]", fmt::join(values, ",")));
  }
  JsonLine& field(std::string_view name, const std::map<std::string, double>& values) {
    std::string list;
    for (const auto& [key, value] : values)
      list += (list.empty() ? "" : ",") + quote(key) + ":" + number(value);
    return raw(name, "{" + list + "}");
  }
  JsonLine& task(const TaskId& id) { return field("client", id.client).field("task", id.number); }
  std::string done() { return text_ + "}"; }

 private:
  // JSON has no NaN or infinity; null says "no number" to every reader.
  static std::string number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }

  static std::string quote(const std::string& value) {
    std::string quoted = "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\')
        quoted += {'\\', c};
      else if (static_cast<unsigned char>(c) < 0x20)
        quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      else
        quoted += c;
    }
    return quoted + '"';
  }

  JsonLine& raw(std::string_view name, std::string_view value) {
    text_ += fmt::format(",\"{}\":{}", name, value);
    return *this;
  }

  std::string text_;
};

std::string json(const RunStarted& e) {
  return JsonLine("run_started")
      .field("experiment", e.experiment)
      .field("strategy", e.strategy)
      .field("pacer", e.pacer)
      .field("model", e.model)
      .field("data", e.data)
      .field("seed", e.seed)
      .field("clients", e.clients)
      .field("parameters", e.parameters)
      .field("layout", fmt::format("{:016x}", e.layout))
      .field("ticks_per_second", e.ticks_per_second)
      .done();
}

std::string json(const WindowOpened& e) {
  return JsonLine("window_opened")
      .field("window", e.window)
      .field("tick", e.tick)
      .field("version", e.version)
      .done();
}

std::string json(const TaskStarted& e) {
  return JsonLine("task_started")
      .field("window", e.window)
      .field("tick", e.tick)
      .task(e.task)
      .field("kind", e.kind)
      .field("version", e.version)
      .field("bytes_down", e.bytes_down)
      .done();
}

std::string json(const TaskEnded& e) {
  return JsonLine("task_ended")
      .field("window", e.window)
      .field("tick", e.tick)
      .task(e.task)
      .field("verdict", to_string(e.verdict))
      .field("reason", to_string(e.reason))
      .field("staleness", e.staleness)
      .field("examples", e.examples)
      .field("steps", e.steps)
      .field("train_loss", e.train_loss)
      .field("bytes_up", e.bytes_up)
      .done();
}

std::string json(const WindowClosed& e) {
  return JsonLine("window_closed")
      .field("window", e.window)
      .field("tick", e.tick)
      .field("version", e.version)
      .field("accepted", e.accepted)
      .field("rejected", e.rejected)
      .field("discarded", e.discarded)
      .field("lost", e.lost)
      .field("cancelled", e.cancelled)
      .field("bytes_up", e.bytes_up)
      .field("bytes_down", e.bytes_down)
      .field("train_loss", e.train_loss)
      .field("metrics", e.metrics)
      .done();
}

std::string json(const Evaluated& e) {
  return JsonLine("evaluated")
      .field("window", e.window)
      .field("tick", e.tick)
      .field("version", e.version)
      .field("split", e.split)
      .field("loss", e.loss)
      .field("accuracy", e.accuracy)
      .field("examples", e.examples)
      .done();
}

std::string json(const StagesEvaluated& e) {
  return JsonLine("stages_evaluated")
      .field("window", e.window)
      .field("tick", e.tick)
      .field("version", e.version)
      .field("split", e.split)
      .field("stage", e.stage)
      .field("ended", e.ended)
      .field("accuracies", e.accuracies)
      .field("losses", e.losses)
      .field("examples", e.examples)
      .field("mean_accuracy", e.mean_accuracy)
      .field("forgetting", e.forgetting)
      .field("forgetting_from_best", e.forgetting_from_best)
      .field("backward_transfer", e.backward_transfer)
      .done();
}

std::string json(const ClientsEvaluated& e) {
  return JsonLine("clients_evaluated")
      .field("window", e.window)
      .field("tick", e.tick)
      .field("version", e.version)
      .field("clients", e.clients)
      .field("accuracies", e.accuracies)
      .field("losses", e.losses)
      .field("examples", e.examples)
      .field("bytes_up", e.bytes_up)
      .field("bytes_down", e.bytes_down)
      .done();
}

std::string json(const RunEnded& e) {
  JsonLine line("run_ended");
  line.field("tick", e.tick)
      .field("windows", e.windows)
      .field("reason", e.reason)
      .field("model_hash", e.model_hash);
  if (!e.metrics.empty()) line.field("metrics", e.metrics);
  return line.done();
}

std::string json(const PeerChanged& e) {
  return JsonLine(e.joined ? "peer_joined" : "peer_left")
      .field("peer", e.peer)
      .field("name", e.name)
      .field("detail", e.detail)
      .done();
}

std::string json(const TaskRetried& e) {
  return JsonLine("task_retried").task(e.task).field("why", e.why).done();
}

std::string json(const Refused& e) {
  return JsonLine("refused")
      .field("peer", e.peer)
      .field("reason", to_string(e.reason))
      .field("detail", e.detail)
      .done();
}

std::string json(const CheckpointWritten& e) {
  return JsonLine("checkpoint_written")
      .field("window", e.window)
      .field("file", e.file)
      .field("bytes", e.bytes)
      .field("seconds", e.seconds)
      .done();
}

std::string json(const Resumed& e) {
  return JsonLine("resumed").field("window", e.window).field("file", e.file).done();
}

std::string json(const MachineState& e) {
  return JsonLine("machine")
      .field("window", e.window)
      .field("wall_seconds", e.wall_seconds)
      .field("client_trainings", e.client_trainings)
      .field("socket_bytes_sent", e.socket_bytes_sent)
      .field("socket_bytes_received", e.socket_bytes_received)
      .field("resident_bytes", e.resident_bytes)
      .field("resident_bytes_all", e.resident_bytes_all)
      .done();
}

std::string json(const Note& e) { return JsonLine("note").field("text", e.text).done(); }

}  // namespace

std::string to_json(const FederationEvent& event) {
  return std::visit([](const auto& e) { return json(e); }, event);
}

std::string to_json(const MachineEvent& event) {
  return std::visit([](const auto& e) { return json(e); }, event);
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::accepted: return "accepted";
    case Verdict::rejected: return "rejected";
    case Verdict::discarded: return "discarded";
    case Verdict::lost: return "lost";
    case Verdict::cancelled: return "cancelled";
  }
  return "invalid";
}

}  // namespace fedloom
