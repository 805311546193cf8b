// Clients that fail: how long each rests, and when there are so many that the run has no hope.
#include "server/failing_clients.hpp"

#include <gtest/gtest.h>

#include "core/executor.hpp"

namespace fedloom::testing {
namespace {

void fail(FailingClients& clients, ClientId client, int times) {
  for (int i = 0; i < times; ++i) {
    clients.asked(client);
    clients.failed(client, 0);
  }
}

TEST(FailingClients, ARestDoublesUpToFiveMinutesUntilASuccess) {
  FailingClients clients(10);
  EXPECT_FALSE(clients.rests(3, 0));
  Tick now = 7;
  for (const std::int64_t seconds : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
    clients.failed(3, now);
    EXPECT_TRUE(clients.rests(3, now + seconds * kSecond - 1)) << seconds;
    EXPECT_FALSE(clients.rests(3, now + seconds * kSecond)) << seconds;
    EXPECT_FALSE(clients.rests(4, now));
    EXPECT_EQ(clients.next_end_of_rest(now), now + seconds * kSecond);
    now += seconds * kSecond;
    EXPECT_EQ(clients.next_end_of_rest(now), std::nullopt);
  }
  clients.succeeded(4);  // another's success changes nothing for it
  clients.failed(3, now);
  EXPECT_TRUE(clients.rests(3, now + 300 * kSecond - 1));
  clients.succeeded(3);
  EXPECT_FALSE(clients.rests(3, now));
  clients.failed(3, now);
  EXPECT_FALSE(clients.rests(3, now + kSecond));
}

TEST(FailingClients, TheFirstEndOfAllRestsIsNamed) {
  FailingClients clients(10);
  fail(clients, 1, 3);  // 4 s
  fail(clients, 2, 2);  // 2 s
  EXPECT_EQ(clients.next_end_of_rest(0), 2 * kSecond);
  EXPECT_EQ(clients.next_end_of_rest(2 * kSecond), 4 * kSecond);
}

TEST(FailingClients, OneOrAFewAreNoReasonToGiveUp) {
  FailingClients clients(100);
  for (ClientId client = 0; client < 7; ++client) fail(clients, client, 1000);
  EXPECT_FALSE(clients.are_many());
  EXPECT_FALSE(clients.leave_no_hope());
  fail(clients, 7, 7);
  EXPECT_TRUE(clients.are_many());
  EXPECT_FALSE(clients.leave_no_hope()) << "the eighth has not failed often";
  fail(clients, 7, 1);
  EXPECT_TRUE(clients.leave_no_hope());
  EXPECT_EQ(clients.clients(), 8U);
  EXPECT_EQ(clients.failures(), 7008U);
}

TEST(FailingClients, WhoIsStillAtWorkIsWaitedFor) {
  FailingClients clients(100);
  clients.asked(50);
  for (ClientId client = 0; client < 8; ++client) fail(clients, client, 8);
  EXPECT_FALSE(clients.leave_no_hope());
  clients.gave_up(50);
  EXPECT_TRUE(clients.leave_no_hope());
  clients.succeeded(3);
  EXPECT_FALSE(clients.are_many());
  EXPECT_FALSE(clients.leave_no_hope());
  EXPECT_EQ(clients.failures(), 0U);
}

TEST(FailingClients, ASmallFederationIsGivenUpWhenAllFail) {
  FailingClients clients(2);
  fail(clients, 0, 100);
  EXPECT_FALSE(clients.leave_no_hope());
  fail(clients, 1, 8);
  EXPECT_TRUE(clients.leave_no_hope());
}

// 64 that failed once: more than eight times the seven that may still succeed, not the nine.
TEST(FailingClients, ACrowdNeedNotFailOften) {
  FailingClients clients(1000);
  for (ClientId client = 100; client < 109; ++client) clients.asked(client);
  for (ClientId client = 0; client < 64; ++client) fail(clients, client, 1);
  EXPECT_FALSE(clients.leave_no_hope());
  clients.gave_up(107);
  clients.gave_up(108);
  EXPECT_TRUE(clients.leave_no_hope());
}

}  // namespace
}  // namespace fedloom::testing
