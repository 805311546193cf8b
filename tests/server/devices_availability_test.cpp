// When clients are there: the answers of a model agree with each other at random times, its share of time is
// what it says, and traces repeat.
#include "server/devices/availability.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "core/config.hpp"
#include "core/error.hpp"
#include "core/random.hpp"

namespace fedloom {
namespace {

constexpr double kTicks = 1000.0;  // per second

std::shared_ptr<const AvailabilityTrace> trace() {
  AvailabilityTrace measured;
  measured.period = 100'000;
  measured.devices = {{{10'000, 20'000}, {20'000, 25'000}, {60'000, 80'000}},   // the first two touch
                      {{0, 5'000}, {90'000, 100'000}},                          // stays over the end
                      {},                                                       // never there
                      {{0, 100'000}},                                           // always there
                      {{70'000, 90'000}, {10'000, 30'000}, {20'000, 20'000}}};  // not in order
  return std::make_shared<AvailabilityTrace>(measured);
}

std::unique_ptr<Availability> make(const std::string& name, const std::string& settings = "{}",
                                   std::uint64_t seed = 7) {
  return AvailabilityRegistry::instance()
      .find(name, "availability model")
      .make(ConfigNode::from_text(settings, "test.yaml"), {seed, kTicks, trace()});
}

// Between now and the answer nobody may be there, at the ends of the span and at random points of it.
void expect_absent(const Availability& model, ClientId client, Tick from, Tick until, Random& random) {
  if (from >= until) return;
  const auto length = static_cast<std::uint64_t>(until - from);
  for (int sample = 0; sample < 20; ++sample) {
    const Tick at = from + static_cast<Tick>(random.below(length));
    ASSERT_FALSE(model.available(client, at)) << "client " << client << " at " << at;
  }
  ASSERT_FALSE(model.available(client, from)) << client << " at " << from;
  ASSERT_FALSE(model.available(client, until - 1)) << client << " at " << until - 1;
}

void expect_present(const Availability& model, ClientId client, Tick from, Tick until, Random& random) {
  if (from >= until) return;
  for (int sample = 0; sample < 20; ++sample) {
    const Tick at = from + static_cast<Tick>(random.below(static_cast<std::uint64_t>(until - from)));
    ASSERT_TRUE(model.available(client, at)) << "client " << client << " at " << at;
  }
}

void expect_consistent(const Availability& model) {
  Random random(3, Stream::sampling);
  for (int round = 0; round < 2000; ++round) {
    const ClientId client = random.below(50);
    const Tick now = static_cast<Tick>(random.below(1'000'000));
    const std::optional<Tick> next = model.next_available(client, now);
    ASSERT_EQ(next == now, model.available(client, now));
    if (next) {
      ASSERT_GE(*next, now);
      ASSERT_TRUE(model.available(client, *next)) << "client " << client << " at " << *next;
    }
    expect_absent(model, client, now, next.value_or(now + 300'000), random);
    const Tick until = now + static_cast<Tick>(random.below(200'000));
    const std::optional<Tick> left = model.leaves(client, now, until);
    if (left) {
      ASSERT_TRUE(*left >= now && *left < until);
      ASSERT_FALSE(model.available(client, *left));
    }
    expect_present(model, client, now, left.value_or(until), random);
  }
}

TEST(Availability, AnswersAgreeWithEachOther) {
  for (const auto& [name, entry] : AvailabilityRegistry::instance().entries()) {
    SCOPED_TRACE(name);
    expect_consistent(*make(name));
  }
  expect_consistent(*make("bernoulli", "{probability: 0.05, period: 3s}"));
  expect_consistent(*make("bernoulli", "{probability: 1, period: 1s}"));
  expect_consistent(*make("diurnal", "{share: 0.2, day: 90s}"));
  expect_consistent(*make("diurnal", "{share: 1, day: 90s}"));
  expect_consistent(*make("diurnal", "{share: 1e-9, day: 90s}"));
}

// Coins of 40000 pairs of client and slot: the share misses by more than five standard errors once in two
// million seeds.
TEST(Availability, BernoulliHasItsShare) {
  const auto model = make("bernoulli", "{probability: 0.3, period: 2s}");
  int there = 0;
  for (ClientId client = 0; client < 200; ++client)
    for (Tick slot = 0; slot < 200; ++slot) {
      there += model->available(client, slot * 2000) ? 1 : 0;
      ASSERT_EQ(model->available(client, slot * 2000), model->available(client, slot * 2000 + 1999));
    }
  EXPECT_NEAR(there / 40000.0, 0.3, 5.0 * std::sqrt(0.3 * 0.7 / 40000.0));
}

// A share of 0.25 of 80 s is 20 s in one piece, wherever it begins.
TEST(Availability, DiurnalHasItsShareOfEveryDay) {
  const auto model = make("diurnal", "{share: 0.25, day: 80s}");
  for (ClientId client = 0; client < 50; ++client) {
    const Tick later = *model->leaves(client, *model->next_available(client, 0), 1'000'000);
    const Tick begin = *model->next_available(client, later);
    EXPECT_EQ(model->leaves(client, begin, 1'000'000), begin + 20'000);
    EXPECT_EQ(model->next_available(client, begin + 20'000), begin + 80'000);
  }
}

// 1000 phases over a day, in ten parts of 100 each: more than five standard errors (47) off is no chance.
TEST(Availability, DaysBeginAtAllHours) {
  const auto model = make("diurnal", "{share: 0.1, day: 100s}");
  for (Tick hour = 0; hour < 10; ++hour) {
    int there = 0;
    for (ClientId client = 0; client < 1000; ++client)
      there += model->available(client, hour * 10'000) ? 1 : 0;
    EXPECT_NEAR(there, 100, 47) << "at hour " << hour;
  }
}

TEST(Availability, SeedsAndClientsDiffer) {
  const auto one = make("bernoulli", "{}", 1);
  const auto two = make("bernoulli", "{}", 2);
  int seeds = 0;
  int clients = 0;
  for (ClientId client = 0; client < 100; ++client) {
    seeds += one->available(client, 0) != two->available(client, 0) ? 1 : 0;
    clients += one->available(client, 0) != one->available(client + 1, 0) ? 1 : 0;
  }
  EXPECT_GT(seeds, 20);
  EXPECT_GT(clients, 20);
}

// FedScale's rule: there at t when t mod period lies in an interval, its begin included and its end not.
TEST(Availability, TracesRepeat) {
  const auto model = make("intervals");
  EXPECT_FALSE(model->available(0, 9'999));
  EXPECT_TRUE(model->available(0, 10'000));
  EXPECT_TRUE(model->available(0, 320'000));
  EXPECT_FALSE(model->available(0, 325'000));
  EXPECT_EQ(model->next_available(0, 81'000), 110'000) << "over the end of the period";
  EXPECT_EQ(model->leaves(0, 12'000, 90'000), 25'000) << "intervals that touch are one";
  EXPECT_EQ(model->leaves(0, 12'000, 25'000), std::nullopt) << "to the very end is in time";
  EXPECT_EQ(model->leaves(1, 95'000, 500'000), 105'000) << "the last and the first interval touch";
  EXPECT_EQ(model->next_available(2, 0), std::nullopt);
  EXPECT_EQ(model->leaves(2, 0, 10), 0);
  EXPECT_EQ(model->leaves(3, 0, 1'000'000), std::nullopt);
  EXPECT_EQ(model->next_available(4, 0), 10'000);
  EXPECT_EQ(model->next_available(5, 0), model->next_available(0, 0))
      << "clients beyond the trace start over";
}

TEST(Availability, IntervalsNeedATrace) {
  EXPECT_THROW(
      AvailabilityRegistry::instance().find("intervals", "").make(ConfigNode(), AvailabilityContext{}),
      UserError);
}

TEST(Availability, NobodyWhoNeverComesIsConfigured) {
  EXPECT_THROW(make("bernoulli", "probability: 0"), UserError);
  EXPECT_THROW(make("diurnal", "share: 0"), UserError);
}

// Near the end of time nothing wraps.
TEST(Availability, TheEndOfTimeIsAnEnd) {
  const Tick end = std::numeric_limits<Tick>::max();
  for (const auto& [name, entry] : AvailabilityRegistry::instance().entries())
    for (ClientId client = 0; client < 20; ++client) {
      const auto next = make(name)->next_available(client, end - 5);
      EXPECT_TRUE(!next || *next >= end - 5) << name << ", client " << client;
    }
}

}  // namespace
}  // namespace fedloom
