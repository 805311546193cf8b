// The synchronous pacer, question by question.
#include <gtest/gtest.h>

#include "server/client_facts.hpp"
#include "tests/server/scripted_port.hpp"

namespace fedloom::testing {
namespace {

std::uint64_t cohort(const std::string& settings, std::uint64_t population) {
  return make_pacer(settings)->largest_cohort(population);
}

WindowView view(std::uint64_t population, std::uint64_t started, std::uint64_t live, std::uint64_t accepted) {
  WindowView view;
  view.population = population;
  view.started = started;
  view.live = live;
  view.accepted = accepted;
  return view;
}

TEST(SyncPacer, StartsTheCohortOnce) {
  const auto pacer = make_pacer("clients_per_round: 7");
  EXPECT_EQ(pacer->start(view(100, 0, 0, 0)), 7U);
  EXPECT_EQ(pacer->start(view(100, 7, 6, 1)), 0U);
  EXPECT_EQ(pacer->start(view(5, 0, 0, 0)), 5U);  // nobody can start more than there are
}

TEST(SyncPacer, FractionIsMcMahansMaxOfShareAndOne) {
  EXPECT_EQ(cohort("fraction: 0.1", 100), 10U);
  EXPECT_EQ(cohort("fraction: 0", 100), 1U);
  EXPECT_EQ(cohort("fraction: 0.01", 50), 1U);
  EXPECT_EQ(cohort("fraction: 1", 50), 50U);
  EXPECT_EQ(cohort("fraction_fit: 0.25", 10), 2U);  // whole clients: floor
  // 0.29 * 100 is 28.999999999999996 in binary and still 29 clients.
  EXPECT_EQ(cohort("fraction: 0.29", 100), 29U);
}

TEST(SyncPacer, OverSelectionRoundsUpButNotOnBinaryDust) {
  EXPECT_EQ(cohort("{clients_per_round: 3, over_selection: 0.3}", 100), 4U);
  EXPECT_EQ(cohort("{clients_per_round: 10, over_selection: 0.3}", 100), 13U);
  EXPECT_EQ(cohort("{clients_per_round: 100, over_selection: 0.1}", 1000),
            110U);  // 1.1 * 100 > 110 in binary
  EXPECT_EQ(cohort("{clients_per_round: 10, over_selection: 0.3}", 12), 12U);
}

TEST(SyncPacer, ClosesAtTheGoalOrWhenAllHaveEnded) {
  const auto pacer = make_pacer("{clients_per_round: 3, over_selection: 0.3}");
  EXPECT_FALSE(pacer->close(view(100, 4, 2, 2)));
  EXPECT_TRUE(pacer->close(view(100, 4, 1, 3)));
  EXPECT_TRUE(pacer->close(view(100, 4, 0, 1)));
}

TEST(SyncPacer, WaitsForEverybodyASamplerStartedBeyondTheCount) {
  const auto pacer = make_pacer("clients_per_round: 3");
  EXPECT_FALSE(pacer->close(view(100, 100, 97, 3)));
  EXPECT_TRUE(pacer->close(view(100, 100, 0, 100)));
}

TEST(SyncPacer, DeadlineIsInTicksFromTheOpening) {
  WindowView window = view(10, 0, 0, 0);
  window.opened = window.looked = 100;
  EXPECT_EQ(make_pacer("deadline: 0s")->next_look(window), std::nullopt);
  EXPECT_EQ(make_pacer("deadline: 30s")->next_look(window), 130);
  EXPECT_EQ(make_pacer("deadline: 1ms")->next_look(window), 101);  // at least one tick
  EXPECT_EQ(make_pacer("deadline: 250ms", 1e9)->next_look(window), 100 + 250'000'000);
  window.looked = 130;
  EXPECT_EQ(make_pacer("deadline: 30s")->next_look(window), std::nullopt);
}

TEST(SyncPacer, StaysOpenForItsLeastTimeAndTakesMoreThanTheGoal) {
  const auto pacer = make_pacer("{clients_per_round: 3, over_selection: 0.3, min_time: 10s, deadline: 30s}");
  WindowView window = view(100, 4, 1, 3);
  EXPECT_EQ(pacer->next_look(window), 10);
  EXPECT_FALSE(pacer->close(window));
  EXPECT_TRUE(pacer->full(window));
  window.looked = 10;
  EXPECT_TRUE(pacer->close(window));
  EXPECT_EQ(pacer->next_look(window), 30);
  EXPECT_FALSE(pacer->close(view(100, 4, 0, 4)));
}

TEST(SyncPacer, DeadlineNeedsTheFewestClients) {
  const auto pacer = make_pacer("{deadline: 1s, min_clients: 2}");
  WindowView window = view(10, 5, 4, 1);
  window.looked = 1;
  EXPECT_FALSE(pacer->close(window));
  window.accepted = 2;
  EXPECT_TRUE(pacer->close(window));
}

TEST(SyncPacer, AfterAMissedDeadlineTheFewestClientsClose) {
  const auto pacer = make_pacer("{clients_per_round: 5, deadline: 1s, min_clients: 2}");
  WindowView window = view(10, 5, 4, 1);
  window.looked = 1;
  EXPECT_FALSE(pacer->close(window));
  window = view(10, 5, 3, 2);
  EXPECT_FALSE(pacer->close(window));
  window.looked = 1;
  EXPECT_TRUE(pacer->close(window));
}

TEST(SyncPacer, WeighsByExamplesOrUniformly) {
  const Population population{10, [](ClientId) { return std::uint64_t{42}; }, {}, {}, nullptr};
  const ClientRecords records;
  const ObservedFacts facts(population, records, [](ClientId) { return std::int64_t{1}; });
  EXPECT_EQ(make_pacer("{}")->weight({.examples = 42}, facts), 42U);
  EXPECT_EQ(make_pacer("weights: uniform")->weight({.examples = 42}, facts), 1U);
  EXPECT_EQ(make_pacer("{}")->normaliser(view(10, 3, 0, 3), facts), std::nullopt);
  EXPECT_EQ(make_pacer("{}")->admit({.examples = 1, .staleness = 3}), Reason::none);
  EXPECT_FALSE(make_pacer("{}")->overlaps());
}

TEST(SyncPacer, RefusesSettingsOutOfRange) {
  for (const char* settings :
       {"clients_per_round: 0", "fraction: 1.5", "fraction: -0.1", "over_selection: -1", "deadline: -3s",
        "min_clients: 0", "weights: loud", "clients: 3"})
    EXPECT_THROW(make_pacer(settings), UserError) << settings;
}

}  // namespace
}  // namespace fedloom::testing
