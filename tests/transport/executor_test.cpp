// Time: the total order of virtual events, and the real executor's timers and threads.
#include <algorithm>
#include <random>
#include <thread>

#include <unistd.h>

#include <gtest/gtest.h>

#include "core/simulated_executor.hpp"
#include "transport/asio_executor.hpp"

namespace fedloom {
namespace {

constexpr auto kFinish = EventKind::client_finish;
constexpr auto kAggregate = EventKind::server_aggregate;
constexpr auto kEvaluate = EventKind::server_evaluate;
constexpr auto kStart = EventKind::client_start;

// Vector des_event_order: total order (tick, priority, client id, task number).
TEST(SimulatedExecutor, EventsHappenInTheirTotalOrder) {
  std::vector<Event> unsorted{{8, kStart, 1, 0},  {8, kFinish, 2, 0}, {8, kAggregate, -1, 0},
                              {5, kFinish, 0, 0}, {8, kFinish, 1, 3}, {8, kEvaluate, -1, 0},
                              {8, kStart, 0, 1}};
  const std::vector<Event> sorted{{5, kFinish, 0, 0},     {8, kFinish, 1, 3},    {8, kFinish, 2, 0},
                                  {8, kAggregate, -1, 0}, {8, kEvaluate, -1, 0}, {8, kStart, 0, 1},
                                  {8, kStart, 1, 0}};
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::ranges::shuffle(unsorted, random);
    SimulatedExecutor executor;
    std::vector<Event> seen;
    executor.set_handler([&](const Event& event) {
      EXPECT_EQ(executor.now(), event.tick);
      seen.push_back(event);
    });
    for (const Event& event : unsorted) executor.schedule(event);
    EXPECT_EQ(executor.pending(), sorted);
    executor.run();
    EXPECT_EQ(seen, sorted);
    EXPECT_EQ(executor.now(), 8);
  }
}

TEST(SimulatedExecutor, AtOneTickTasksComeFirstThenEventsThenTimers) {
  SimulatedExecutor executor;
  std::string order;
  executor.set_handler([&](const Event&) {
    order += "e";
    executor.post([&] { order += "p"; });
  });
  executor.after(3, [&] { order += "2"; });
  executor.after(3, [&] { order += "3"; });
  executor.after(1, [&] { order += "1"; });
  const TimerId never = executor.after(2, [&] { order += "x"; });
  executor.cancel(never);
  executor.cancel(TimerId{0});
  executor.schedule({3, kFinish, 0, 0});
  executor.schedule({3, kFinish, 1, 0});
  executor.post([&] { order += "0"; });
  executor.run();
  EXPECT_EQ(order, "01epep23");
  EXPECT_EQ(executor.now(), 3);
}

TEST(SimulatedExecutor, AnEventMayMakeAnotherAtTheSameTick) {
  SimulatedExecutor executor;
  std::vector<Event> seen;
  executor.set_handler([&](const Event& event) {
    seen.push_back(event);
    if (event.kind == kFinish) executor.schedule({event.tick, kAggregate, -1, 0});
  });
  executor.schedule({4, kFinish, 0, 1});
  executor.schedule({4, kStart, 0, 2});
  executor.run();
  EXPECT_EQ(seen, (std::vector<Event>{{4, kFinish, 0, 1}, {4, kAggregate, -1, 0}, {4, kStart, 0, 2}}));
}

TEST(SimulatedExecutor, AQueueThatIsWrittenAndReadGoesOnTheSame) {
  const auto make = [](std::vector<Event>& seen) {
    auto executor = std::make_unique<SimulatedExecutor>();
    executor->set_handler([&seen, raw = executor.get()](const Event& event) {
      seen.push_back(event);
      if (event.task < 5)
        raw->schedule({event.tick + 1 + event.client, event.kind, event.client, event.task + 1});
    });
    return executor;
  };
  std::vector<Event> whole;
  auto one = make(whole);
  for (int client = 0; client < 4; ++client) one->schedule({0, kFinish, client, 0});
  one->run();

  std::vector<Event> halves;
  auto before = make(halves);
  for (int client = 0; client < 4; ++client) before->schedule({0, kFinish, client, 0});
  for (int i = 0; i < 9; ++i) before->step();
  auto after = make(halves);
  after->restore(before->now(), before->pending());
  after->run();
  EXPECT_EQ(halves, whole);
}

TEST(SimulatedExecutor, StopsAndGoesOn) {
  SimulatedExecutor executor;
  int count = 0;
  executor.set_handler([&](const Event&) {
    if (++count == 2) executor.stop();
  });
  for (int i = 0; i < 5; ++i) executor.schedule({i, kFinish, 0, 0});
  executor.run();
  EXPECT_EQ(count, 2);
  EXPECT_TRUE(executor.cancel(Event{3, kFinish, 0, 0}));
  EXPECT_FALSE(executor.cancel(Event{3, kFinish, 0, 0}));
  executor.run();
  EXPECT_EQ(count, 4);
}

TEST(SimulatedExecutor, ThePastAndDoublesAreProgrammerErrors) {
  SimulatedExecutor executor;
  executor.restore(10, {});
  EXPECT_DEATH(executor.schedule({9, kFinish, 0, 0}), "at tick 9, but it is 10 already");
  executor.schedule({10, kFinish, 0, 0});
  EXPECT_DEATH(executor.schedule({10, kFinish, 0, 0}), "queued twice");
}

TEST(AsioExecutor, TimersFireInTheOrderOfTheirTimes) {
  AsioExecutor executor;
  std::string order;
  const Tick start = executor.now();
  executor.after(3 * kMillisecond, [&] {
    order += "c";
    executor.stop();
  });
  executor.after(kMillisecond, [&] { order += "a"; });
  executor.after(2 * kMillisecond, [&] { order += "b"; });
  const TimerId never = executor.after(kMicrosecond, [&] { order += "x"; });
  executor.cancel(never);
  executor.cancel(never);
  executor.run();
  EXPECT_EQ(order, "abc");
  EXPECT_GE(executor.now() - start, 3 * kMillisecond);
}

TEST(AsioExecutor, TakesTasksFromOtherThreads) {
  AsioExecutor executor;
  constexpr int kThreads = 4;
  constexpr int kEach = 1000;
  int count = 0;  // touched by this thread alone
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) executor.post([&] { ++count; });
    });
  }
  EXPECT_TRUE(executor.run_until([&] { return count == kThreads * kEach; }, 60 * kSecond));
  for (std::thread& thread : threads) thread.join();
}

TEST(AsioExecutor, AStopThatComesFirstEndsTheNextRun) {
  AsioExecutor executor;
  executor.stop();
  executor.run();
  bool ran = false;
  executor.post([&] { ran = true; });
  EXPECT_TRUE(executor.run_until([&] { return ran; }, 60 * kSecond));
}

TEST(AsioExecutor, RunUntilGivesUpAtItsDeadline) {
  AsioExecutor executor;
  EXPECT_FALSE(executor.run_until([] { return false; }, kMillisecond));
}

TEST(AsioExecutor, WatchesDescriptors) {
  AsioExecutor executor;
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  int heard = 0;
  std::unique_ptr<AsioExecutor::Watch> watch;
  watch = executor.watch(ends[0], [&] {
    char byte = 0;
    ASSERT_EQ(read(ends[0], &byte, 1), 1);
    ++heard;
    if (heard == 2) watch.reset();  // may end inside its own call
  });
  ASSERT_EQ(write(ends[1], "ab", 2), 2);  // one wake-up, two bytes: the second is not forgotten
  EXPECT_TRUE(executor.run_until([&] { return heard == 2; }, 60 * kSecond));
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace fedloom
