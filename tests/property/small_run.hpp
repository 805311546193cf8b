// A whole federation in one process and in virtual time: driver, coordinator, fleet, in-process channels and
// client hosts with their training threads, over quadratic clients. What may not change a run (workers,
// threads, where sums are made, deaths, interruptions) is a parameter.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/host.hpp"
#include "server/driver.hpp"
#include "tests/support/quadratic_world.hpp"
#include "transport/channel.hpp"

namespace fedloom::testing {

/// What the result may depend on.
struct Job {
  std::string algorithm = "fedavg";
  std::string settings = "{}";
  std::string pacer = "clients_per_round: 4";
  std::string pacer_name = "sync";
  std::shared_ptr<const Devices> devices = nullptr;
  Tick duration = 0;
  Tick evaluate_interval = 0;
  std::string sampler = "uniform";
  std::vector<std::size_t> sizes = {5, 1, 7, 0, 12, 3, 9, 2};
  std::size_t parameters = 5;
  std::uint64_t windows = 4;
  Recipe recipe{.epochs = 2, .batch_size = 4, .learning_rate = 0.1};
  StragglerPolicy stragglers = {};
  std::shared_ptr<const FederatedData> data = nullptr;  // instead of one drawn from `sizes`
  double adapter_alpha = 0.0;
  /// Makes another world than the quadratic one, of `algorithm`, `settings` and `sizes`.
  std::function<std::shared_ptr<LocalWorld>(const std::string&, const std::string&,
                                            const std::vector<std::size_t>&)>
      world = nullptr;
};

/// What it may not depend on.
struct Circumstances {
  std::size_t workers = 1;
  std::uint32_t threads = 1;
  bool hold = true;                   // updates stay at workers and are summed there
  std::uint64_t death_after = 0;      // a worker dies after the driver has looked around this often; 0: none
  std::uint64_t interrupt_after = 0;  // the run is cut off then; 0: never
  std::uint64_t checkpoint_every = 0;
  std::uint64_t checkpoints_kept = 1;
  std::shared_ptr<ClientStore> store = nullptr;  // of an earlier part of the run
  std::optional<FederationState> resume = {};
};

struct Outcome {
  FederationState state;
  std::vector<std::string> events;            // as JSON
  std::optional<FederationState> checkpoint;  // the latest one
  bool interrupted = false;
  std::map<ClientId, TensorMap> kept;  // the state that counts, of every client that has one
  std::uint64_t looks = 0;             // how often the driver looked around
  std::vector<float> model() const {
    const auto values = state.server.model.values();
    return {values.begin(), values.end()};
  }
};

class EventLines : public Sink {
 public:
  explicit EventLines(std::vector<std::string>& lines) : lines_(lines) {}
  using Sink::on;
  void on(const FederationEvent& event) override { lines_.push_back(to_json(event)); }

 private:
  std::vector<std::string>& lines_;
};

class SmallRun {
 public:
  SmallRun(const Job& job, const Circumstances& circumstances) : job_(job), around_(circumstances) {
    local_ = job.world ? job.world(job.algorithm, job.settings, job.sizes)
                       : quadratic_world(job.algorithm, job.settings, job.parameters, job.sizes);
    if (job.data) local_->data = job.data;
    if (around_.store) local_->store = around_.store;
    options_.hub = make_inproc_hub();
    server_ = make_server_channel("inproc://small", executor_, options_);
  }

  Outcome run() {
    Outcome outcome;
    EventLines sink(outcome.events);
    pacer_ = PacerRegistry::instance()
                 .find(job_.pacer_name, "pacer")
                 .make(ConfigNode::from_text(job_.pacer, "test.yaml"), TimeScale{1.0});
    sampler_ = SamplerRegistry::instance().find(job_.sampler, "sampler").make(ConfigNode());
    Driver driver(parts(sink, outcome));
    for (std::size_t i = 0; i < around_.workers; ++i) hire();
    try {
      driver.run();
    } catch (const Interrupted&) {
      outcome.interrupted = true;
    }
    outcome.state = driver.state();
    if (!outcome.interrupted)
      for (const auto& [client, record] : outcome.state.records)
        if (record.kept_version > 0) outcome.kept[client] = local_->store->load(client, record.kept_version);
    hosts_.clear();
    channels_.clear();
    return outcome;
  }

 private:
  void hire() {
    Hello hello;
    hello.name = fmt::format("worker {}", channels_.size());
    hello.capacity = around_.threads;
    channels_.push_back(make_client_channel("inproc://small", executor_, options_));
    hosts_.push_back(std::make_unique<ClientHost>(
        *channels_.back(), executor_, hello,
        [this](const std::string&, std::span<const float>) { return local_; },
        [](const std::string& reason, bool failed) { EXPECT_FALSE(failed) << reason; },
        [](const std::string&) {}));
  }

  DriverParts parts(Sink& sink, Outcome& outcome) {
    DriverParts parts;
    parts.config.strategy_name = job_.algorithm;
    parts.config.windows = job_.windows;
    parts.config.duration = job_.duration;
    parts.config.evaluate_interval = job_.evaluate_interval;
    parts.devices = job_.devices;
    parts.config.recipe = job_.recipe;
    parts.config.stragglers = job_.stragglers;
    parts.config.adapter_alpha = job_.adapter_alpha;
    const Traits traits = local_->strategy->traits();
    parts.config.hold_updates = around_.hold && traits.exchanges && !traits.keeps_updates;
    parts.fleet.welcome = {"small", "small", local_->model->layout()->fingerprint()};
    parts.strategy = local_->strategy.get();
    parts.pacer = pacer_.get();
    parts.sampler = sampler_.get();
    parts.clients = local_->data->clients();
    parts.examples = [this](ClientId client) { return local_->data->example_count(client); };
    parts.peers_to_wait_for = around_.workers;
    parts.channel = server_.get();
    parts.executor = &executor_;
    parts.evaluate = [](std::span<const float> model, const std::string&, std::uint64_t) {
      return EvaluationResult{static_cast<double>(model[0]), 0.5, 1};
    };
    parts.sinks = {&sink};
    parts.checkpoint = [this, &outcome](const FederationState& state) {
      if (around_.checkpoint_every == 0 || state.windows % around_.checkpoint_every != 0) return false;
      outcome.checkpoint = state;
      return true;
    };
    parts.checkpoints_kept = around_.checkpoints_kept;
    parts.interrupt = [this, &outcome] {
      ++outcome.looks;
      if (around_.interrupt_after > 0 && outcome.looks >= around_.interrupt_after) return Interrupt::now;
      if (around_.death_after > 0 && outcome.looks == around_.death_after) {
        hosts_.front().reset();
        channels_.front()->close();
        hire();
      }
      return Interrupt::none;
    };
    if (around_.resume) {
      parts.state = *around_.resume;
    } else {
      parts.state.server.model = ParameterVector(local_->model->layout());
      std::copy(local_->initial.begin(), local_->initial.end(), parts.state.server.model.values().begin());
    }
    return parts;
  }

  Job job_;
  Circumstances around_;
  AsioExecutor executor_;
  ChannelOptions options_;
  std::shared_ptr<LocalWorld> local_;
  std::unique_ptr<Channel> server_;
  std::unique_ptr<Pacer> pacer_;
  std::unique_ptr<Sampler> sampler_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::vector<std::unique_ptr<ClientHost>> hosts_;
};

inline Outcome run(const Job& job, const Circumstances& circumstances = {}) {
  return SmallRun(job, circumstances).run();
}

}  // namespace fedloom::testing
