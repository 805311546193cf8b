// Children and their shares of the cores. The children are copies of this test program, told to run none of
// its tests, so each ends at once.
#include "experiments/sweep/child_runs.hpp"

#include <algorithm>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "experiments/sweep/core_shares.hpp"
#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

std::vector<ChildRun> children(const TempFolder& folder, std::size_t count) {
  std::vector<ChildRun> all;
  for (std::size_t i = 0; i < count; ++i)
    all.push_back({{"--gtest_filter=none", "--gtest_brief=1"}, folder / std::to_string(i), true});
  return all;
}

TEST(ChildRuns, AllAreRunToTheirEnd) {
  const TempFolder folder;
  const int never = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::vector<std::size_t> ended;
  const bool whole = run_children(
      children(folder, 5), 2, never,
      [&](const ChildEnd& end) {
        EXPECT_TRUE(end.good);
        EXPECT_EQ(end.how, "exit code 0");
        EXPECT_TRUE(std::filesystem::exists(folder / std::to_string(end.child)));
        ended.push_back(end.child);
      },
      [](std::size_t) { FAIL() << "nobody asked"; });
  EXPECT_TRUE(whole);
  std::sort(ended.begin(), ended.end());
  EXPECT_EQ(ended, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(run_children({}, 2, never, {}, {}));
  ::close(never);
}

TEST(ChildRuns, NoneIsStartedAfterAnInterrupt) {
  const TempFolder folder;
  const int now = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  EXPECT_FALSE(run_children(
      children(folder, 3), 2, now, [](const ChildEnd&) { FAIL() << "none was started"; },
      [](std::size_t) {}));
  ::close(now);
}

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

}  // namespace
}  // namespace fedloom
