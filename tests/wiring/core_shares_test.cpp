// Cores shared out, and a process that is bound to some of them.
#include "wiring/core_shares.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

TEST(CoreShares, AreEvenAndNeverEmpty) {
  const std::vector<int> five = {0, 1, 2, 5, 7};
  EXPECT_EQ(core_share(five, 1, 0), five);
  EXPECT_EQ(core_share(five, 2, 0), (std::vector<int>{0, 1}));
  EXPECT_EQ(core_share(five, 2, 1), (std::vector<int>{2, 5, 7}));
  EXPECT_EQ(core_share(five, 5, 4), std::vector<int>{7});
  EXPECT_EQ(core_share(five, 7, 6), std::vector<int>{1});
  EXPECT_EQ(core_share({3}, 2, 1), std::vector<int>{3});
  EXPECT_FALSE(usable_cores().empty());
}

// Binding holds for the thread that asks and what it starts, so that the test program stays as it was.
TEST(CoreShares, WhoIsBoundSeesNoOtherCores) {
  const std::vector<int> before = usable_cores();
  std::thread([&] {
    bind_to_cores({before.back()});
    EXPECT_EQ(usable_cores(), std::vector<int>{before.back()});
  }).join();
  EXPECT_EQ(usable_cores(), before);
}

}  // namespace
}  // namespace fedloom
