// What tasks have cost, through a file: all of it comes back, a torn end is nothing, and nonsense is told.
#include "experiments/spent_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {
namespace {

const SpentTask kFirst{{3, 1}, 1, 0x00ab, 20, 95};
const SpentTask kSecond{{4000000000, 7}, 12, ~std::uint64_t{0}, 1, 1};

TEST(SpentLog, GoesOnWhereItWas) {
  TempFolder folder;
  {
    SpentLog log(folder / "spent.log", false);
    EXPECT_TRUE(log.before().empty());
    log.add(kFirst);
  }
  SpentLog(folder / "spent.log", true).add(kSecond);
  EXPECT_EQ(SpentLog(folder / "spent.log", true).before(), (std::vector{kFirst, kSecond}));
  EXPECT_TRUE(SpentLog(folder / "spent.log", false).before().empty()) << "another run";
  EXPECT_TRUE(SpentLog(folder / "new.log", true).before().empty()) << "killed before the first task";
}

TEST(SpentLog, ALineWithoutItsEndWasNeverActedUpon) {
  TempFolder folder;
  SpentLog(folder / "spent.log", false).add(kFirst);
  const std::string whole = read_file(folder / "spent.log");
  for (std::size_t length = 1; length < whole.size(); ++length) {
    folder.write("torn.log", whole + whole.substr(0, length));
    EXPECT_EQ(SpentLog(folder / "torn.log", true).before(), std::vector{kFirst}) << length;
  }
}

TEST(SpentLog, NonsenseIsToldWithItsPlace) {
  TempFolder folder;
  for (const char* line : {"1 2 3 4 5", "1 2 3 4 5 6 7", "", "0 2 3 4 5 6", "1 2 3 0 5 6", "one 2 3 4 5 6"}) {
    const std::string file = folder.write("spent.log", std::string("1 3 1 20 95 ab\n") + line + "\n");
    try {
      SpentLog log(file, true);
      ADD_FAILURE() << "was taken: " << line;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("spent.log:2: expected window, client")) << line;
    }
  }
}

}  // namespace
}  // namespace fedloom::testing
