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
  book.opened(4, "a", "a:1", 0);
  book.opened(5, "b", "b:1", kSecond);
  EXPECT_EQ(book.half_open(), 2U);
  EXPECT_TRUE(book.greeted(4));
  EXPECT_TRUE(book.overdue(15 * kSecond).empty());
  const auto overdue = book.overdue(17 * kSecond);
  EXPECT_EQ(descriptors(overdue), std::vector<int>{5});
  EXPECT_EQ(overdue[0].why, "no hello within 15 s");
  EXPECT_EQ(overdue[0].name, "b:1");
  EXPECT_TRUE(book.overdue(18 * kSecond).empty()) << "once is enough";
  EXPECT_EQ(book.name_of(5), "b:1") << "it is known until it is closed";
  book.closed(5);
  EXPECT_EQ(book.name_of(5), "");
  EXPECT_EQ(book.half_open(), 0U);
}

TEST(ConnectionBook, HellosAreCounted) {
  ConnectionBook book({.half_open = 10, .patience = kSecond, .most_hellos = 2});
  book.opened(4, "a", "a:1", 0);
  EXPECT_TRUE(book.greeted(4));
  EXPECT_TRUE(book.greeted(4));
  EXPECT_FALSE(book.greeted(4));
  EXPECT_TRUE(book.greeted(99)) << "of whom nothing is known";
}

// Three of a, two of b, at most three: a's oldest goes, then the older of whoever has more.
TEST(ConnectionBook, TheHostThatHasTheMostGivesWay) {
  ConnectionBook book({.half_open = 3, .patience = kSecond, .most_hellos = 2});
  book.opened(1, "b", "b:1", 0);
  book.opened(2, "a", "a:1", 0);
  book.opened(3, "a", "a:2", 0);
  book.opened(4, "a", "a:3", 0);
  auto overdue = book.overdue(0);
  EXPECT_EQ(descriptors(overdue), std::vector<int>{2});
  EXPECT_EQ(overdue[0].why, "4 connections have said no hello, 3 of them of its host");
  book.opened(5, "c", "c:1", 0);
  EXPECT_EQ(descriptors(book.overdue(0)), std::vector<int>{3});
  EXPECT_EQ(book.half_open(), 3U);
}

// What libzmq closed in between is told in order, but a descriptor may be back before we read of it.
TEST(ConnectionBook, ADescriptorThatIsUsedAgainIsAnotherConnection) {
  ConnectionBook book({.half_open = 3, .patience = 10 * kSecond, .most_hellos = 1});
  book.opened(1, "a", "a:1", 0);
  EXPECT_TRUE(book.greeted(1));
  book.opened(1, "b", "b:1", 9 * kSecond);
  EXPECT_EQ(book.half_open(), 1U);
  EXPECT_EQ(book.name_of(1), "b:1");
  EXPECT_TRUE(book.overdue(11 * kSecond).empty());
  EXPECT_TRUE(book.greeted(1));
}

}  // namespace
}  // namespace fedloom::testing
