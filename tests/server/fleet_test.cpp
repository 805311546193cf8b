// The fleet with scripted peers: who is given what, what happens when a peer dies, and what is refused.
#include "server/fleet.hpp"

#include <gtest/gtest.h>

#include "tests/server/fleet_world.hpp"

namespace fedloom::testing {
namespace {

// Adds up what a peer is told to as it comes, and answers when asked, for as long as the predicate of a wait
// is asked.
class HonestFolder {
 public:
  HonestFolder(const Strategy& strategy, ScriptedPeer& peer) : strategy_(strategy), peer_(peer) {}
  void work() {
    auto folds = peer_.heard<Fold>();
    for (; done_ < folds.size(); ++done_) {
      Fold& sum = sums_[folds[done_].number];
      folds[done_].terms.insert(folds[done_].terms.begin(), sum.terms.begin(), sum.terms.end());
      sum = folds[done_];
      if (sum.answer) peer_.say(answer_fold(strategy_, sum));
    }
  }

 private:
  const Strategy& strategy_;
  ScriptedPeer& peer_;
  std::map<std::uint64_t, Fold> sums_;  // by number, with all terms so far
  std::size_t done_ = 0;
};

TEST(Fleet, SendsTheModelOncePerWorkerAndVersion) {
  FleetWorld world;
  const auto worker = world.worker("w", 4);
  world.publish(1);
  for (ClientId client = 0; client < 5; ++client) {
    Task task = world.task(client);
    task.version = 1;
    world.fleet->start(task);
  }
  EXPECT_EQ(worker->hear<Task>(5).size(), 5U);
  EXPECT_EQ(worker->heard<Shared>().size(), 1U);
  EXPECT_EQ(worker->heard<Welcome>().size(), 1U);
}

TEST(Fleet, GivesEachWorkerTwiceItsThreadsAndTheRestLater) {
  FleetWorld world;
  const auto small = world.worker("small", 1);
  const auto large = world.worker("large", 3);
  world.publish(0);
  for (ClientId client = 0; client < 20; ++client) world.fleet->start(world.task(client));
  small->hear<Task>(2);
  large->hear<Task>(6);
  EXPECT_EQ(small->tasks().size() + large->tasks().size(), 8U);
  const TaskId first = small->tasks()[0];
  small->say(held_update(first));
  small->hear<Task>(3);
  EXPECT_TRUE(world.fleet->ready(first));
  EXPECT_EQ(small->tasks()[2], (TaskId{8, 1}));
}

TEST(Fleet, TasksWaitForTheFirstWorker) {
  FleetWorld world;
  world.publish(0);
  world.fleet->start(world.task(3));
  const auto worker = world.worker("late");
  EXPECT_EQ(worker->hear<Task>(1)[0].id, (TaskId{3, 1}));
}

TEST(Fleet, ARunningTaskOfADeadWorkerIsGivenToAnother) {
  FleetWorld world;
  auto first = world.worker("first");
  const auto second = world.worker("second");
  world.publish(0);
  for (ClientId client = 0; client < 4; ++client) world.fleet->start(world.task(client));
  first->hear<Task>(2);
  second->hear<Task>(2);
  const std::vector<TaskId> orphans = first->tasks();
  first->die();
  for (const TaskId& id : second->tasks()) second->say(held_update(id));
  EXPECT_EQ(second->hear<Task>(4).size(), 4U);
  EXPECT_EQ((std::vector<TaskId>{second->tasks()[2], second->tasks()[3]}), orphans);
  EXPECT_EQ(world.log.retried.size(), 2U);
  EXPECT_EQ(world.log.peers.back().joined, false);
}

TEST(Fleet, AHeldUpdateOfADeadWorkerIsMadeAgainAndAnnouncedOnce) {
  FleetWorld world;
  auto first = world.worker("first");
  world.publish(0);
  world.fleet->start(world.task(0));
  world.fleet->start(world.task(1));
  for (const Task& task : first->hear<Task>(2)) first->say(held_update(task.id));
  ASSERT_TRUE(world.wait([&] { return world.log.updates.size() == 2; }));
  world.fleet->open_sum(empty_delta_sum());
  world.fleet->accept({{0, 1}, 10});
  world.fleet->accept({{1, 1}, 11});
  first->die();
  ASSERT_TRUE(world.wait([&] { return world.fleet->peer_count() == 0; }));
  EXPECT_FALSE(world.fleet->ready({0, 1}));
  const auto second = world.worker("second");
  for (const Task& task : second->hear<Task>(2)) second->say(held_update(task.id));
  ASSERT_TRUE(world.wait([&] { return world.fleet->ready({0, 1}) && world.fleet->ready({1, 1}); }));
  EXPECT_EQ(world.log.updates.size(), 2U);  // the coordinator has judged them already
}

// Every way of getting the sum, the same units: at three workers, whole updates here, and with a worker that
// dies after it was asked to fold.
TEST(Fleet, SumsAreTheSameBitsWhereverTheyAreMade) {
  constexpr std::size_t kClients = 11;
  std::vector<TaskId> all;
  for (ClientId client = 0; client < kClients; ++client) all.push_back({client, 1});
  const auto expected = expected_units(all);

  for (const std::string where : {"workers", "here", "workers, one dies"}) {
    SCOPED_TRACE(where);
    FleetWorld world;
    std::vector<std::unique_ptr<ScriptedPeer>> workers;
    for (const char* name : {"a", "b", "c"}) workers.push_back(world.worker(name, 2));
    world.publish(0);
    const bool hold = where != "here";
    for (const TaskId& id : all) world.fleet->start(world.task(id.client, 1, hold));
    std::vector<std::size_t> answered(workers.size(), 0);
    const auto answer_tasks = [&] {
      for (std::size_t w = 0; w < workers.size(); ++w) {
        if (workers[w] == nullptr) continue;
        const auto tasks = workers[w]->tasks();
        for (; answered[w] < tasks.size(); ++answered[w])
          workers[w]->say(hold ? held_update(tasks[answered[w]]) : whole_update(tasks[answered[w]]));
      }
    };
    const auto all_ready = [&] {
      answer_tasks();
      return std::ranges::all_of(all, [&](const TaskId& id) { return world.fleet->ready(id); });
    };
    ASSERT_TRUE(world.wait(all_ready));
    world.fleet->open_sum(empty_delta_sum());
    for (const TaskId& id : all) world.fleet->accept({id, 10 + id.client});

    // Workers answer from a timer, while close_sum() waits.
    std::vector<HonestFolder> folders;
    for (const auto& worker : workers) folders.emplace_back(*world.strategy, *worker);
    bool killed = false;
    std::function<void()> tick = [&] {
      for (std::size_t w = 0; w < workers.size(); ++w) {
        if (workers[w] == nullptr) continue;
        if (where == "workers, one dies" && w == 1 && !workers[w]->heard<Fold>().empty()) {
          workers[w]->die();
          killed = true;
          workers[w].reset();
          continue;
        }
        folders[w].work();
      }
      answer_tasks();
      world.world.executor.after(kMicrosecond, tick);
    };
    tick();
    const PhaseSum sum = world.fleet->close_sum();
    EXPECT_EQ(units(sum), expected);
    EXPECT_EQ(killed, where == "workers, one dies");
  }
}

// A worker with an update that answers a fold as `lie` says, while an honest one stands by.
PhaseSum sum_with_a_liar(FleetWorld& world, const std::function<void(ScriptedPeer&, PartialSum)>& lie) {
  auto liar = world.worker("liar");
  world.publish(0);
  world.fleet->start(world.task(0));
  liar->hear<Task>(1);
  liar->say(held_update({0, 1}));
  EXPECT_TRUE(world.wait([&] { return world.fleet->ready({0, 1}); }));
  world.fleet->open_sum(empty_delta_sum());
  world.fleet->accept({{0, 1}, 10});
  auto honest = world.worker("honest");
  HonestFolder folder(*world.strategy, *honest);
  std::size_t told = 0;
  std::size_t answered = 0;
  std::function<void()> tick = [&] {
    const auto folds = liar->heard<Fold>();
    for (; told < folds.size(); ++told) lie(*liar, answer_fold(*world.strategy, folds[told]));
    const auto tasks = honest->tasks();
    for (; answered < tasks.size(); ++answered) honest->say(held_update(tasks[answered]));
    folder.work();
    world.world.executor.after(kMicrosecond, [&tick] { tick(); });
  };
  tick();
  PhaseSum sum = world.fleet->close_sum();
  world.world.executor.stop();
  return sum;
}

TEST(Fleet, APartialSumOfTheWrongFormIsRefusedAndItsWorkerDropped) {
  for (const std::string what : {"size", "count", "slots"}) {
    SCOPED_TRACE(what);
    FleetWorld world;
    const PhaseSum sum = sum_with_a_liar(world, [&](ScriptedPeer& liar, PartialSum partial) {
      if (what == "size") partial.units[0] = Blob::copy_of(partial.units[0].bytes().first(8));
      if (what == "count") partial.terms = 2;
      if (what == "slots") partial.units.push_back(partial.units[0]);
      liar.say(partial);
    });
    EXPECT_EQ(units(sum), expected_units({{0, 1}}));
    EXPECT_EQ(world.log.refusals(Reason::layout), 1U);
    EXPECT_EQ(world.fleet->peer_count(), 1U);
  }
}

TEST(Fleet, APartialSumNobodyAskedForChangesNothing) {
  FleetWorld world;
  const PhaseSum sum = sum_with_a_liar(world, [&](ScriptedPeer& liar, PartialSum partial) {
    partial.number += 100;
    liar.say(partial);
    partial.number -= 100;
    liar.say(partial);
    liar.say(partial);  // and once more
  });
  EXPECT_EQ(units(sum), expected_units({{0, 1}}));
  EXPECT_GE(world.log.refusals(Reason::unknown_task), 1U);
  EXPECT_EQ(world.fleet->peer_count(), 2U);
}

// Enough to hear all of them.
FleetOptions patient() {
  FleetOptions options;
  options.max_refusals = 10;
  return options;
}

TEST(Fleet, RefusesWhatNobodyAskedFor) {
  FleetWorld world(patient());
  const auto worker = world.worker("w");
  const auto other = world.worker("x");
  world.publish(0);
  world.fleet->start(world.task(0));
  const auto& owner = worker->hear<Task>(1).empty() ? *other : *worker;
  ASSERT_EQ(&owner, worker.get());
  other->say(held_update({0, 1}));   // given to somebody else
  other->say(held_update({5, 1}));   // given to nobody
  worker->say(held_update({0, 2}));  // another number
  other->say(PartialSum{7, 1, {}});
  other->say(ClientEvaluations{});
  ASSERT_TRUE(world.wait([&] { return world.log.refused.size() == 5; }));
  EXPECT_EQ(world.log.refusals(Reason::unknown_task), 5U);
  EXPECT_FALSE(world.fleet->ready({0, 1}));
  worker->say(held_update({0, 1}));
  worker->say(held_update({0, 1}));
  // A worker that has no room for an update may say so too often; what it said first counts.
  Update failed = held_update({0, 1});
  failed.reason = Reason::failed;
  worker->say(failed);
  ASSERT_TRUE(world.wait([&] { return world.log.refusals(Reason::duplicate) == 2; }));
  EXPECT_EQ(world.log.updates, (std::vector<TaskId>{{0, 1}}));
}

TEST(Fleet, RefusesMalformedMessagesAndGoesOn) {
  FleetWorld world(patient());
  Hello hello;
  ScriptedPeer stranger(world.world, hello);
  ASSERT_TRUE(world.wait([&] { return world.fleet->peer_count() == 1; }));
  stranger.say_raw({static_cast<std::uint16_t>(MessageType::update), "garbage", {}});
  stranger.say_raw({static_cast<std::uint16_t>(MessageType::partial_sum), "", {}});
  stranger.say_raw({999, "what is this", {}});
  stranger.say(Welcome{});  // a server's word
  ASSERT_TRUE(world.wait([&] { return world.log.refusals(Reason::malformed) == 4; }));
  EXPECT_EQ(world.fleet->peer_count(), 1U);
  stranger.say(hello);
  ASSERT_TRUE(world.wait([&] { return world.log.refusals(Reason::duplicate) == 1; }));
}

TEST(Fleet, AWorkerWhoseMessagesAreRefusedIsDroppedAndItsTaskGivenToAnother) {
  FleetWorld world;
  const auto broken = world.worker("broken");
  world.publish(0);
  world.fleet->start(world.task(0));
  broken->hear<Task>(1);
  for (int i = 0; i < 10; ++i)
    broken->say_raw({static_cast<std::uint16_t>(MessageType::update), "garbage", {}});
  EXPECT_TRUE(broken->hear<Goodbye>(1)[0].failed);
  EXPECT_EQ(world.fleet->peer_count(), 0U);
  const auto sound = world.worker("sound");
  EXPECT_EQ(sound->hear<Task>(1)[0].id, (TaskId{0, 1}));
  EXPECT_EQ(world.log.refused.size(), ChannelOptions{}.max_bad_frames);
}

TEST(Fleet, AWorkerWithARefusalNowAndThenStays) {
  FleetWorld world;
  const auto worker = world.worker("w");
  world.publish(0);
  for (ClientId client = 0; client < 4; ++client) {
    world.fleet->start(world.task(client));
    worker->hear<Task>(client + 1);
    worker->say(held_update({9, 9}));
    worker->say(held_update({client, 1}));
  }
  ASSERT_TRUE(world.wait([&] { return world.log.updates.size() == 4; }));
  EXPECT_EQ(world.log.refusals(Reason::unknown_task), 4U);
  EXPECT_EQ(world.fleet->peer_count(), 1U);
}

TEST(Fleet, WhoNeverSaysHelloIsDroppedToo) {
  FleetWorld world;
  Hello none;
  none.capacity = 0;
  ScriptedPeer stranger(world.world, none);
  for (int i = 0; i < 10; ++i) stranger.say(held_update({0, 1}));
  Hello hello;
  stranger.say(hello);  // too late
  EXPECT_TRUE(stranger.hear<Goodbye>(1)[0].failed);
  EXPECT_EQ(world.fleet->peer_count(), 0U);
  EXPECT_EQ(world.log.refused.size(), ChannelOptions{}.max_bad_frames);
}

// Over-selection ends tasks whose updates are on their way: that is nobody's fault, once for each of them.
TEST(Fleet, UpdatesThatTheirTasksEndCrossedDropNobody) {
  FleetWorld world;
  const auto worker = world.worker("w", 4);
  world.publish(0);
  for (ClientId client = 0; client < 8; ++client) world.fleet->start(world.task(client));
  worker->hear<Task>(8);
  for (ClientId client = 0; client < 8; ++client)
    world.fleet->end({client, 1}, Verdict::cancelled, Reason::surplus);
  for (ClientId client = 0; client < 8; ++client) worker->say(held_update({client, 1}));
  ASSERT_TRUE(world.wait([&] { return world.log.refusals(Reason::unknown_task) == 8; }));
  EXPECT_EQ(world.fleet->peer_count(), 1U);
  for (int i = 0; i < 3; ++i) worker->say(held_update({0, 1}));
  ASSERT_TRUE(world.wait([&] { return world.fleet->peer_count() == 0; }));
}

TEST(Fleet, APartialEvaluationIsNotAskedForAgainWithoutEnd) {
  FleetWorld world;
  const auto broken = world.worker("broken");
  std::unique_ptr<ScriptedPeer> sound;
  world.publish(0);
  std::size_t answered = 0;
  std::size_t answered_well = 0;
  std::function<void()> tick = [&] {
    const auto asked = broken->heard<EvaluateClients>();
    for (; answered < asked.size(); ++answered) broken->say(ClientEvaluations{0, {}});
    if (sound) {
      const auto requests = sound->heard<EvaluateClients>();
      for (; answered_well < requests.size(); ++answered_well) {
        ClientEvaluations results;
        for (const TaskId& client : requests[answered_well].clients)
          results.results.push_back({client.client, 10, 9, 0.5});
        sound->say(results);
      }
    } else if (!broken->heard<Goodbye>().empty()) {
      Hello hello;
      hello.name = "sound";
      sound = std::make_unique<ScriptedPeer>(world.world, hello);
    }
    world.world.executor.after(kMicrosecond, [&tick] { tick(); });
  };
  tick();
  EXPECT_EQ(world.fleet->evaluate_clients(0, {{0, 0}, {1, 0}}).size(), 2U);
  EXPECT_EQ(answered, ChannelOptions{}.max_bad_frames);
}

TEST(Fleet, RefusesTalkBeforeHelloAndHellosWithoutCapacity) {
  FleetWorld world;
  Hello none;
  none.capacity = 0;
  ScriptedPeer peer(world.world, none);
  peer.say(held_update({0, 1}));
  ASSERT_TRUE(world.wait([&] { return world.log.refusals(Reason::malformed) == 2; }));
  EXPECT_EQ(world.fleet->peer_count(), 0U);
}

TEST(Fleet, AWorkersWholeUpdateIsCheckedHereWhateverItClaims) {
  FleetWorld world;
  const auto worker = world.worker("w");
  world.publish(0);
  world.fleet->start(world.task(0, 1, false));
  worker->hear<Task>(1);
  Update update = make_update({0, 1}, 10, {{"delta", {std::nanf(""), 1.0F}}});
  update.reports[0].finite = true;
  update.reports[0].largest = 1.0F;
  worker->say(update);
  ASSERT_TRUE(world.wait([&] { return world.fleet->ready({0, 1}); }));
  EXPECT_FALSE(world.fleet->update({0, 1}).reports[0].finite);
}

TEST(Fleet, FloatsThatShouldHaveComeAreMissed) {
  FleetWorld world;
  const auto worker = world.worker("w");
  world.publish(0);
  world.fleet->start(world.task(0, 1, false));
  worker->hear<Task>(1);
  worker->say(held_update({0, 1}));
  ASSERT_TRUE(world.wait([&] { return world.fleet->ready({0, 1}); }));
  EXPECT_EQ(world.fleet->update({0, 1}).reason, Reason::layout);
}

// Over-selection ends tasks that no worker has had yet; then a worker dies.
TEST(Fleet, ATaskThatEndedWhileItWaitedIsForgotten) {
  FleetWorld world;
  auto first = world.worker("first");
  world.publish(0);
  for (ClientId client = 0; client < 6; ++client) world.fleet->start(world.task(client));
  first->hear<Task>(2);
  for (ClientId client = 2; client < 5; ++client)
    world.fleet->end({client, 1}, Verdict::cancelled, Reason::surplus);
  first->die();
  ASSERT_TRUE(world.wait([&] { return world.fleet->peer_count() == 0; }));
  const auto second = world.worker("second", 8);
  second->hear<Task>(3);
  EXPECT_EQ(second->tasks(), (std::vector<TaskId>{{0, 1}, {1, 1}, {5, 1}}));
}

TEST(Fleet, TellsTheHolderHowItsTaskEnded) {
  FleetWorld world;
  const auto worker = world.worker("w");
  world.publish(0);
  world.fleet->start(world.task(4));
  worker->hear<Task>(1);
  world.fleet->end({4, 1}, Verdict::rejected, Reason::not_finite);
  const auto verdicts = worker->hear<Verdicts>(1);
  ASSERT_EQ(verdicts[0].entries.size(), 1U);
  EXPECT_EQ(verdicts[0].entries[0].id, (TaskId{4, 1}));
  EXPECT_EQ(verdicts[0].entries[0].reason, Reason::not_finite);
  world.fleet->forget({{4, 1}, {5, 2}});
  EXPECT_EQ(worker->hear<Verdicts>(2)[1].forget, (std::vector<TaskId>{{4, 1}, {5, 2}}));
  world.fleet->end({4, 1}, Verdict::lost, Reason::none);  // again: ignored
}

TEST(Fleet, AWorkerThatCannotGoOnEndsTheRun) {
  FleetWorld world;
  const auto worker = world.worker("w");
  worker->say(Goodbye{"no such data", true});
  EXPECT_THROW(world.wait([&] { return world.fleet->peer_count() == 0; }), UserError);
}

// Nobody waits for the server of a simulation: its workers are started anew with it.
TEST(Fleet, WorkersEndWhenTheRunIsInterrupted) {
  FleetWorld world;
  const auto worker = world.worker("one");
  world.fleet->interrupt("the run was interrupted");
  EXPECT_FALSE(worker->hear<Goodbye>(1)[0].failed);
}

TEST(Fleet, AKnownDeathIsActedOnAtOnce) {
  FleetWorld world;
  const auto worker = world.worker("w");
  world.publish(0);
  world.fleet->start(world.task(0));
  worker->hear<Task>(1);
  EXPECT_EQ(world.fleet->processes(), std::vector<std::int64_t>{1000});
  world.fleet->peer_died(1000);
  EXPECT_EQ(world.fleet->peer_count(), 0U);
  EXPECT_EQ(world.log.retried.size(), 1U);
  world.fleet->peer_died(1000);
}

TEST(Fleet, EvaluationsOfADeadWorkerAreAskedOfAnother) {
  FleetWorld world;
  auto first = world.worker("first");
  auto second = world.worker("second");
  world.publish(3);
  std::size_t answered = 0;
  std::function<void()> tick = [&] {
    if (first && !first->heard<EvaluateClients>().empty()) first.reset();
    const auto requests = second->heard<EvaluateClients>();
    for (; answered < requests.size(); ++answered) {
      ClientEvaluations results;
      results.version = requests[answered].version;
      for (const TaskId& client : requests[answered].clients)
        results.results.push_back({client.client, 10, client.client, static_cast<double>(client.number)});
      results.results.push_back({77, 1, 1, 1.0});  // nobody asked for client 77
      second->say(results);
    }
    world.world.executor.after(kMicrosecond, tick);
  };
  tick();
  const auto results = world.fleet->evaluate_clients(3, {{0, 0}, {1, 5}, {2, 0}, {3, 2}});
  ASSERT_EQ(results.size(), 4U);
  for (ClientId client = 0; client < 4; ++client) {
    EXPECT_EQ(results[client].client, client);
    EXPECT_EQ(results[client].correct, client);
  }
  EXPECT_EQ(results[1].loss_sum, 5.0);
}

}  // namespace
}  // namespace fedloom::testing
