// The scheduler alone: coordinator, pacer, devices and the queue of virtual time, with training that costs
// nothing. items_per_second counts events: a task's start, its end, a window's end. The port hands out one
// ready-made update; sums and models are real, of `parameters` floats.
#include <map>

#include <benchmark/benchmark.h>

#include "algorithms/algorithm.hpp"
#include "core/simulated_executor.hpp"
#include "experiments/make_devices.hpp"
#include "server/coordinator.hpp"
#include "server/pacer.hpp"
#include "wiring/devices_config.hpp"

namespace {

using namespace fedloom;

class InstantPort final : public FederationPort {
 public:
  InstantPort(const Strategy& strategy, const Devices& devices, std::size_t parameters)
      : strategy_(strategy), devices_(devices) {
    update_.examples = 10;
    update_.loss_count = 10;
    update_.reports.push_back({"delta", parameters, true, 0.001F});
    update_.slots.push_back(Payload::from("delta", Tensor::vector(FloatBuffer(parameters, 0.001F))));
  }

  /// Plays until the coordinator ends; the number of events.
  std::uint64_t play(Coordinator& coordinator) {
    clock_.set_handler([&](const Event& event) {
      if (event.kind == EventKind::client_finish) {
        update_.id = {static_cast<ClientId>(event.client), static_cast<std::uint32_t>(event.task)};
        const Reason lost = lost_.at(update_.id);
        lost_.erase(update_.id);
        if (lost == Reason::none)
          coordinator.on_finished(event.tick, update_);
        else
          coordinator.on_lost(event.tick, update_.id, lost);
      } else {
        const Moment what = event.kind == EventKind::server_aggregate ? Moment::look
                            : event.kind == EventKind::client_start   ? Moment::starts
                                                                      : Moment::availability;
        coordinator.on_moment(event.tick, what, static_cast<WindowId>(event.task));
      }
    });
    coordinator.begin(0);
    while (!coordinator.ended() && clock_.step()) {
    }
    return events_;
  }

  void publish(const Shared&) override {}
  void publish(const Patch&) override {}
  void retire(Version) override {}
  void spend(const SpentTask&) override {}
  void start(const LiveTask& live) override {
    const Course course = devices_.course(live.work, live.started);
    lost_[live.task.id] = course.lost;
    clock_.schedule({live.started + course.duration, EventKind::client_finish,
                     static_cast<std::int64_t>(live.task.id.client), live.task.id.number});
  }
  void open_sum(PhaseSum sum) override { sum_ = std::move(sum); }
  void accept(const Fold::Term& term) override {
    const Contribution contribution{&update_, term.weight};
    strategy_.fold({&contribution, 1}, sum_);
  }
  PhaseSum close_sum() override { return std::move(sum_); }
  void end(TaskId, Verdict, Reason) override {}
  void call(Moment what, Tick when, WindowId window) override {
    const EventKind kind = what == Moment::look     ? EventKind::server_aggregate
                           : what == Moment::starts ? EventKind::client_start
                                                    : EventKind::client_available;
    clock_.schedule({when, kind, -1, static_cast<std::int64_t>(window)});
  }
  std::optional<EvaluationResult> evaluate(std::span<const float>, const std::string&,
                                           std::uint64_t) override {
    return {};
  }
  std::vector<ClientEvaluation> evaluate_clients(Version, const std::vector<TaskId>&) override { return {}; }
  void emit(const FederationEvent& event) override {
    const bool counts = std::holds_alternative<TaskStarted>(event) ||
                        std::holds_alternative<TaskEnded>(event) ||
                        std::holds_alternative<WindowClosed>(event);
    events_ += counts ? 1 : 0;
  }
  void boundary(FederationState&, const std::vector<TaskId>&) override {}

 private:
  const Strategy& strategy_;
  const Devices& devices_;
  SimulatedExecutor clock_;
  std::map<TaskId, Reason> lost_;
  Update update_;
  PhaseSum sum_;
  std::uint64_t events_ = 0;
};

void schedule(benchmark::State& state, const char* pacer_name, const std::string& settings,
              std::uint64_t clients) {
  constexpr std::size_t kParameters = 100;
  const auto strategy = AlgorithmRegistry::instance()
                            .find("fedavg", "strategy")
                            .make(ConfigNode::from_text("{}", "bench"))
                            .strategy;
  const auto pacer = PacerRegistry::instance()
                         .find(pacer_name, "pacer")
                         .make(ConfigNode::from_text(settings, "bench"), TimeScale{1e9});
  const auto sampler = SamplerRegistry::instance().find("uniform", "sampler").make(ConfigNode());
  const auto config = read_config<DevicesConfig>(
      ConfigNode::from_text("{compute: {name: lognormal, mu: 0, sigma: 0.5, scale: 1ms}, jitter: {name: "
                            "lognormal, sigma: 0.2}, dropout: 0.05}",
                            "bench"));
  const auto devices = make_devices(config, clients, 1, 1e9);
  Population population{clients, [](ClientId) { return std::uint64_t{10}; }, {}, {}, devices.get()};
  std::uint64_t events = 0;
  for (auto _ : state) {
    InstantPort port(*strategy, *devices, kParameters);
    Layout::Builder builder;
    builder.add("w", {kParameters});
    FederationState start;
    start.server.model = ParameterVector(builder.build());
    CoordinatorConfig coordinator;
    coordinator.windows = 2000;
    coordinator.evaluate_every = 0;
    Coordinator federation(coordinator, *strategy, *pacer, *sampler, population, port, std::move(start));
    events += port.play(federation);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(events));
}

BENCHMARK_CAPTURE(schedule, fedbuff_10_of_1000, "fedbuff", "{buffer: 10, concurrency: 1000}", 10'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(schedule, fedbuff_100_of_1000, "fedbuff", "{buffer: 100, concurrency: 1000}", 10'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(schedule, fedfix_of_20, "fedfix", "window: 5ms", 20)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(schedule, async_fedavg_of_100, "async_fedavg", "{}", 100)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(schedule, fedasync_of_100, "fedasync", "concurrency: 100", 1000)
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
