// Who is half open, who has been for too long, and who goes when there are too many.
#include "transport/connection_book.hpp"

#include <gtest/gtest.h>

namespace fedloom::testing {
namespace {

std::vector<int> descriptors(const std::vector<ConnectionBook::Overdue>& overdue) {
  std::vector<int> all;
  for (const ConnectionBook::Overdue& one : overdue) all.push_back(one.descriptor);
  return all;
}

TEST(ConnectionBook, AHelloInTimeIsEnough) {
  ConnectionBook book({.half_open = 10, .patience = 15 * kSecond, .most_hellos = 2});
  book.opened(4, "a", "a:1", 100 + 4, 0);
  book.opened(5, "b", "b:1", 100 + 5, kSecond);
  EXPECT_EQ(book.half_open(), 2U);
  EXPECT_TRUE(book.greeted(4, 0));
  EXPECT_TRUE(book.overdue(15 * kSecond).empty());
  const auto overdue = book.overdue(17 * kSecond);
  EXPECT_EQ(descriptors(overdue), std::vector<int>{5});
  EXPECT_EQ(overdue[0].why, "no hello within 15 s");
  EXPECT_EQ(overdue[0].cookie, 105U);
  EXPECT_TRUE(book.was_given_up(5));
  EXPECT_TRUE(book.overdue(18 * kSecond).empty()) << "once is enough";
  EXPECT_EQ(book.name_of(5), "b:1") << "it is known until it is closed";
  book.closed(5);
  EXPECT_EQ(book.name_of(5), "");
  EXPECT_EQ(book.half_open(), 0U);
}

TEST(ConnectionBook, HellosInARowAreCounted) {
  ConnectionBook book({.half_open = 10, .patience = kSecond, .most_hellos = 2});
  book.opened(4, "a", "a:1", 100 + 4, 0);
  EXPECT_TRUE(book.greeted(4, 0));
  EXPECT_TRUE(book.greeted(4, 0));
  EXPECT_FALSE(book.greeted(4, 0));
  EXPECT_TRUE(book.greeted(4, 2 * kSecond)) << "that was long ago";
  EXPECT_TRUE(book.greeted(99, 0)) << "of whom nothing is known";
}

// Three of a, two of b, at most three: a's oldest goes, then the older of whoever has more.
TEST(ConnectionBook, TheHostThatHasTheMostGivesWay) {
  ConnectionBook book({.half_open = 3, .patience = kSecond, .most_hellos = 2});
  book.opened(1, "b", "b:1", 100 + 1, 0);
  book.opened(2, "a", "a:1", 100 + 2, 0);
  book.opened(3, "a", "a:2", 100 + 3, 0);
  book.opened(4, "a", "a:3", 100 + 4, 0);
  auto overdue = book.overdue(0);
  EXPECT_EQ(descriptors(overdue), std::vector<int>{2});
  EXPECT_EQ(overdue[0].why, "4 connections have said no hello, 3 of them of its host");
  book.opened(5, "c", "c:1", 100 + 5, 0);
  EXPECT_EQ(descriptors(book.overdue(0)), std::vector<int>{3});
  EXPECT_EQ(book.half_open(), 3U);
}

// One each: the one who waits longest goes, not the one whose address is the greatest.
TEST(ConnectionBook, OfHostsWithAsManyTheOldestGivesWay) {
  ConnectionBook book({.half_open = 2, .patience = kSecond, .most_hellos = 2});
  book.opened(1, "b", "b:1", 101, 0);
  book.opened(2, "a", "a:1", 102, 0);
  book.opened(3, "c", "c:1", 103, 0);
  EXPECT_EQ(descriptors(book.overdue(0)), std::vector<int>{1});
}

// A conversation that is over leaves a connection that must begin another, or go.
TEST(ConnectionBook, WhoHasLeftIsNobodyAgain) {
  ConnectionBook book({.half_open = 2, .patience = 10 * kSecond, .most_hellos = 2});
  book.opened(1, "a", "a:1", 101, 0);
  EXPECT_TRUE(book.greeted(1, 0));
  EXPECT_EQ(book.half_open(), 0U);
  book.left(1, 20 * kSecond);
  EXPECT_EQ(book.half_open(), 1U);
  EXPECT_TRUE(book.overdue(30 * kSecond).empty());
  book.forgive(5 * kSecond);
  EXPECT_TRUE(book.overdue(35 * kSecond).empty());
  EXPECT_EQ(descriptors(book.overdue(36 * kSecond)), std::vector<int>{1});
  book.left(1, 40 * kSecond);
  EXPECT_EQ(book.half_open(), 0U) << "it is on its way out";
}

// What libzmq closed in between is told in order, but a descriptor may be back before we read of it.
TEST(ConnectionBook, ADescriptorThatIsUsedAgainIsAnotherConnection) {
  ConnectionBook book({.half_open = 3, .patience = 10 * kSecond, .most_hellos = 1});
  book.opened(1, "a", "a:1", 100 + 1, 0);
  EXPECT_TRUE(book.greeted(1, 0));
  book.opened(1, "b", "b:1", 100 + 1, 9 * kSecond);
  EXPECT_EQ(book.half_open(), 1U);
  EXPECT_EQ(book.name_of(1), "b:1");
  EXPECT_TRUE(book.overdue(11 * kSecond).empty());
  EXPECT_TRUE(book.greeted(1, 0));
}

}  // namespace
}  // namespace fedloom::testing
