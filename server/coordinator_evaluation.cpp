// Evaluation at window boundaries: of the one model, and of clients on their own held-out data. It reads the
// state and changes nothing but the totals, and who holds which model.
#include <algorithm>

#include "server/coordinator.hpp"
#include "transport/codec.hpp"

namespace fedloom {

void Coordinator::evaluate(Tick now) {
  evaluated_ = state_.windows;
  if (strategy_.traits().personal_models) {
    evaluate_clients(now);
    return;
  }
  if (config_.stages > 0) return evaluate_stages(now);
  // By time, one model may be asked about more than once.
  if (quality_.first != state_.server.version || !quality_.second)
    quality_ = {state_.server.version, port_.evaluate(state_.server.model.values(), config_.evaluate_on, 0)};
  if (quality_.second) note_evaluation(now, *quality_.second);
  if (config_.evaluate_clients > 0) evaluate_clients(now);
}

void Coordinator::evaluate_by_time(Tick now) {
  state_.next_evaluation = (now / config_.evaluate_interval + 1) * config_.evaluate_interval;
  evaluate(now);
  if (reached_target()) return finish(now, "target");
  port_.call(Moment::evaluation, state_.next_evaluation, open_window());
}

void Coordinator::note_evaluation(Tick now, const EvaluationResult& result) {
  port_.emit(Evaluated{state_.windows, now, state_.server.version, config_.evaluate_on, result.loss,
                       result.accuracy, result.examples});
  FederationTotals& totals = state_.totals;
  totals.last_accuracy = result.accuracy;
  totals.last_loss = result.loss;
  totals.best_accuracy = std::max(totals.best_accuracy, result.accuracy);
  if (config_.target_accuracy > 0 && totals.windows_to_target < 0 &&
      result.accuracy >= config_.target_accuracy)
    totals.windows_to_target = static_cast<std::int64_t>(state_.windows);
}

void Coordinator::evaluate_clients(Tick now) {
  // The same clients every time, so that their spread is comparable from round to round.
  Random random(config_.seed, Stream::sampling, 0, 1);
  const std::uint64_t wanted = config_.evaluate_clients > 0 ? config_.evaluate_clients : population_.clients;
  std::vector<TaskId> chosen;
  for (const ClientId client : random.choose(population_.clients, std::min(wanted, population_.clients))) {
    if (population_.available && !population_.available(client, now)) continue;
    const auto record = state_.records.find(client);
    chosen.push_back({client, record == state_.records.end() ? 0 : record->second.kept_version});
  }
  ClientsEvaluated event;
  event.window = state_.windows;
  event.tick = now;
  event.version = state_.server.version;
  EvaluationResult all;
  for (const ClientEvaluation& result : port_.evaluate_clients(state_.server.version, chosen)) {
    charge_evaluation(result.client, event);
    if (result.examples == 0) continue;
    const auto examples = static_cast<double>(result.examples);
    event.clients.push_back(result.client);
    event.accuracies.push_back(static_cast<double>(result.correct) / examples);
    event.losses.push_back(result.loss_sum / examples);
    event.examples.push_back(result.examples);
    all.accuracy += static_cast<double>(result.correct);
    all.loss += result.loss_sum;
    all.examples += result.examples;
  }
  state_.totals.bytes_up += event.bytes_up;
  state_.totals.bytes_down += event.bytes_down;
  port_.emit(event);
  if (!strategy_.traits().personal_models || all.examples == 0) return;
  // There is no one model to test: the federation's quality is that of its clients' own models.
  all.accuracy /= static_cast<double>(all.examples);
  all.loss /= static_cast<double>(all.examples);
  note_evaluation(now, all);
}

// What it would cost deployed. The request names one client, as a deployed client is asked.
void Coordinator::charge_evaluation(ClientId client, ClientsEvaluated& event) {
  event.bytes_up += deployed_evaluation_answer_size();
  event.bytes_down += deployed_evaluation_request_size() + charge_model(client);
}

}  // namespace fedloom
