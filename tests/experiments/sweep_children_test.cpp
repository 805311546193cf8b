// Runs as children of this program. They are copies of this test program, told to run none of
// its tests, so each ends at once.
#include "experiments/sweep/child_runs.hpp"

#include <algorithm>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

}  // namespace
}  // namespace fedloom
