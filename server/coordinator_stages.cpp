// A sequence of stages: which window belongs to which, and what is evaluated of those seen so far. What a
// stage holds is the data's (datasets/continual.hpp), what is done against forgetting the strategy's.
#include <algorithm>

#include "server/coordinator.hpp"

namespace fedloom {

bool Coordinator::due_at(WindowId windows) const {
  return stage_of(windows).last_window ||
         (config_.evaluate_every > 0 && windows % config_.evaluate_every == 0);
}

StageMoment Coordinator::stage_of(WindowId window) const {
  StageMoment moment;
  moment.count = config_.stages;
  WindowId first = 1;
  for (const std::uint64_t windows : config_.stage_windows) {
    ++moment.number;
    moment.first_window = window == first;
    moment.last_window = window + 1 == first + windows;
    if (window < first + windows) return moment;
    first += windows;
  }
  return moment;  // of a sequence that is over: its last stage
}

// On every stage seen so far. The federation's quality is their mean, each stage counting once.
void Coordinator::evaluate_stages(Tick now) {
  const StageMoment moment = stage_of(state_.windows);
  StagesEvaluated event;
  event.window = state_.windows;
  event.tick = now;
  event.version = state_.server.version;
  event.split = config_.evaluate_on;
  event.stage = moment.number > 0 ? moment.number : config_.stages;
  event.ended = moment.number > 0 ? moment.last_window : state_.windows == config_.windows;
  EvaluationResult mean;
  double judged = 0.0;
  for (std::uint64_t stage = 1; stage <= event.stage; ++stage) {
    const auto result = port_.evaluate(state_.server.model.values(), config_.evaluate_on, stage);
    event.accuracies.push_back(result ? result->accuracy : kNoNumber);
    event.losses.push_back(result ? result->loss : kNoNumber);
    event.examples.push_back(result ? result->examples : 0);
    if (!result) continue;
    ++judged;
    mean.accuracy += result->accuracy;
    mean.loss += result->loss;
    mean.examples += result->examples;
  }
  if (judged == 0) return;
  mean.accuracy /= judged;
  mean.loss /= judged;
  event.mean_accuracy = mean.accuracy;
  if (event.ended) state_.stage_accuracies[event.stage] = event.accuracies;
  if (moment.number > 1) note_forgetting(event);
  port_.emit(event);
  note_evaluation(now, mean);
}

// Relative to what each earlier stage reached when it ended, and to the best it ever reached at an end.
void Coordinator::note_forgetting(StagesEvaluated& event) const {
  double forgetting = 0.0;
  double from_best = 0.0;
  const std::uint64_t earlier = event.stage - 1;
  for (std::uint64_t stage = 1; stage <= earlier; ++stage) {
    const auto at_end = state_.stage_accuracies.find(stage);
    if (at_end == state_.stage_accuracies.end()) return;
    double best = 0.0;
    for (auto row = at_end; row != state_.stage_accuracies.end() && row->first < event.stage; ++row)
      best = std::max(best, row->second[stage - 1]);
    forgetting += at_end->second[stage - 1] - event.accuracies[stage - 1];
    from_best += best - event.accuracies[stage - 1];
  }
  event.forgetting = forgetting / static_cast<double>(earlier);
  event.forgetting_from_best = from_best / static_cast<double>(earlier);
  event.backward_transfer = -event.forgetting;
}

}  // namespace fedloom
