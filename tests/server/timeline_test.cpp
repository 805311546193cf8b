// Pacers on worked timelines: three clients of 5, 3 and 10 ticks with targets 3, 6 and 12 and equal
// importance, from theta = 0. The fractions are the exact results; the model is kept in floats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/client_facts.hpp"
#include "server/staleness.hpp"
#include "tests/server/timeline.hpp"

namespace fedloom::testing {
namespace {

constexpr double kFloat = 4e-6;  // a few roundings of floats up to 20

void expect_steps(const Timeline& timeline, const std::vector<Step>& wanted, double unit) {
  ASSERT_EQ(timeline.steps().size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    SCOPED_TRACE(i);
    const Step& step = timeline.steps()[i];
    EXPECT_EQ(step.tick, wanted[i].tick);
    EXPECT_EQ(step.clients, wanted[i].clients);
    EXPECT_EQ(step.starts, wanted[i].starts);
    EXPECT_NEAR(step.theta, wanted[i].theta, kFloat);
    ASSERT_EQ(step.weights.size(), wanted[i].weights.size());
    for (std::size_t k = 0; k < step.weights.size(); ++k)
      EXPECT_NEAR(step.weights[k] / unit, wanted[i].weights[k], 1e-9);
  }
}

TEST(Timeline, SynchronousRoundsLastAsLongAsTheSlowest) {
  const Timeline timeline({.settings = "clients_per_round: 3", .until = 20});
  expect_steps(
      timeline,
      {{10, {0, 1, 2}, {0, 0, 0}, {1, 1, 1}, 7.0 / 2}, {20, {0, 1, 2}, {1, 1, 1}, {1, 1, 1}, 21.0 / 4}}, 1.0);
}

TEST(Timeline, OverSelectionEndsWithTheGoalthFastest) {
  // Durations 7, 20, 9, 12 and a goal of 3 of 4: the round lasts 12, client 1 is surplus.
  const Timeline timeline({.settings = "{clients_per_round: 3, over_selection: 0.3}",
                           .durations = {7, 20, 9, 12},
                           .targets = {1, 1, 1, 1},
                           .windows = 1});
  ASSERT_EQ(timeline.steps().size(), 1U);
  EXPECT_EQ(timeline.steps()[0].tick, 12);
  EXPECT_EQ(timeline.steps()[0].clients, (std::vector<ClientId>{0, 2, 3}));
  EXPECT_EQ(timeline.federation().port.all<TaskEnded>().back().reason, Reason::surplus);
}

TEST(Timeline, FedFixClosesAtFixedTimesWithWhoeverIsIn) {
  // dt = 4: d = (2/3, 1/3, 1). A finish at the end of a window counts in it; a client restarts at its end.
  const Timeline timeline({.pacer = "fedfix", .settings = "window: 4s", .windows = 3});
  expect_steps(timeline,
               {{4, {1}, {0}, {1.0 / 3}, 1.0},
                {8, {0, 1}, {0, 1}, {2.0 / 3, 1.0 / 3}, 17.0 / 6},
                {12, {1, 2}, {2, 0}, {1.0 / 3, 1.0}, 337.0 / 36}},
               3.0);
}

TEST(Timeline, FedFixWeightsSumToImportanceOverAFullPeriod) {
  // Periods of (2, 1, 3) windows: after 6 windows each client's weights sum to 6 p_i = 2.
  const Timeline timeline({.pacer = "fedfix", .settings = "{window: 4s, importance: uniform}", .windows = 6});
  std::map<ClientId, double> sums;
  for (const Step& step : timeline.steps())
    for (std::size_t i = 0; i < step.clients.size(); ++i) sums[step.clients[i]] += step.weights[i] / 3.0;
  ASSERT_EQ(sums.size(), 3U);
  for (const auto& [client, sum] : sums) EXPECT_NEAR(sum, 2.0, 1e-12) << client;
}

TEST(Timeline, FedFixWithLongWindowsIsSynchronousFedAvgToTheBit) {
  for (const char* window : {"10s", "17s"}) {
    const Timeline fixed({.pacer = "fedfix", .settings = fmt::format("window: {}", window), .windows = 8});
    const Timeline rounds({.settings = "clients_per_round: 3", .windows = 8});
    EXPECT_EQ(fixed.theta(), rounds.theta());
    EXPECT_EQ(fixed.steps().size(), 8U);
  }
}

TEST(Timeline, AnEmptyWindowLeavesTheModelAndItsVersion) {
  const Timeline timeline({.pacer = "fedfix", .settings = "window: 2s", .windows = 2});
  // Nobody has finished at 2; client 1 at 3 is in the second window.
  ASSERT_EQ(timeline.steps().size(), 1U);
  EXPECT_EQ(timeline.steps()[0].tick, 4);
  const auto closed = timeline.federation().port.all<WindowClosed>();
  EXPECT_EQ(closed[0].version, 0U);
  EXPECT_EQ(closed[1].version, 1U);
}

TEST(Timeline, AsynchronousFedAvgUpdatesAtEachArrival) {
  // sum 1/T = 19/30: d = (19/18, 19/30, 19/9). Two arrivals at tick 10, the lower client first.
  const double a = 19.0 / 18, b = 19.0 / 30, c = 19.0 / 9;
  const Timeline timeline({.pacer = "async_fedavg", .until = 10});
  expect_steps(timeline,
               {{3, {1}, {0}, {b}, 19.0 / 10},
                {5, {0}, {0}, {a}, 209.0 / 60},
                {6, {1}, {1}, {b}, 2869.0 / 600},
                {9, {1}, {3}, {b}, 186029.0 / 36000},
                {10, {0}, {2}, {a}, 530537.0 / 108000},
                {10, {2}, {0}, {c}, 1898537.0 / 108000}},
               kWeightUnit);
}

TEST(Timeline, AsynchronousWeightsAverageToImportanceOverAFullPeriod) {
  // In 30 ticks clients arrive 6, 10 and 3 times: 19 updates, of which each client's weights are 19 / 3.
  const Timeline timeline({.pacer = "async_fedavg", .until = 30});
  std::map<ClientId, double> sums;
  for (const Step& step : timeline.steps()) sums[step.clients[0]] += step.weights[0] / kWeightUnit;
  ASSERT_EQ(timeline.steps().size(), 19U);
  for (const auto& [client, sum] : sums) EXPECT_NEAR(sum / 19.0, 1.0 / 3, 1e-9) << client;
}

TEST(Timeline, IdenticalAsynchronousUpdatesAreAppliedInFull) {
  const Timeline timeline({.pacer = "async_fedavg", .settings = "weights: identical", .windows = 2});
  // 0 + 3 = 3 at tick 3, then client 0's 1.5 from theta = 0 at tick 5.
  expect_steps(timeline, {{3, {1}, {0}, {1.0}, 3.0}, {5, {0}, {0}, {1.0}, 4.5}}, kWeightUnit);
}

TEST(Timeline, FedBuffWhoseClientsWaitForTheUpdate) {
  // c = 2; participation in the 4 updates that begin by T = 15 is (3/4, 1, 1/4).
  const std::string common = "buffer: 2, release: at_aggregation, staleness: {function: constant}";
  const Timeline identical({.pacer = "fedbuff", .settings = "{" + common + "}", .windows = 4});
  expect_steps(identical,
               {{5, {0, 1}, {0, 0}, {1, 1}, 9.0 / 4},
                {10, {0, 1}, {1, 1}, {1, 1}, 27.0 / 8},
                {13, {1, 2}, {2, 0}, {1, 1}, 225.0 / 32},
                {16, {0, 1}, {2, 3}, {1, 1}, 855.0 / 128}},
               kWeightUnit);
  const Timeline weighted(
      {.pacer = "fedbuff", .settings = "{" + common + ", weights: unbiased, horizon: 4}", .windows = 4});
  const double a = 4.0 / 9, b = 1.0 / 3, c = 4.0 / 3;
  expect_steps(weighted,
               {{5, {0, 1}, {0, 0}, {a, b}, 5.0 / 3},
                {10, {0, 1}, {1, 1}, {a, b}, 145.0 / 54},
                {13, {1, 2}, {2, 0}, {b, c}, 3641.0 / 324},
                {16, {0, 1}, {2, 3}, {a, b}, 20285.0 / 1944}},
               kWeightUnit);
}

TEST(Timeline, FedBuffsClientsWaitAlsoWhereTheyEndTogether) {
  // Equal speeds and c = 2 of 3: at tick 4 clients 0 and 1 make an update, theta = (1.5 + 3) / 2 = 9/4, and
  // client 2 waits in the next buffer. At 8 client 0, from 9/4: (3/8 + 6) / 2 more, 87/16. Client 1 waits in
  // the third.
  const Timeline timeline(
      {.pacer = "fedbuff",
       .settings = "{buffer: 2, release: at_aggregation, staleness: {function: constant}}",
       .durations = {4, 4, 4},
       .windows = 2});
  expect_steps(timeline, {{4, {0, 1}, {0, 0}, {1, 1}, 9.0 / 4}, {8, {0, 2}, {1, 0}, {1, 1}, 87.0 / 16}},
               kWeightUnit);
}

TEST(Timeline, FedBuffsBufferIsNeverLargerThanTheClientsThatWait) {
  // A buffer of 10 for 3 clients is one of 3, and its update their mean.
  const Timeline timeline(
      {.pacer = "fedbuff",
       .settings = "{buffer: 10, release: at_aggregation, staleness: {function: constant}}",
       .windows = 1});
  EXPECT_EQ(timeline.steps().at(0).tick, 10);
  EXPECT_NEAR(timeline.theta(), 3.5, kFloat);
}

TEST(Timeline, FedBuffWithEqualSpeedsAndAFullBufferIsFedAvgToTheBit) {
  const Timeline buffered(
      {.pacer = "fedbuff", .settings = "buffer: 3", .durations = {4, 4, 4}, .windows = 2});
  expect_steps(
      buffered,
      {{4, {0, 1, 2}, {0, 0, 0}, {1, 1, 1}, 7.0 / 2}, {8, {0, 1, 2}, {1, 1, 1}, {1, 1, 1}, 21.0 / 4}},
      kWeightUnit);
  const Timeline longer({.pacer = "fedbuff", .settings = "buffer: 3", .durations = {4, 4, 4}, .windows = 9});
  const Timeline rounds(
      {.settings = "{clients_per_round: 3, weights: uniform}", .durations = {4, 4, 4}, .windows = 9});
  EXPECT_EQ(longer.theta(), rounds.theta());
}

TEST(Timeline, FedBuffDividesByItsBufferAndDampsStaleness) {
  // K = 2 of clients that never wait. Tick 3: client 1 (from 0) waits in the buffer and starts again from 0;
  // tick 5: client 0 (from 0): theta = (3 + 1.5) / 2 = 9/4. Tick 6: client 1 (from 0, staleness 1): 3 / sqrt
  // 2; tick 9: client 1, started at 6 from 9/4, staleness 0: 15/8. theta = 9/4 + (3 / sqrt 2 + 15/8) / 2.
  const double s = 1.0 / std::sqrt(2.0);
  const Timeline timeline({.pacer = "fedbuff", .settings = "buffer: 2", .windows = 2});
  expect_steps(
      timeline,
      {{5, {0, 1}, {0, 0}, {1, 1}, 9.0 / 4}, {9, {1, 1}, {0, 1}, {s, 1}, 9.0 / 4 + (3.0 * s + 15.0 / 8) / 2}},
      kWeightUnit);
  const Timeline by_weights(
      {.pacer = "fedbuff", .settings = "{buffer: 2, normalise: weights}", .windows = 2});
  EXPECT_NEAR(by_weights.theta(), 9.0 / 4 + (3.0 * s + 15.0 / 8) / (1.0 + s), kFloat);
}

TEST(Timeline, FedAsyncMixesArrivingModelsIntoTheCurrentOne) {
  // alpha = 0.6, a = 0.5: alpha_t = 0.6 / sqrt(1 + s). theta' = (1 - alpha_t) theta + alpha_t local.
  const auto alpha = [](double s) { return 0.6 / std::sqrt(1.0 + s); };
  const Timeline timeline({.pacer = "fedasync", .until = 10});
  expect_steps(timeline,
               {{3, {1}, {0}, {alpha(0)}, 1.8},
                {5, {0}, {0}, {alpha(1)}, 1.6727207793864212},
                {6, {1}, {1}, {alpha(1)}, 2.617675323681471},
                {9, {1}, {3}, {alpha(0)}, 3.63237272657703},
                {10, {0}, {2}, {alpha(2)}, 3.1834208836332607},
                {10, {2}, {0}, {alpha(5)}, 3.8733390491610247}},
               kWeightUnit);
}

TEST(Timeline, SemiSynchronousClientsDoWhatFits) {
  // One tick a step: with 4 ticks a window everybody does 4 steps and is in every window.
  class StepDevices : public FixedDevices {
   public:
    StepDevices() : FixedDevices({}) {}
    Tick typical(const Work& work) const override {
      return static_cast<Tick>(work.examples * (work.task.client + 1));
    }
  } const devices;
  const Population population{3, [](ClientId) { return std::uint64_t{8}; }, {}, {}, &devices};
  const PlannedFacts facts(population, devices, [](ClientId client, std::int64_t steps) {
    return Work{{client, 0}, static_cast<std::uint64_t>(steps), 0, 0};
  });
  const auto pacer = make_pacer("window: 13s", 1.0, "semi_sync");
  EXPECT_EQ(pacer->steps(0, {}, facts), 13);
  EXPECT_EQ(pacer->steps(1, {}, facts), 6);
  EXPECT_EQ(pacer->steps(2, {}, facts), 4);
  EXPECT_EQ(make_pacer("window: 2s", 1.0, "semi_sync")->steps(2, {}, facts), 1);  // at least one
}

TEST(Timeline, AllTasksEndWithOneVerdictWhenTimeIsUp) {
  const Timeline timeline({.pacer = "fedbuff", .settings = "{buffer: 2, concurrency: 2}", .until = 33});
  const auto started = timeline.federation().port.all<TaskStarted>();
  const auto ended = timeline.federation().port.all<TaskEnded>();
  EXPECT_EQ(started.size(), ended.size());
  EXPECT_EQ(timeline.federation().port.all<RunEnded>().at(0).reason, "duration");
  EXPECT_EQ(timeline.federation().port.ends.size(), ended.size());
}

TEST(Timeline, AVersionGoesWhenItsLastTaskHasEnded) {
  const Timeline timeline({.pacer = "async_fedavg", .until = 29});
  // Of 18 versions made, those in use at the end are at most one for each client and the current one.
  const auto& port = timeline.federation().port;
  EXPECT_LE(port.published.size() - port.retired.size(), 4U);
  EXPECT_EQ(std::set<Version>(port.retired.begin(), port.retired.end()).size(), port.retired.size());
}

TEST(Timeline, UpdatesThatAreAllRejectedEndTheRunWithTheReason) {
  // A target beyond the range of a slot (1024): every change is rejected, and no window would ever close.
  try {
    const Timeline timeline(
        {.pacer = "fedbuff", .settings = "buffer: 2", .targets = {1e5, 1e5, 1e5}, .windows = 1});
    FAIL() << "it goes on";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("all rejected, the last one as range"), std::string::npos)
        << error.what();
  }
}

// ---- weights ----

// Five clients of 1, 0.8, 0.6, 0.4 and 0.2 s (the ladder F-80), in tenths, and p_i = 1/5.
TEST(Weights, OfTheLadderF80AreUnbiased) {
  const FixedDevices devices({10, 8, 6, 4, 2});
  const Population population{5, [](ClientId) { return std::uint64_t{1}; }, {}, {}, &devices};
  const PlannedFacts facts(population, devices, [](ClientId client, std::int64_t) {
    return Work{{client, 0}, 1, 0, 0};
  });
  const auto weights = [&](const std::string& pacer, const std::string& settings) {
    std::vector<double> d;
    const auto made = make_pacer(settings, 10.0, pacer);
    for (ClientId client = 0; client < 5; ++client)
      d.push_back(static_cast<double>(made->weight({client, 1, 0}, facts)) /
                  made->normaliser({}, facts).value());
    return d;
  };
  const auto near = [](const std::vector<double>& wanted) {
    std::vector<::testing::Matcher<double>> all;
    for (const double value : wanted) all.push_back(::testing::DoubleNear(value, 1e-9));
    return ::testing::ElementsAreArray(all);
  };
  EXPECT_THAT(weights("async_fedavg", "{}"),
              near({137.0 / 60, 137.0 / 75, 137.0 / 100, 137.0 / 150, 137.0 / 300}));
  EXPECT_THAT(weights("fedfix", "window: 500ms"), near({0.4, 0.4, 0.4, 0.2, 0.2}));
  EXPECT_THAT(weights("fedfix", "window: 200ms"), near({1.0, 0.8, 0.6, 0.4, 0.2}));
  EXPECT_THAT(weights("fedfix", "window: 800ms"), near({0.4, 0.2, 0.2, 0.2, 0.2}));
  EXPECT_THAT(weights("fedfix", "{window: 500ms, weights: identical}"), near({0.2, 0.2, 0.2, 0.2, 0.2}));
}

TEST(Weights, OfDurationsThatVaryAreMeansOverDraws) {
  // Client 0 takes 1 or 9 ticks in turn: mean 5, and with dt = 4 it needs 1 or 3 windows, 2 in the mean.
  class Alternating : public FixedDevices {
   public:
    Alternating() : FixedDevices({5, 4}) {}
    Tick sample_duration(const Work& work, std::uint64_t draw) const override {
      return work.task.client == 1 ? 4 : (draw % 2 == 0 ? 1 : 9);
    }
    bool varies() const override { return true; }
  } const devices;
  const Population population{2, [](ClientId) { return std::uint64_t{3}; }, {}, {}, &devices};
  const PlannedFacts facts(population, devices, [](ClientId client, std::int64_t) {
    return Work{{client, 0}, 1, 0, 0};
  });
  EXPECT_FALSE(facts.exact());
  EXPECT_DOUBLE_EQ(facts.mean_duration(0), 5.0);
  EXPECT_DOUBLE_EQ(facts.mean_periods(0, 4), 2.0);
  EXPECT_DOUBLE_EQ(facts.total_rate(), 1.0 / 5 + 1.0 / 4);
  EXPECT_EQ(facts.all_examples(), 6U);
  const auto pacer = make_pacer("window: 4s", 1.0, "fedfix");
  EXPECT_EQ(pacer->weight({0, 3, 0}, facts), weight_numerator(2.0 * 0.5));
  EXPECT_EQ(pacer->normaliser({}, facts), kWeightUnit);
}

TEST(Weights, ObservedDurationsStandForWhatIsNotKnown) {
  const Population population{3, [](ClientId) { return std::uint64_t{2}; }, {}, {}, nullptr};
  ClientRecords records;
  const ObservedFacts facts(population, records, [](ClientId) { return std::int64_t{5}; });
  EXPECT_DOUBLE_EQ(facts.mean_duration(0), 1.0);
  EXPECT_EQ(facts.duration_of_steps(0, 4), std::nullopt);
  records[0].observed = {{10, 5}, {20, 5}};
  records[1].observed = {{5, 5}};
  EXPECT_DOUBLE_EQ(facts.mean_duration(0), 15.0);
  EXPECT_DOUBLE_EQ(facts.mean_periods(0, 15), 1.5);  // ceil(10/15) and ceil(20/15)
  EXPECT_DOUBLE_EQ(facts.mean_duration(2), 10.0);    // the mean of 15 and 5
  EXPECT_DOUBLE_EQ(facts.total_rate(), 1.0 / 15 + 1.0 / 5 + 1.0 / 10);
  EXPECT_EQ(facts.duration_of_steps(0, 4), 12);  // 3 ticks a step
}

TEST(Staleness, FunctionsAreFedAsyncsAndFLSims) {
  StalenessConfig polynomial{.function = "polynomial", .exponent = 0.5};
  EXPECT_DOUBLE_EQ(polynomial.weight(0), 1.0);
  EXPECT_DOUBLE_EQ(polynomial.weight(1), 0.7071067811865476);
  EXPECT_DOUBLE_EQ(polynomial.weight(3), 0.5);
  EXPECT_DOUBLE_EQ(polynomial.weight(8), 1.0 / 3);
  const StalenessConfig hinge{.function = "hinge", .slope = 10, .from = 4};
  EXPECT_DOUBLE_EQ(hinge.weight(3), 1.0);
  EXPECT_DOUBLE_EQ(hinge.weight(5), 1.0 / 11);
  EXPECT_DOUBLE_EQ(hinge.weight(8), 1.0 / 41);
  polynomial.average = 1.0;
  EXPECT_DOUBLE_EQ(polynomial.weight(0), 1.4142135623730951);
  EXPECT_DOUBLE_EQ(polynomial.weight(3), 0.7071067811865476);
  EXPECT_DOUBLE_EQ(StalenessConfig{.function = "constant"}.weight(7), 1.0);
}

TEST(Pacers, RefuseWhatMakesNoSense) {
  EXPECT_THROW(make_pacer("weights: unbiased", 1.0, "fedbuff"), UserError);
  EXPECT_THROW(make_pacer("{weights: unbiased, release: at_aggregation, concurrency: 3}", 1.0, "fedbuff"),
               UserError);
  EXPECT_THROW(make_pacer("window: 0s", 1.0, "fedfix"), UserError);
  EXPECT_THROW(make_pacer("alpha: 0", 1.0, "fedasync"), UserError);
  EXPECT_THROW(make_pacer("staleness: {function: cubic}", 1.0, "fedasync"), UserError);
  EXPECT_THROW(weight_numerator(1e9), UserError);
  EXPECT_THROW(weight_numerator(std::nan("")), UserError);
}

TEST(Pacers, DropWhatIsTooOld) {
  for (const char* name : {"fedbuff", "fedasync"}) {
    const auto pacer = make_pacer("max_staleness: 3", 1.0, name);
    EXPECT_EQ(pacer->admit({0, 1, 3}), Reason::none);
    EXPECT_EQ(pacer->admit({0, 1, 4}), Reason::stale);
  }
}

}  // namespace
}  // namespace fedloom::testing
