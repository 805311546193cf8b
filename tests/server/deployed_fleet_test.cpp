// The fleet of deployed clients, with scripted ones: each runs its own tasks, is waited for when it is lost,
// and has no say when it breaks the protocol.
#include <gtest/gtest.h>

#include "server/fleet.hpp"
#include "tests/server/fleet_world.hpp"

namespace fedloom::testing {
namespace {

FleetOptions deployed(Tick lost_after = kDeadline) {
  FleetOptions options;
  options.deployed = true;
  options.population = 4;
  options.lost_after = lost_after;
  return options;
}

TEST(DeployedFleet, GivesTasksToTheClientTheyName) {
  FleetWorld world(deployed());
  const auto zero = world.client(0, 11);
  const auto two = world.client(2, 22);
  ASSERT_TRUE(world.wait([&] { return world.log.available.size() == 2; }));
  EXPECT_TRUE(world.fleet->available(2));
  EXPECT_FALSE(world.fleet->available(1));
  EXPECT_EQ(world.fleet->examples(2), 22U);
  world.publish(0);
  world.fleet->start(world.task(2, 1, false));
  EXPECT_EQ(two->hear<Task>(1)[0].id, (TaskId{2, 1}));
  EXPECT_TRUE(zero->tasks().empty());
  two->say(whole_update({2, 1}));
  ASSERT_TRUE(world.wait([&] { return world.log.updates.size() == 1; }));
  world.fleet->open_sum(empty_delta_sum());
  world.fleet->accept({{2, 1}, 12});
  EXPECT_EQ(units(world.fleet->close_sum()), expected_units({{2, 1}}));
}

TEST(DeployedFleet, ARejoiningClientGetsItsTaskAgain) {
  FleetWorld world(deployed());
  auto first = world.client(1);
  ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
  world.publish(0);
  world.fleet->start(world.task(1, 1, false));
  first->hear<Task>(1);
  first->vanish();
  ASSERT_TRUE(world.wait([&] { return world.fleet->peer_count() == 0; }));
  const auto again = world.client(1);
  EXPECT_EQ(again->hear<Task>(1)[0].id, (TaskId{1, 1}));
  EXPECT_EQ(again->heard<Shared>().size(), 1U);  // a new connection knows no model
  EXPECT_TRUE(world.log.lost.empty());
}

TEST(DeployedFleet, ANewConnectionOfAClientReplacesTheOld) {
  FleetWorld world(deployed());
  const auto first = world.client(1);
  ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
  world.publish(0);
  world.fleet->start(world.task(1, 1, false));
  first->hear<Task>(1);
  const auto second = world.client(1);
  second->hear<Task>(1);
  EXPECT_TRUE(first->hear<Goodbye>(1)[0].failed);  // the older one is told to end
  EXPECT_EQ(world.fleet->peer_count(), 1U);
  first->say(whole_update({1, 1}));  // it has no say any more
  ASSERT_TRUE(world.wait([&] { return world.log.refusals(Reason::malformed) == 1; }));
  second->say(whole_update({1, 1}));
  ASSERT_TRUE(world.wait([&] { return world.log.updates.size() == 1; }));
}

TEST(DeployedFleet, AClientThatStaysAwayLosesItsTask) {
  FleetWorld world(deployed(kMillisecond));
  auto client = world.client(1);
  ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
  world.publish(0);
  world.fleet->start(world.task(1, 1, false));
  client->hear<Task>(1);
  client->vanish();
  ASSERT_TRUE(world.wait([&] { return !world.log.lost.empty(); }));
  EXPECT_EQ(world.log.lost[0], (std::pair{TaskId{1, 1}, Reason::disconnected}));
  world.fleet->end({1, 1}, Verdict::lost, Reason::disconnected);
  const auto again = world.client(1);  // nothing is left for it
  ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
  EXPECT_TRUE(again->tasks().empty());
}

// A later phase asks the same clients again, one of whom has left meanwhile.
TEST(DeployedFleet, ATaskForAnAbsentClientIsLostInTheEndToo) {
  FleetWorld world(deployed(kMillisecond));
  world.publish(0);
  world.fleet->start(world.task(3, 2, false));
  ASSERT_TRUE(world.wait([&] { return !world.log.lost.empty(); }));
  EXPECT_EQ(world.log.lost[0].first, (TaskId{3, 2}));
}

TEST(DeployedFleet, RefusesWorkersAndClientsOutsideThePopulation) {
  FleetWorld world(deployed());
  const auto outside = world.client(4);
  const auto text = outside->hear<Goodbye>(1)[0];
  EXPECT_TRUE(text.failed);
  EXPECT_NE(text.reason.find("0 … 3"), std::string::npos) << text.reason;
  Hello hello;
  ScriptedPeer worker(world.world, hello);
  EXPECT_TRUE(worker.hear<Goodbye>(1)[0].failed);
  EXPECT_EQ(world.fleet->peer_count(), 0U);
  EXPECT_EQ(world.log.refused.size(), 2U);
}

// lost_after is far beyond the deadline of the test.
TEST(DeployedFleet, AGoodbyeLosesTheTaskAtOnce) {
  for (const bool spoken : {false, true}) {
    FleetWorld world(deployed(2 * kDeadline));
    const auto client = world.client(1);
    ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
    world.publish(0);
    world.fleet->start(world.task(1, 1, false));
    client->hear<Task>(1);
    if (spoken)
      client->say(Goodbye{"no such data", true});
    else
      client->die();
    ASSERT_TRUE(world.wait([&] { return !world.log.lost.empty(); }));
    EXPECT_EQ(world.log.lost[0], (std::pair{TaskId{1, 1}, Reason::disconnected}));
  }
}

TEST(DeployedFleet, AClientWhoseMessagesAreRefusedLosesItsTaskAtOnce) {
  FleetWorld world(deployed(2 * kDeadline));
  const auto client = world.client(1);
  ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
  world.publish(0);
  world.fleet->start(world.task(1, 1, false));
  client->hear<Task>(1);
  for (int i = 0; i < 3; ++i) client->say_raw({999, "what is this", {}});
  ASSERT_TRUE(world.wait([&] { return !world.log.lost.empty(); }));
  EXPECT_EQ(world.log.lost[0], (std::pair{TaskId{1, 1}, Reason::disconnected}));
  EXPECT_FALSE(world.fleet->available(1));
}

// Its key was taken off the list, its frames were bad, or it asked for too much: it will not be let in again
// as one that lost its connection is.
TEST(DeployedFleet, AClientThatIsPutOutLosesItsTaskAtOnce) {
  for (const Reason reason : {Reason::key, Reason::malformed, Reason::limit}) {
    SCOPED_TRACE(to_string(reason));
    FleetWorld world(deployed(2 * kDeadline));
    const auto client = world.client(1);
    ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
    world.publish(0);
    world.fleet->start(world.task(1, 1, false));
    client->hear<Task>(1);
    world.put_out(world.log.peers.back().peer, reason);
    ASSERT_TRUE(world.wait([&] { return !world.log.lost.empty(); }));
    EXPECT_EQ(world.log.lost[0], (std::pair{TaskId{1, 1}, Reason::disconnected}));
    EXPECT_FALSE(world.fleet->available(1));
  }
}

// A client that heard goodbye would end; one whose server closes waits for it.
TEST(DeployedFleet, OnlyTheEndOfTheRunIsAGoodbye) {
  FleetWorld world(deployed());
  const auto client = world.client(1);
  ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
  world.publish(0);
  world.fleet->start(world.task(1, 1, false));
  client->hear<Task>(1);
  world.fleet->end({1, 1}, Verdict::cancelled, Reason::late);
  world.fleet->interrupt("the server was stopped");
  client->hear<Verdicts>(1);
  EXPECT_TRUE(client->heard<Goodbye>().empty());
  world.fleet->dismiss("the run is complete", false);
  EXPECT_EQ(client->hear<Goodbye>(1)[0].reason, "the run is complete");
}

TEST(DeployedFleet, WhoDoesNotAnswerIsNotEvaluated) {
  FleetWorld world(deployed(5 * kMillisecond));
  const auto silent = world.client(0);
  const auto partial = world.client(1);
  ASSERT_TRUE(world.wait([&] { return world.log.available.size() == 2; }));
  world.publish(0);
  std::function<void()> tick = [&] {
    if (partial->heard<EvaluateClients>().size() == 1)
      partial->say(ClientEvaluations{0, {}});
    else
      world.world.executor.after(kMicrosecond, tick);
  };
  tick();
  EXPECT_TRUE(world.fleet->evaluate_clients(0, {{0, 0}, {1, 0}}).empty());
  EXPECT_EQ(partial->heard<EvaluateClients>().size(), 1U);
  // An answer after all is no offence; a second one is.
  silent->say(ClientEvaluations{0, {{0, 10, 9, 0.5}}});
  silent->say(ClientEvaluations{0, {{0, 10, 9, 0.5}}});
  ASSERT_TRUE(world.wait([&] { return world.log.refusals(Reason::unknown_task) == 1; }));
  EXPECT_EQ(world.fleet->peer_count(), 2U);
}

TEST(DeployedFleet, RefusesAbsurdNumbersOfExamples) {
  FleetWorld world(deployed());
  const auto absurd = world.client(1, kMostExamples + 1);
  EXPECT_TRUE(absurd->hear<Goodbye>(1)[0].failed);
  EXPECT_EQ(world.log.refusals(Reason::range), 1U);
  EXPECT_EQ(world.fleet->peer_count(), 0U);
  EXPECT_FALSE(world.fleet->available(1));
  const auto large = world.client(1, kMostExamples);
  ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
  EXPECT_EQ(world.fleet->examples(1), kMostExamples);
}

TEST(DeployedFleet, EvaluatesOnlyWhoIsThere) {
  FleetWorld world(deployed());
  const auto client = world.client(1);
  ASSERT_TRUE(world.wait([&] { return world.fleet->available(1); }));
  world.publish(0);
  std::function<void()> tick = [&] {
    if (client->heard<EvaluateClients>().size() == 1)
      client->say(ClientEvaluations{0, {{1, 10, 9, 0.5}}});
    else
      world.world.executor.after(kMicrosecond, tick);
  };
  tick();
  const auto results = world.fleet->evaluate_clients(0, {{0, 0}, {1, 0}});
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].correct, 9U);
}

}  // namespace
}  // namespace fedloom::testing
