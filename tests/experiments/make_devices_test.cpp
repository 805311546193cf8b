// The section `devices`: short and long forms, units, traces, what contradicts itself, and which changes make
// it another experiment.
#include "wiring/devices_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/make_devices.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom {
namespace {

using ::testing::HasSubstr;

constexpr double kNano = 1e9;
constexpr Tick kSecond = 1'000'000'000;

DevicesConfig read(const std::string& yaml) {
  return read_config<DevicesConfig>(ConfigNode::from_text(yaml, "test.yaml"));
}

std::shared_ptr<const Devices> devices(const std::string& yaml, std::uint64_t clients = 5) {
  return make_devices(read(yaml), clients, 1, kNano);
}

Work work(ClientId client) { return {{client, 1}, 10, 1000, 4000}; }

template <class Function>
std::string refusal(Function function) {
  try {
    (void)function();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

std::string refusal_of(const std::string& yaml) {
  return refusal([&] { return devices(yaml); });
}

// Files beside an experiment.
class DeviceTraces : public ::testing::Test {
 protected:
  std::shared_ptr<const Devices> traced(const std::string& yaml, const std::string& csv,
                                        std::uint64_t clients = 5) {
    return make_devices(located(yaml, csv), clients, 1, kNano);
  }
  DevicesConfig located(const std::string& yaml, const std::string& csv) {
    folder_.write("t.csv", csv);
    DevicesConfig config = read(yaml);
    locate_traces(config, folder_.path());
    return config;
  }
  std::string refusal_of_trace(const std::string& key, const std::string& csv) {
    return refusal([&] { return traced("{" + key + ": t.csv}", csv); });
  }

  testing::TempFolder folder_;
};

TEST(DevicesConfig, NothingTakesOneTick) {
  const auto plain = devices("{}");
  EXPECT_EQ(plain->typical(work(3)), 1);
  EXPECT_FALSE(plain->varies());
  EXPECT_TRUE(plain->available(3, 77));
}

// 2 * 10 examples of 30 ms, 1000 B / 500 B/s, 4000 B at 8 kbit/s = 1 kB/s, 0.2 s each way: 0.6 + 2 + 4 + 0.4.
TEST(DevicesConfig, AmountsAreShortForConstants) {
  const auto short_form =
      devices("{compute: 30ms, passes: 2, downlink: 500B/s, uplink: 8kbit/s, latency: 0.2}");
  EXPECT_EQ(short_form->typical(work(0)), 7 * kSecond);
  const auto long_form = devices(
      "{compute: {name: constant, value: 0.03}, passes: 2, downlink: {name: constant, value: 500}, "
      "uplink: {name: list, values: [1kB/s]}, latency: {name: uniform, low: 200ms, high: 200ms}}");
  EXPECT_EQ(long_form->typical(work(0)), 7 * kSecond);
}

TEST(DevicesConfig, LadderOfTasks) {
  const auto ladder = devices("task: {name: ladder, slowest: 1s, percent: 80}");
  for (ClientId i = 0; i < 5; ++i)
    EXPECT_EQ(ladder->typical(work(i)), kSecond - static_cast<Tick>(i) * kSecond / 5);
}

TEST(DevicesConfig, JitterIsAFactor) {
  EXPECT_TRUE(devices("{task: 1s, jitter: {name: lognormal, sigma: 0.1}}")->varies());
  EXPECT_EQ(devices("{task: 1s, jitter: 1.5}")->course(work(0), 0).duration, 1'500'000'000);
}

TEST(DevicesConfig, WhatDoesNotFitIsRefusedWithItsPlace) {
  EXPECT_THAT(refusal_of("compute: 2MB/s"), HasSubstr("test.yaml:1:10: compute"));
  EXPECT_THAT(refusal_of("compute: 2MB/s"), HasSubstr("expected a time such as 30ms"));
  EXPECT_THAT(refusal_of("downlink: {name: uniform, low: 1s, high: 2}"),
              HasSubstr("test.yaml:1:32: downlink.low"));
  EXPECT_THAT(refusal_of("jitter: 1s"), HasSubstr("a number without a unit"));
  EXPECT_THAT(refusal_of("latency: 30parsecs"), HasSubstr("units: s, ms"));
  EXPECT_THAT(refusal_of("latency: -1s"), HasSubstr("at least 0"));
  EXPECT_THAT(refusal_of("uplink: 0"), HasSubstr("carries nothing"));
  EXPECT_THAT(refusal_of("compute: lognorml"), HasSubstr("did you mean 'lognormal'"));
  EXPECT_THAT(refusal_of("compute: {name: lognormal, sgma: 1}"), HasSubstr("did you mean 'sigma'"));
  EXPECT_THAT(refusal_of("{task: 1s, compute: 1ms}"), HasSubstr("not both"));
  EXPECT_THAT(refusal_of("dropout: 1.5"), HasSubstr("allowed"));
  EXPECT_THAT(refusal_of("leaving: wait"), HasSubstr("finish, abort"));
  EXPECT_THAT(refusal_of("availability: sometimes"), HasSubstr("always, bernoulli"));
  EXPECT_THAT(refusal_of("availability: intervals"), HasSubstr("devices.availability_trace"));
  EXPECT_THAT(refusal_of("availability: {name: bernoulli, probability: 0}"), HasSubstr("allowed"));
  EXPECT_THAT(refusal_of("spede: 1"), HasSubstr("unknown key"));
}

TEST_F(DeviceTraces, ColumnsTakeThePlaceOfKeys) {
  const auto two = traced("{trace: t.csv, passes: 3, uplink: 1kB/s}",
                          "client,compute,downlink\n1, 100ms ,500\n0,0.2,1kB/s\n");
  EXPECT_EQ(two->typical(work(0)), 6 * kSecond + 1 * kSecond + 4 * kSecond);
  EXPECT_EQ(two->typical(work(1)), 3 * kSecond + 2 * kSecond + 4 * kSecond);
  EXPECT_EQ(two->typical(work(3)), two->typical(work(1))) << "clients beyond the file start over";
  EXPECT_EQ(traced("trace: t.csv", "task\n2\n3s\n")->typical(work(1)), 3 * kSecond) << "rows in order";
}

TEST_F(DeviceTraces, MistakesInThemAreShown) {
  const std::string file = folder_ / "t.csv";
  EXPECT_THAT(refusal_of_trace("trace", ""), HasSubstr("is empty"));
  EXPECT_THAT(refusal_of_trace("trace", "compute\n"), HasSubstr("no rows"));
  EXPECT_THAT(refusal_of_trace("trace", "client,comput\n0,1\n"),
              HasSubstr(file + ":1:8: no column is called 'comput' (did you mean 'compute'?)"));
  EXPECT_THAT(refusal_of_trace("trace", "compute,latency\n1,2\n3\n"), HasSubstr(file + ":3:1: 1 fields"));
  EXPECT_THAT(refusal_of_trace("trace", "compute\n2MB/s\n"),
              HasSubstr(file + ":2:1: compute: expected a time"));
  EXPECT_THAT(refusal_of_trace("trace", "compute,uplink\n1,fast\n"),
              HasSubstr(file + ":2:3: expected an amount"));
  EXPECT_THAT(refusal_of_trace("trace", "client,task\n0,1\n0,2\n"),
              HasSubstr(file + ":3:1: client 0 is there twice"));
  EXPECT_THAT(refusal_of_trace("trace", "client,task\n0,1\n2,2\n"), HasSubstr("client 1 has no row"));
  EXPECT_THAT(refusal_of_trace("trace", "client,task\n99999999999,1\n"), HasSubstr("without gaps"));
  EXPECT_THAT(refusal_of_trace("trace", "client\n0\n"), HasSubstr("no column beside client"));
  EXPECT_THAT(refusal_of_trace("availability_trace", "client,active_from\n0,1\n"),
              HasSubstr("'active_until'"));
  EXPECT_THAT(refusal_of_trace("availability_trace", "client,active_from,active_until\n0,5,1\n"),
              HasSubstr(file + ":2:5: ends before it begins"));
  EXPECT_THAT(
      refusal_of_trace("trace_period: 4s, availability_trace", "client,active_from,active_until\n0,1,5\n"),
      HasSubstr("after the trace starts over"));
}

TEST_F(DeviceTraces, ContradictionsAreRefused) {
  EXPECT_THAT(refusal([&] { return traced("{trace: t.csv, compute: 1s}", "compute\n1\n"); }),
              HasSubstr("leave one of them out"));
  EXPECT_THAT(refusal([&] { return traced("{trace: t.csv, task: 1s}", "compute\n1\n"); }),
              HasSubstr("not both"));
  EXPECT_THAT(refusal([&] {
                return traced("{availability_trace: t.csv, availability: diurnal}",
                              "client,active_from,active_until\n0,0,1\n");
              }),
              HasSubstr("leave one of them out"));
}

TEST_F(DeviceTraces, AvailabilityRepeatsAfterItsPeriod) {
  const std::string csv = "client,active_from,active_until\n0,1,2\n1,0,0\n0,3,4\n";
  const auto latest = traced("availability_trace: t.csv", csv);
  EXPECT_EQ(latest->next_available(0, 0), 1 * kSecond);
  EXPECT_EQ(latest->next_available(0, 4 * kSecond), 5 * kSecond) << "period 4 s";
  EXPECT_EQ(latest->next_available(1, 0), std::nullopt);
  EXPECT_TRUE(latest->available(2, 3 * kSecond)) << "client 2 is device 0";
  const auto given = traced("{availability_trace: t.csv, trace_period: 10s}", csv);
  EXPECT_EQ(given->next_available(0, 4 * kSecond), 11 * kSecond);
  const DevicesConfig again = read(resolved_yaml(located("availability_trace: t.csv", csv)));
  EXPECT_EQ(make_devices(again, 5, 1, kNano)->next_available(0, 0), 1 * kSecond)
      << "resolved, it is the same";
}

TEST_F(DeviceTraces, ThatAreMissingOrOthersAreRefused) {
  DevicesConfig missing = read("trace: nowhere.csv");
  EXPECT_THAT(refusal([&] { return locate_traces(missing, folder_.path()), 0; }),
              HasSubstr("there is no file"));
  EXPECT_THAT(refusal([&] { return traced("{trace: t.csv, trace_sha256: 00}", "task\n1\n"); }),
              HasSubstr("another file"));
}

TEST(DevicesConfig, ResolvedReadsBackAsItself) {
  const std::string yaml =
      "{compute: 30ms, downlink: {name: pareto, cap: 1MB/s}, availability: diurnal, leaving: abort, dropout: "
      "0.1}";
  const std::string resolved = resolved_yaml(read(yaml));
  EXPECT_THAT(resolved, HasSubstr("compute:\n  name: constant\n  value: 0.03s\n"));
  EXPECT_THAT(resolved, HasSubstr("  share: 0.5\n"));
  EXPECT_EQ(resolved_yaml(read(resolved)), resolved);
  EXPECT_EQ(devices(resolved)->typical(work(2)), devices(yaml)->typical(work(2)));
}

ExperimentConfig experiment(const std::string& yaml) { return parse_experiment(yaml, "test.yaml").config; }

TEST(DevicesConfig, ExperimentsTellItApart) {
  const std::uint64_t none = experiment_fingerprint(experiment("rounds: 1"));
  const std::uint64_t slow = experiment_fingerprint(experiment("devices: {task: 2s}"));
  EXPECT_NE(none, slow);
  EXPECT_NE(slow, experiment_fingerprint(experiment("devices: {task: 3s}")));
  EXPECT_EQ(slow, experiment_fingerprint(experiment(resolved_yaml(experiment("devices: {task: 2s}")))));
}

TEST_F(DeviceTraces, WhatIsInThemCountsAndNotWhereTheyLie) {
  ExperimentConfig here = experiment("devices: {trace: t.csv}");
  *here.devices = located("trace: t.csv", "task\n1\n");
  ExperimentConfig there = here;
  there.devices->trace = "elsewhere.csv";
  EXPECT_EQ(experiment_fingerprint(here), experiment_fingerprint(there));
  *there.devices = located("trace: t.csv", "task\n2\n");
  EXPECT_NE(experiment_fingerprint(here), experiment_fingerprint(there));
}

}  // namespace
}  // namespace fedloom
