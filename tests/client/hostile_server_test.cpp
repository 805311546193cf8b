// What no server of ours says, a broken or hostile one may: each such message ends with a word, none with a
// crash. Found by tests/fuzz/client_host_fuzz.cpp and by reading.
#include <climits>
#include <functional>

#include <gtest/gtest.h>

#include "tests/client/host_world.hpp"

namespace fedloom::testing {
namespace {

// A fold of two held updates whose scale, sizes and weights a test spoils.
Fold fold_of_two(HostWorld& world) {
  world.welcome();
  world.share(0);
  for (const ClientId client : {0U, 1U}) world.say(world.task(client, 1, true));
  world.hear<Update>(2);
  Fold fold;
  fold.terms = {{{0, 1}, 10}, {{1, 1}, 10}};
  fold.slots.push_back({"delta", 3, Weighting::contribution, choose_scale(1024, 100, 1000)});
  return fold;
}

TEST(HostileServer, AFoldThatTheSumCannotHoldEndsWithAWord) {
  const std::vector<std::pair<std::string, std::function<void(Fold&)>>> spoilt = {
      {"a sum of nothing, as large as can be",
       [](Fold& fold) {
         fold.terms.clear();
         fold.slots[0].size = std::uint64_t{1} << 60U;
       }},
      {"an exponent that has no negative", [](Fold& fold) { fold.slots[0].scale.exponent = INT_MIN; }},
      {"a unit too small for one term", [](Fold& fold) { fold.slots[0].scale.exponent = 200; }},
      {"a weight too large for one term", [](Fold& fold) { fold.terms[0].weight = ~std::uint64_t{0}; }},
      {"a slot twice", [](Fold& fold) { fold.slots.push_back(fold.slots[0]); }},
  };
  for (const auto& [what, spoil] : spoilt) {
    SCOPED_TRACE(what);
    HostWorld world;
    Fold fold = fold_of_two(world);
    spoil(fold);
    world.say(fold);
    EXPECT_TRUE(world.hear<Goodbye>(1)[0].failed);
    EXPECT_TRUE(world.heard<PartialSum>().empty());
  }
}

TEST(HostileServer, AFoldIntoASumOfOtherSlotsEndsWithAWord) {
  HostWorld world("scaffold");
  Fold fold = fold_of_two(world);
  Fold first = fold;
  first.answer = false;
  first.terms.pop_back();
  fold.terms.erase(fold.terms.begin());
  fold.slots[0].name = "control_delta";
  world.say(first);
  world.say(fold);
  EXPECT_TRUE(world.hear<Goodbye>(1)[0].failed);
  EXPECT_TRUE(world.heard<PartialSum>().empty());
}

TEST(HostileServer, APatchForAStrategyThatMakesNoneEndsWithAWord) {
  HostWorld world;
  world.welcome();
  world.say(Patch{0, {}});
  EXPECT_TRUE(world.hear<Goodbye>(1)[0].failed);
}

// A vector of the strategy that is missing or has another size, and work that the strategy does not know.
TEST(HostileServer, ATaskThatDoesNotFitItsStrategyFails) {
  for (const std::string strategy : {"scaffold", "ewc", "fedcurv", "flwf"}) {
    SCOPED_TRACE(strategy);
    HostWorld world(strategy);
    world.welcome();
    world.share(0);
    Task task = world.task(0, 1);
    task.shared = {"model"};
    for (const char* name :
         {"control", "precision", "precision_mean", "curvature", "curvature_mean", "teacher"}) {
      world.say(Shared{0, 0, Payload::from(name, Tensor::vector(FloatBuffer(1, 0.5F)))});
      task.shared.emplace_back(name);
    }
    world.say(task);
    const Update update = world.hear<Update>(1)[0];
    EXPECT_EQ(update.reason, Reason::failed);
    EXPECT_NE(update.error.find("1 floats, not 3"), std::string::npos) << update.error;
  }
  HostWorld world("scaffold");
  world.welcome();
  world.share(0);
  Task task = world.task(0, 1);
  task.shared = {"model"};
  world.say(task);
  task = world.task(0, 2);
  task.kind = "another";
  world.say(task);
  const auto updates = world.hear<Update>(2);
  EXPECT_NE(updates[0].error.find("came without 'control'"), std::string::npos) << updates[0].error;
  EXPECT_NE(updates[1].error.find("'another'"), std::string::npos) << updates[1].error;
}

TEST(HostileServer, EvaluatesNobodyWhoIsNotThere) {
  HostWorld world;
  world.welcome();
  world.share(2);
  world.say(EvaluateClients{2, {{99, 0}, {3, 0}}});
  const ClientEvaluations answer = world.hear<ClientEvaluations>(1)[0];
  ASSERT_EQ(answer.results.size(), 2U);
  EXPECT_EQ(answer.results[0].examples, 0U);
  EXPECT_EQ(answer.results[1].examples, 4U);
  ASSERT_EQ(world.said.size(), 1U);
  EXPECT_NE(world.said[0].find("99 is asked for"), std::string::npos) << world.said[0];
}

}  // namespace
}  // namespace fedloom::testing
