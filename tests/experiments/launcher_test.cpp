// Worker processes. They are copies of this test program, told to run none of its tests, so each ends at
// once.
#include "experiments/launcher.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/process.hpp"

namespace fedloom::testing {
namespace {

TEST(WorkerLauncher, ADeadProcessIsForgottenBeforeAnythingIsThrown) {
  WorkerLauncher launcher({"--gtest_filter=none", "--gtest_brief=1"}, 1);
  std::vector<std::int64_t> dead;
  const auto watch = [&] {
    launcher.watch([&](std::int64_t process, const std::string& how) {
      EXPECT_EQ(how, "exit code 0");
      EXPECT_EQ(std::ranges::count(launcher.processes(), process), 0);
      dead.push_back(process);
    });
  };
  std::string why;
  EXPECT_TRUE(eventually([&] {
    try {
      watch();
    } catch (const UserError& error) {
      why = error.what();
    }
    return !why.empty();
  }));
  EXPECT_NE(why.find("workers keep dying (9 in one round)"), std::string::npos) << why;
  EXPECT_EQ(dead.size(), 9U);
  EXPECT_TRUE(launcher.processes().empty()) << "its number may be another process's by now";
}

TEST(WorkerLauncher, ReplacesADeadProcess) {
  WorkerLauncher launcher({"--gtest_filter=none", "--gtest_brief=1"}, 2);
  const std::vector<pid_t> before = launcher.processes();
  std::size_t deaths = 0;
  EXPECT_TRUE(eventually([&] {
    launcher.watch([&](std::int64_t, const std::string&) { ++deaths; });
    return deaths > 0;
  }));
  EXPECT_EQ(launcher.processes().size(), 2U);
  EXPECT_NE(launcher.processes(), before);
}

}  // namespace
}  // namespace fedloom::testing
