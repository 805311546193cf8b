// The peer's side of the protocol against a scripted server on an in-process channel.
#include <gtest/gtest.h>

#include "tests/client/host_world.hpp"

namespace fedloom::testing {
namespace {

bool same_floats(const Update& a, const Update& b) {
  return std::ranges::equal(a.slots, b.slots, [](const Payload& x, const Payload& y) {
    return x.name == y.name && std::ranges::equal(x.data.bytes(), y.data.bytes());
  });
}

TEST(ClientHost, SaysHelloAndAnswersTasks) {
  HostWorld world("fedavg", false, {}, {}, 2);
  EXPECT_EQ(world.heard<Hello>()[0].capacity, 2U);
  world.welcome();
  world.share(0);
  for (ClientId client = 0; client < 5; ++client) world.say(world.task(client, 1));
  for (const Update& update : world.hear<Update>(5)) {
    EXPECT_EQ(update.reason, Reason::none) << update.error;
    EXPECT_TRUE(same_floats(update, world.expected(world.task(update.id.client, 1))));
  }
}

TEST(ClientHost, WhoIsAboutToLeaveEndsItsTaskAndBeginsNoOther) {
  HostWorld world;
  world.welcome();
  world.share(0);
  world.say(world.task(0, 1));
  EXPECT_EQ(world.hear<Update>(1).size(), 1U);
  world.host->take_tasks(false);
  world.say(world.task(1, 1));
  world.settle();
  EXPECT_EQ(world.heard<Update>().size(), 1U);
  EXPECT_FALSE(world.host->busy());
  world.host->take_tasks(true);
  world.say(world.task(1, 1));
  EXPECT_EQ(world.hear<Update>(2).size(), 2U);
}

TEST(ClientHost, ATaskBeforeItsModelFails) {
  HostWorld world;
  world.say(world.task(0, 1));  // before the welcome, even
  world.welcome();
  world.say(world.task(0, 2));
  world.share(4);
  world.say(world.task(0, 3));  // of version 0, which was never sent
  for (const Update& update : world.hear<Update>(3)) EXPECT_EQ(update.reason, Reason::failed);
  Task right = world.task(0, 4);
  right.version = 4;
  world.say(right);
  EXPECT_EQ(world.hear<Update>(4)[3].reason, Reason::none);
}

TEST(ClientHost, ForgetsModelsThatAreNoLongerLive) {
  HostWorld world;
  world.welcome();
  world.share(1);
  world.share(2);
  Task old = world.task(0, 1);
  old.version = 1;
  world.say(old);
  EXPECT_EQ(world.hear<Update>(1)[0].reason, Reason::failed);
}

TEST(ClientHost, AnswersARepeatedTaskOnceOrAgainWithTheSame) {
  HostWorld world("fedavg", true);
  world.welcome();
  world.share(0);
  world.gate.close();
  const Task task = world.task(3, 1);
  world.say(task);
  world.say(task);  // while it trains: one answer is on its way
  world.gate.open();
  const Update first = world.hear<Update>(1)[0];
  world.say(task);  // after: the same again, without training
  const auto updates = world.hear<Update>(2);
  world.settle();
  EXPECT_EQ(world.heard<Update>().size(), 2U);
  EXPECT_TRUE(same_floats(updates[1], first));
}

TEST(ClientHost, HoldsAndSums) {
  HostWorld world;
  world.welcome();
  world.share(0);
  std::vector<ClientId> clients = {0, 1, 3, 4};
  for (const ClientId client : clients) world.say(world.task(client, 1, true));
  for (const Update& update : world.hear<Update>(4)) {
    EXPECT_TRUE(update.slots.empty());
    ASSERT_EQ(update.reports.size(), 1U);
    EXPECT_EQ(update.reports[0].size, 3U);
  }
  // Whole, on request.
  world.say(Collect{{{3, 1}, {9, 9}}});
  EXPECT_TRUE(same_floats(world.hear<Update>(5)[4], world.expected(world.task(3, 1))));
  Fold fold;
  fold.number = 9;
  const FixedPointScale scale = choose_scale(1024, 100, 1000);
  fold.slots.push_back({"delta", 3, Weighting::contribution, scale});
  FixedPointSum expected(3, scale);
  for (const ClientId client : clients) {
    fold.terms.push_back({{client, 1}, 10 + client});
    expected.add(world.expected(world.task(client, 1)).slot("delta")->values(), 10 + client);
  }
  // Added up in two parts, with the answer after the second; what is summed is held no more.
  Fold first = fold;
  first.answer = false;
  first.terms.resize(3);
  fold.terms.erase(fold.terms.begin(), fold.terms.begin() + 3);
  world.say(first);
  world.say(fold);
  const PartialSum partial = world.hear<PartialSum>(1)[0];
  EXPECT_EQ(partial.number, 9U);
  EXPECT_EQ(partial.terms, 4U);
  EXPECT_TRUE(std::ranges::equal(partial.units.at(0).as<std::int64_t>(), expected.units()));
  world.say(Collect{{{3, 1}, {4, 1}}});
  world.settle();
  EXPECT_EQ(world.heard<Update>().size(), 5U);
  EXPECT_EQ(world.heard<PartialSum>().size(), 1U);
}

TEST(ClientHost, AnAskedForSumMayBringNothingNew) {
  HostWorld world;
  world.welcome();
  world.share(0);
  world.say(world.task(2, 1, true));
  world.hear<Update>(1);
  Fold fold;
  fold.number = 4;
  fold.slots.push_back({"delta", 3, Weighting::contribution, choose_scale(1024, 100, 1000)});
  fold.terms.push_back({{2, 1}, 10});
  fold.answer = false;
  world.say(fold);
  fold.terms.clear();
  fold.answer = true;
  world.say(fold);
  const PartialSum partial = world.hear<PartialSum>(1)[0];
  EXPECT_EQ(partial.terms, 1U);
}

TEST(ClientHost, TheVerdictFreesWhatWasNotSummed) {
  HostWorld world;
  world.welcome();
  world.share(0);
  for (const ClientId client : {3U, 4U}) world.say(world.task(client, 1, true));
  world.hear<Update>(2);
  world.say(Verdicts{{{{3, 1}, Verdict::discarded, Reason::late}}, {}, {}});
  world.say(Collect{{{3, 1}, {4, 1}}});
  EXPECT_EQ(world.hear<Update>(3)[2].id, (TaskId{4, 1}));
  world.settle();
  EXPECT_EQ(world.heard<Update>().size(), 3U);
}

TEST(ClientHost, AFoldOfWhatIsNotHereEndsWithAWord) {
  for (const std::string what : {"unknown", "wrong size"}) {
    SCOPED_TRACE(what);
    HostWorld world;
    world.welcome();
    world.share(0);
    world.say(world.task(0, 1, true));
    world.hear<Update>(1);
    Fold fold;
    fold.terms.push_back({{what == "unknown" ? 1U : 0U, 1}, 10});
    fold.slots.push_back({"delta", 4, Weighting::contribution, choose_scale(1024, 100, 1000)});
    if (what == "unknown") fold.slots[0].size = 3;
    world.say(fold);
    EXPECT_TRUE(world.hear<Goodbye>(1)[0].failed);
    ASSERT_EQ(world.ends.size(), 1U);
    EXPECT_TRUE(world.ends[0].second);
  }
}

TEST(ClientHost, AVerdictDecidesTheProposedState) {
  HostWorld world("scaffold");
  world.welcome();
  world.share(0);
  for (const ClientId client : {0U, 1U}) world.say(world.task(client, 1));
  world.hear<Update>(2);
  EXPECT_FALSE(world.local->store->load(0, 1).empty());
  world.say(Verdicts{
      {{{0, 1}, Verdict::accepted, Reason::none}, {{1, 1}, Verdict::rejected, Reason::range}}, {}, {}});
  world.settle();
  EXPECT_FALSE(world.local->store->load(0, 1).empty());
  EXPECT_THROW(world.local->store->load(1, 1), UserError);
  Task next = world.task(0, 2);
  next.kept_version = 1;
  world.say(next);
  EXPECT_EQ(world.hear<Update>(3)[2].reason, Reason::none);
  world.say(Verdicts{{{{0, 2}, Verdict::accepted, Reason::none}}, {{0, 1}}, {}});
  world.settle();
  EXPECT_THROW(world.local->store->load(0, 1), UserError);
  EXPECT_FALSE(world.local->store->load(0, 2).empty());
}

// Over-selection: the round closes while a task still trains. Its update is not sent, not held, and the state
// it proposes when it is done is dropped.
TEST(ClientHost, ATaskCancelledWhileItTrainsLeavesNothingBehind) {
  HostWorld world("scaffold");
  world.welcome();
  world.share(0);
  world.gate.close();
  world.say(world.task(3, 1, true));
  world.say(Verdicts{{{{3, 1}, Verdict::cancelled, Reason::surplus}}, {}, {}});
  world.say(world.task(0, 1, true));
  world.train_after_reading();
  EXPECT_EQ(world.heard<Update>().size(), 1U);
  EXPECT_EQ(world.heard<Update>()[0].id, (TaskId{0, 1}));
  world.say(Collect{{{3, 1}}});
  world.settle();
  EXPECT_EQ(world.heard<Update>().size(), 1U);
  EXPECT_THROW(world.local->store->load(3, 1), UserError);
  EXPECT_FALSE(world.local->store->load(0, 1).empty());
}

// Tasks that were lost while a deployed client was away never get a verdict here; the next task settles them.
TEST(ClientHost, ALaterTaskSettlesTheEarlier) {
  HostWorld world("scaffold", true);
  world.welcome();
  world.share(0);
  world.say(world.task(3, 1));  // accepted, but the verdict does not arrive
  world.hear<Update>(1);
  Task lost = world.task(3, 2);
  lost.kept_version = 1;
  world.say(lost);
  world.hear<Update>(2);
  EXPECT_FALSE(world.local->store->load(3, 2).empty());
  Task next = world.task(3, 5);
  next.kept_version = 1;
  world.say(next);
  EXPECT_EQ(world.hear<Update>(3)[2].reason, Reason::none);
  EXPECT_FALSE(world.local->store->load(3, 1).empty()) << "the state that counts";
  EXPECT_THROW(world.local->store->load(3, 2), UserError);
  // The updates are gone, too.
  world.say(Collect{{{3, 1}, {3, 2}, {3, 5}}});
  EXPECT_EQ(world.hear<Update>(4)[3].id, (TaskId{3, 5}));
  world.settle();
  EXPECT_EQ(world.heard<Update>().size(), 4U);
}

TEST(ClientHost, ATaskThatStillTrainsWhenALaterComesLeavesNothingBehind) {
  HostWorld world("scaffold", true);
  world.welcome();
  world.share(0);
  world.gate.close();
  world.say(world.task(3, 1));
  world.say(world.task(3, 2));
  world.train_after_reading();
  ASSERT_EQ(world.heard<Update>().size(), 1U);
  EXPECT_EQ(world.heard<Update>()[0].id, (TaskId{3, 2}));
  EXPECT_THROW(world.local->store->load(3, 1), UserError);
  EXPECT_FALSE(world.local->store->load(3, 2).empty());
}

TEST(ClientHost, AnotherRunStartsAfresh) {
  HostWorld world("fedavg", true);
  world.welcome("run 1");
  world.share(0, 0.5F);
  world.say(world.task(3, 1));
  world.hear<Update>(1);
  world.welcome("run 1");
  world.welcome("run 2");
  world.share(0, -2.0F);
  world.say(world.task(3, 1));  // the same id means another task in another run
  const auto updates = world.hear<Update>(2);
  EXPECT_EQ(world.worlds, 2);
  EXPECT_FALSE(same_floats(updates[1], updates[0]));
  EXPECT_TRUE(same_floats(updates[1], world.expected(world.task(3, 1), -2.0F)));
}

// SCAFFOLD's updates have two tensors.
TEST(ClientHost, AnUpdateThatTheServerDoesNotTakeIsReportedAsFailed) {
  ChannelOptions one_tensor;
  one_tensor.max_blobs = 1;
  HostWorld world("scaffold", true, one_tensor);
  world.welcome();
  world.share(0);
  world.say(world.task(3, 1));
  const Update update = world.hear<Update>(1)[0];
  EXPECT_EQ(update.id, (TaskId{3, 1}));
  EXPECT_EQ(update.reason, Reason::limit);
  EXPECT_TRUE(update.slots.empty());
}

TEST(ClientHost, CollectedUpdatesOverrunNoQueue) {
  ChannelOptions narrow;
  narrow.max_queue_messages = 1;
  HostWorld world("fedavg", false, {}, narrow);
  world.welcome();
  world.share(0);
  for (const ClientId client : {0U, 1U, 3U, 4U}) world.say(world.task(client, 1, true));
  world.hear<Update>(4);
  world.say(Collect{{{0, 1}, {1, 1}, {3, 1}, {4, 1}}});
  const auto updates = world.hear<Update>(8);
  for (std::size_t i = 4; i < 8; ++i) {
    EXPECT_EQ(updates[i].reason, Reason::none);
    EXPECT_EQ(updates[i].slots.size(), 1U);
  }
}

TEST(ClientHost, EvaluatesClients) {
  HostWorld world;
  world.welcome();
  world.share(2);
  world.say(EvaluateClients{2, {{0, 0}, {3, 0}, {4, 0}}});
  const ClientEvaluations answer = world.hear<ClientEvaluations>(1)[0];
  EXPECT_EQ(answer.version, 2U);
  ASSERT_EQ(answer.results.size(), 3U);
  for (const ClientEvaluation& result : answer.results) EXPECT_EQ(result.examples, 4U);
}

TEST(ClientHost, SaysWhyItCannotTakePart) {
  HostWorld world;
  world.say(Welcome{"run", "bad", 0});
  EXPECT_EQ(world.hear<Goodbye>(1)[0].reason, "no such data");
  EXPECT_EQ(world.ends, (std::vector<std::pair<std::string, bool>>{{"no such data", true}}));
}

TEST(ClientHost, AnotherLayoutIsRefusedNamingBoth) {
  HostWorld world;
  world.say(Welcome{"run", "good", 0x1234});
  const std::string text = world.hear<Goodbye>(1)[0].reason;
  EXPECT_NE(text.find("0000000000001234"), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("{:016x}", world.local->model->layout()->fingerprint())), std::string::npos)
      << text;
  world.share(0);
  world.say(world.task(0, 1));  // a server that goes on regardless
  EXPECT_EQ(world.hear<Update>(1)[0].reason, Reason::failed);
}

TEST(ClientHost, AnOptimizerThatRefusesItsSettingsIsAWordNotACrash) {
  HostWorld world;
  world.local->make_optimizer = []() -> std::unique_ptr<Optimizer> {
    throw user_error("nesterov needs momentum");
  };
  world.welcome();
  EXPECT_NE(world.hear<Goodbye>(1)[0].reason.find("nesterov"), std::string::npos);
}

TEST(ClientHost, IgnoresWhatItCannotRead) {
  HostWorld world;
  world.welcome();
  world.say(PartialSum{});
  world.say(Hello{});
  ASSERT_TRUE(world.world.wait([&] { return world.said.size() == 2; }));
  world.share(0);
  world.say(world.task(0, 1));
  EXPECT_EQ(world.hear<Update>(1)[0].reason, Reason::none);
}

TEST(ClientHost, GoodbyeEndsIt) {
  HostWorld world;
  world.say(Goodbye{"done", false});
  ASSERT_TRUE(world.world.wait([&] { return world.ends.size() == 1; }));
  EXPECT_EQ(world.ends[0], (std::pair<std::string, bool>{"done", false}));
}

}  // namespace
}  // namespace fedloom::testing
