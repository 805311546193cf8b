// A whole federation as calls: the coordinator and the trainer are the real ones, each made from the
// experiment's text, and meet only through encoded messages. What it did is open to tests.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "client/client_store.hpp"
#include "core/hash.hpp"
#include "experiments/components.hpp"
#include "experiments/evaluator.hpp"
#include "experiments/experiment_file.hpp"
#include "server/coordinator.hpp"
#include "server/devices/one_tick.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {

/// A value as the other process would read it.
template <class T>
T through_the_wire(const T& value) {
  const std::optional<T> read = decode<T>(encode(value));
  FEDLOOM_CHECK(read.has_value(), "a message does not parse");
  return *read;
}

/// The client half of a federation: made from text, it sees messages and its own store.
class ClientSide {
 public:
  ClientSide(const std::string& text, std::shared_ptr<ClientStore> store) {
    const ExperimentConfig config = parse_experiment(text, "client.yaml").config;
    world_ = make_world(config, build_components(config, "", 1.0), std::move(store));
    trainer_ = std::make_unique<LocalTrainer>(world_);
  }
  void keep(const Shared& shared) {
    const auto stepped = stepped_.find(shared.version);
    if (stepped != stepped_.end() && shared.payload.name == "model") {
      EXPECT_TRUE(std::ranges::equal(stepped->second, shared.payload.values()))
          << "patches lead elsewhere than to version " << shared.version;
    }
    shared_[shared.payload.name] = shared.payload;
  }
  /// The next model, made as a client makes it: of the one before, and before the first of the initial model.
  void step(const Patch& patch) {
    const SliceSet exchanged = world_->strategy->exchanged(*world_->model->layout());
    ParameterVector model(world_->model->layout());
    std::ranges::copy(world_->initial, model.values().begin());
    if (const auto before = stepped_.find(patch.from); before != stepped_.end())
      exchanged.scatter(before->second, model.values());
    else if (patch.from > 0)
      exchanged.scatter(shared_.at("model").values(), model.values());  // after a resume
    world_->strategy->apply(patch.parts, model);
    FloatBuffer& next = stepped_[patch.from + 1];
    next.resize(exchanged.size());
    exchanged.gather(model.values(), next);
  }
  Update train(const Task& task) {
    SharedVectors vectors;
    for (const std::string& name : task.shared) vectors.emplace(name, shared_.at(name));
    return trainer_->run(task, vectors);
  }
  ClientEvaluation evaluate(const TaskId& client) {
    const auto model = shared_.find("model");
    return trainer_->evaluate(client.client, client.number,
                              model == shared_.end() ? SharedVectors{} : shared_);
  }
  void drop(const TaskId& state) { world_->store->drop(state.client, state.number); }

 private:
  std::shared_ptr<const LocalWorld> world_;
  std::unique_ptr<LocalTrainer> trainer_;
  SharedVectors shared_;
  std::map<Version, FloatBuffer> stepped_;
};

enum class Order { as_they_come, backwards };

/// The server half, and the loop between the two.
class DirectFederation final : public FederationPort {
 public:
  DirectFederation(const std::string& text, std::shared_ptr<ClientStore> store,
                   Order order = Order::as_they_come, std::optional<FederationState> from = std::nullopt)
      : config_(parse_experiment(text, "server.yaml").config),
        parts_(build_components(config_, "", 1.0)),
        population_{parts_.data->clients(),
                    [this](ClientId client) { return std::uint64_t{parts_.data->example_count(client)}; },
                    {},
                    {},
                    &devices_},
        client_(text, std::move(store)),
        evaluator_(parts_.model, 1),
        order_(order),
        coordinator_(coordinator_config(config_, parts_, false, 1.0), *parts_.strategy, *parts_.pacer,
                     *parts_.sampler, population_, *this, from ? std::move(*from) : fresh_state()) {}

  void run() {
    Tick now = coordinator_.state().now;
    coordinator_.begin(now);
    while (!coordinator_.ended()) {
      ASSERT_FALSE(tasks_.empty()) << "the window waits for nobody";
      const Task task = order_ == Order::as_they_come ? tasks_.front() : tasks_.back();
      if (order_ == Order::as_they_come)
        tasks_.pop_front();
      else
        tasks_.pop_back();
      Update update = through_the_wire(client_.train(task));
      ASSERT_EQ(update.reason, Reason::none) << update.error;
      update.reason = parts_.strategy->decode(update);
      updates_[update.id] = update;
      answers.push_back(update);
      coordinator_.on_finished(++now, update);
    }
  }

  const FederationState& state() const { return coordinator_.state(); }
  std::shared_ptr<const Layout> layout() const { return parts_.model->layout(); }
  std::string hash() const { return sha256_hex(state().server.model.values()); }

  std::vector<Update> answers;  // of all tasks, in the order in which they ended
  std::vector<FederationState> boundaries;
  std::vector<std::vector<TaskId>> superseded;
  std::vector<Evaluated> evaluations;
  std::vector<TaskEnded> ended;
  std::vector<WindowClosed> closed;

 private:
  FederationState fresh_state() const {
    FederationState state;
    state.server.model = ParameterVector(parts_.model->layout());
    const FloatBuffer initial = initial_model(config_, parts_.data->spec(), *parts_.model).values;
    std::copy(initial.begin(), initial.end(), state.server.model.values().begin());
    return state;
  }

  void publish(const Shared& shared) override { client_.keep(through_the_wire(shared)); }
  void publish(const Patch& patch) override { client_.step(through_the_wire(patch)); }
  void retire(Version) override {}
  void spend(const SpentTask& /*task*/) override {}
  void start(const LiveTask& live) override { tasks_.push_back(through_the_wire(live.task)); }
  void open_sum(PhaseSum sum) override { sum_ = std::move(sum); }
  void accept(const Fold::Term& term) override { terms_.push_back(term); }
  PhaseSum close_sum() override {
    for (const Fold::Term& term : terms_) {
      const Contribution contribution{&updates_.at(term.id), term.weight};
      if (parts_.strategy->traits().keeps_updates) sum_.updates.push_back(updates_.at(term.id));
      parts_.strategy->fold({&contribution, 1}, sum_);
    }
    std::sort(sum_.updates.begin(), sum_.updates.end(),
              [](const Update& a, const Update& b) { return a.id < b.id; });
    terms_.clear();
    return std::move(sum_);
  }
  void end(TaskId task, Verdict verdict, Reason) override {
    updates_.erase(task);
    std::erase_if(tasks_, [&](const Task& waiting) { return waiting.id == task; });
    if (verdict != Verdict::accepted) client_.drop(task);
  }
  void call(Moment, Tick, WindowId) override {}
  std::optional<EvaluationResult> evaluate(std::span<const float> model, const std::string&,
                                           std::uint64_t) override {
    return evaluator_.evaluate(model, parts_.data->test());
  }
  std::vector<ClientEvaluation> evaluate_clients(Version, const std::vector<TaskId>& clients) override {
    std::vector<ClientEvaluation> results;
    for (const TaskId& client : clients) results.push_back(client_.evaluate(client));
    return results;
  }
  void emit(const FederationEvent& event) override {
    if (const auto* done = std::get_if<Evaluated>(&event)) evaluations.push_back(*done);
    if (const auto* done = std::get_if<TaskEnded>(&event)) ended.push_back(*done);
    if (const auto* done = std::get_if<WindowClosed>(&event)) closed.push_back(*done);
  }
  void boundary(FederationState& state, const std::vector<TaskId>& old) override {
    boundaries.push_back(state);
    superseded.push_back(old);
  }

  ExperimentConfig config_;
  Components parts_;
  OneTickDevices devices_;
  Population population_;
  ClientSide client_;
  Evaluator evaluator_;
  Order order_;
  std::deque<Task> tasks_;
  std::map<TaskId, Update> updates_;
  std::vector<Fold::Term> terms_;
  PhaseSum sum_;
  Coordinator coordinator_;
};

}  // namespace fedloom::testing
