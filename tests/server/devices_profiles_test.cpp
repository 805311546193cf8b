// Durations and courses of tasks: the published formulas, exact rungs, rates of losses, and that nobody's
// order of asking changes an answer.
#include "server/devices/profiles.hpp"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "core/config.hpp"

namespace fedloom {
namespace {

constexpr double kNano = 1e9;  // ticks per second

std::shared_ptr<const Distribution> make(const std::string& name, const std::string& settings) {
  return DistributionRegistry::instance()
      .find(name, "distribution")
      .make(ConfigNode::from_text(settings, "test.yaml"), Measure::none);
}

std::shared_ptr<const Distribution> constant(double value) { return listed_values({value}); }

std::shared_ptr<const Distribution> ladder(int percent) {
  return make("ladder", fmt::format("{{slowest: 1, percent: {}}}", percent));
}

std::shared_ptr<const Availability> available(const std::string& name, const std::string& settings) {
  return AvailabilityRegistry::instance()
      .find(name, "availability model")
      .make(ConfigNode::from_text(settings, "test.yaml"), {1, kNano, nullptr});
}

Work work(ClientId client, std::uint32_t number = 1) { return {{client, number}, 100, 1000, 2000}; }

// FedScale: 3 * 20 * 10 examples of 50 ms are 30 s, (1000 + 1000) / 500 are 4 s.
TEST(Profiles, FedScaleCompletionTime) {
  DeviceProfile profile;
  profile.compute = constant(0.05);
  profile.passes = 3.0;
  const Work steps{{0, 1}, 20 * 10, 1000, 1000};
  EXPECT_EQ(ProfiledDevices(profile, 1, 1, kNano).typical(steps), 30'000'000'000);
  profile.downlink = constant(500.0);
  profile.uplink = constant(500.0);
  const ProfiledDevices devices(profile, 1, 1, kNano);
  EXPECT_EQ(devices.typical(steps), 34'000'000'000);
  EXPECT_EQ(devices.course(steps, 5).duration, 34'000'000'000);
  EXPECT_EQ(devices.course(steps, 5).lost, Reason::none);
}

// Each way its own rate and the latency: 0.2 + 1000 / 500 + 7 + 2000 / 100 + 0.2 = 29.4 s.
TEST(Profiles, BytesAreChargedToLinks) {
  DeviceProfile profile;
  profile.task = constant(7.0);
  profile.downlink = constant(500.0);
  profile.uplink = constant(100.0);
  profile.latency = constant(0.2);
  EXPECT_EQ(ProfiledDevices(profile, 1, 1, kNano).typical(work(0)), 29'400'000'000);
}

// 1 - 3 * 0.4 / 3 is not 0.6 in binary; in ticks it must be, or windows of 0.1 s would count to seven.
TEST(Profiles, TheFloatTrapIsNone) {
  DeviceProfile profile;
  profile.task = ladder(40);
  EXPECT_EQ(ProfiledDevices(profile, 4, 1, kNano).typical(work(3)), 600'000'000);
}

// Every rung in whole numbers: 10^9 (100 (M - 1) - i X) / (100 (M - 1)), rounded half up; a tie cannot be,
// since 10^9 / 100 has more factors of two than M - 1.
TEST(Profiles, RungsAreExact) {
  for (int percent = 0; percent <= 100; ++percent) {
    DeviceProfile profile;
    profile.task = ladder(percent);
    for (std::int64_t clients = 2; clients <= 50; ++clients) {
      const ProfiledDevices devices(profile, static_cast<std::uint64_t>(clients), 1, kNano);
      for (std::int64_t i = 0; i < clients; ++i) {
        const std::int64_t whole = 100 * (clients - 1);
        const std::int64_t rounded = (2'000'000'000 * (whole - i * percent) + whole) / (2 * whole);
        ASSERT_EQ(devices.typical(work(static_cast<ClientId>(i))), std::max<std::int64_t>(1, rounded))
            << "F-" << percent << ", client " << i << " of " << clients;
      }
    }
  }
}

TEST(Profiles, ATaskLastsAtLeastATickAndNotForEver) {
  EXPECT_EQ(ProfiledDevices({}, 1, 1, kNano).typical(work(0)), 1);
  EXPECT_EQ(ProfiledDevices({}, 1, 1, kNano).course(work(0), 0).duration, 1);
  DeviceProfile profile;
  profile.task = constant(std::numeric_limits<double>::infinity());
  const ProfiledDevices devices(profile, 1, 1, kNano);
  EXPECT_EQ(devices.typical(work(0)), ProfiledDevices::kLongest);
  EXPECT_EQ(devices.course(work(0), 0).duration, ProfiledDevices::kLongest);
}

DeviceProfile lively() {
  DeviceProfile profile;
  profile.compute = make("lognormal", "{sigma: 0.5, scale: 0.01}");
  profile.downlink = make("uniform", "{low: 100, high: 10000}");
  profile.uplink = make("pareto", "{alpha: 2, minimum: 100}");
  profile.latency = make("exponential", "mean: 0.1");
  profile.jitter = make("lognormal", "{sigma: 0.3}");
  profile.availability = available("bernoulli", "{probability: 0.7, period: 1s}");
  profile.aborts = true;
  profile.dropout = 0.1;
  profile.failure = 0.1;
  return profile;
}

TEST(Profiles, TheOrderOfAskingChangesNothing) {
  const ProfiledDevices devices(lively(), 100, 9, kNano);
  std::map<TaskId, std::pair<Tick, Reason>> forward;
  for (ClientId client = 0; client < 100; ++client)
    for (std::uint32_t number = 1; number < 10; ++number) {
      const Course course = devices.course(work(client, number), 1000);
      forward[{client, number}] = {course.duration, course.lost};
    }
  const ProfiledDevices again(lively(), 100, 9, kNano);
  for (ClientId client = 100; client-- > 0;)
    for (std::uint32_t number = 9; number > 0; --number) {
      (void)again.sample_duration(work(client), number);
      (void)again.next_available(client, number);
      const Course course = again.course(work(client, number), 1000);
      EXPECT_EQ(forward.at({client, number}), std::pair(course.duration, course.lost));
    }
}

TEST(Profiles, ADeviceStaysTheSameAndTasksDiffer) {
  DeviceProfile profile = lively();
  profile.dropout = profile.failure = 0.0;
  profile.availability = nullptr;
  const ProfiledDevices devices(profile, 100, 9, kNano);
  EXPECT_TRUE(devices.varies());
  for (ClientId client = 0; client < 20; ++client) {
    EXPECT_EQ(devices.typical(work(client, 1)), devices.typical(work(client, 2)));
    EXPECT_NE(devices.typical(work(client)), devices.typical(work(client + 1)));
    EXPECT_NE(devices.course(work(client, 1), 0).duration, devices.course(work(client, 2), 0).duration);
    EXPECT_NE(devices.sample_duration(work(client), 1), devices.course(work(client, 1), 0).duration)
        << "what a server plans with foresees no course";
    EXPECT_NE(devices.sample_duration(work(client), 1), devices.sample_duration(work(client), 2));
  }
}

// What a client's device is like does not hang together: fast links do not mean fast computation.
TEST(Profiles, LinksAreDrawnApart) {
  DeviceProfile profile;
  profile.downlink = make("uniform", "{low: 1000, high: 2000}");
  const ProfiledDevices down(profile, 1000, 9, kNano);
  profile.uplink = profile.downlink;
  profile.downlink = nullptr;
  const ProfiledDevices up(profile, 1000, 9, kNano);
  int same = 0;
  for (ClientId client = 0; client < 1000; ++client)
    same += (down.typical({{client, 1}, 0, 1500, 0}) > 1'000'000'000) ==
                    (up.typical({{client, 1}, 0, 0, 1500}) > 1'000'000'000)
                ? 1
                : 0;
  EXPECT_NEAR(same, 500, 80) << "five standard errors of 1000 coins";
}

TEST(Profiles, WithoutJitterCoursesAreTypical) {
  DeviceProfile profile;
  profile.task = constant(2.0);
  const ProfiledDevices devices(profile, 3, 1, kNano);
  EXPECT_FALSE(devices.varies());
  EXPECT_EQ(devices.sample_duration(work(2), 77), devices.typical(work(2)));
  EXPECT_EQ(devices.course(work(2), 77).duration, devices.typical(work(2)));
  EXPECT_TRUE(devices.available(2, 5));
  EXPECT_EQ(devices.next_available(2, 5), 5);
}

// Jitter multiplies the whole duration, so its mean factor is the mean of sampled durations.
TEST(Profiles, SamplesHaveTheMeanOfTheJitter) {
  DeviceProfile profile;
  profile.task = constant(1.0);
  profile.jitter = make("uniform", "{low: 0.5, high: 2.5}");
  const ProfiledDevices devices(profile, 1, 4, kNano);
  constexpr int kDraws = 10000;
  double sum = 0.0;
  for (std::uint64_t draw = 0; draw < kDraws; ++draw)
    sum += static_cast<double>(devices.sample_duration(work(0), draw)) / kNano;
  EXPECT_NEAR(sum / kDraws, 1.5, 5.0 * (2.0 / std::sqrt(12.0)) / std::sqrt(double{kDraws}));
}

// 20000 tasks; vanishing hides failing, so failures are 0.9 * 0.2. Vanished ones end at a uniform moment:
// half of them in the first half.
TEST(Profiles, LossesHaveTheirRates) {
  DeviceProfile profile;
  profile.task = constant(1.0);
  profile.dropout = 0.1;
  profile.failure = 0.2;
  const ProfiledDevices devices(profile, 20000, 5, kNano);
  double vanished = 0.0;
  double failed = 0.0;
  double early = 0.0;
  for (ClientId client = 0; client < 20000; ++client) {
    const Course course = devices.course(work(client), 0);
    EXPECT_TRUE(course.duration >= 1 && course.duration <= 1'000'000'000);
    if (course.lost != Reason::disconnected) {
      EXPECT_EQ(course.duration, 1'000'000'000);
    }
    failed += course.lost == Reason::failed ? 1.0 : 0.0;
    vanished += course.lost == Reason::disconnected ? 1.0 : 0.0;
    early += course.duration < 500'000'000 ? 1.0 : 0.0;
  }
  const auto five_errors = [](double p, double n) { return 5.0 * std::sqrt(p * (1.0 - p) * n); };
  EXPECT_NEAR(vanished, 2000.0, five_errors(0.1, 20000.0));
  EXPECT_NEAR(failed, 3600.0, five_errors(0.18, 20000.0));
  EXPECT_NEAR(early, vanished / 2.0, five_errors(0.5, vanished));
}

TEST(Profiles, WhoFailsDoesNotDependOnWhoVanishes) {
  DeviceProfile profile;
  profile.failure = 0.5;
  const ProfiledDevices calm(profile, 1000, 5, kNano);
  profile.dropout = 0.5;
  const ProfiledDevices stormy(profile, 1000, 5, kNano);
  for (ClientId client = 0; client < 1000; ++client) {
    const Reason lost = stormy.course(work(client), 0).lost;
    if (lost != Reason::disconnected) {
      EXPECT_EQ(lost, calm.course(work(client), 0).lost);
    }
  }
}

// Half of each day of 10 s: a task of 2 s that starts 1 s before a client leaves ends then, or does not.
TEST(Profiles, LeavingFinishesOrAborts) {
  DeviceProfile profile;
  profile.task = constant(2.0);
  profile.availability = available("diurnal", "{share: 0.5, day: 10s}");
  const ProfiledDevices finishing(profile, 1, 1, kNano);
  profile.aborts = true;
  const ProfiledDevices aborting(profile, 1, 1, kNano);
  const Tick away =
      *profile.availability->leaves(0, *aborting.next_available(0, 20'000'000'000), 60'000'000'000);
  const Tick second = 1'000'000'000;
  EXPECT_EQ(finishing.course(work(0), away - second).lost, Reason::none);
  const Course cut = aborting.course(work(0), away - second);
  EXPECT_EQ(cut.lost, Reason::disconnected);
  EXPECT_EQ(cut.duration, second);
  const Course just = aborting.course(work(0), away - 2 * second);
  EXPECT_EQ(just.lost, Reason::none) << "done in the moment it leaves";
  EXPECT_EQ(just.duration, 2 * second);
  EXPECT_EQ(aborting.course(work(0), away + second).duration, 1)
      << "a client that is not there fails at once";
}

}  // namespace
}  // namespace fedloom
