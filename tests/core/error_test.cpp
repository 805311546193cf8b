// The three kinds of errors: a user error carries its text as it is, a broken check prints its values and
// aborts, and every reason has a name of its own.
#include "core/error.hpp"

#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

TEST(Error, UserErrorsAreShownAsWritten) {
  const UserError error = user_error("{}:{}: {} is out of range; allowed: {}", "exp.yaml", 3, -1, ">= 0");
  EXPECT_STREQ(error.what(), "exp.yaml:3: -1 is out of range; allowed: >= 0");
}

TEST(Error, AHoldingCheckCostsNothingAndIsSilent) {
  int evaluated = 0;
  FEDLOOM_CHECK(evaluated == 0, "detail {}", ++evaluated);
  EXPECT_EQ(evaluated, 0) << "the detail is made only for a broken check";
}

TEST(ErrorDeathTest, ABrokenCheckPrintsPlaceConditionAndValues) {
  const int found = 3;
  EXPECT_DEATH(FEDLOOM_CHECK(found == 4, "{} instead of {}", found, 4),
               "internal error at .*error_test.cpp:[0-9]+: found == 4 does not hold: 3 instead of 4");
}

TEST(Error, EveryReasonHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Reason::limit); ++code)
    names.insert(to_string(static_cast<Reason>(code)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Reason::limit) + 1);
  EXPECT_EQ(to_string(Reason::not_finite), "not_finite");
  EXPECT_EQ(to_string(static_cast<Reason>(255)), "invalid");
}

// Levenshtein's classic: kitten -> sitten -> sittin -> sitting.
TEST(Error, EditDistanceCountsInsertionsDeletionsAndSubstitutions) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("same", "same"), 0U);
  EXPECT_EQ(edit_distance("flaw", "lawn"), edit_distance("lawn", "flaw"));
}

TEST(Error, NearestGivesUpWhenNothingIsSimilar) {
  const std::vector<std::string> words = {"fedadam", "fedavg", "scaffold"};
  EXPECT_EQ(nearest("scafold", words), "scaffold");
  EXPECT_EQ(nearest("fedavq", words), "fedavg");
  EXPECT_EQ(nearest("resnet18_cifar", words), "");
  EXPECT_EQ(nearest("x", std::vector<std::string>{}), "");
}

}  // namespace
}  // namespace fedloom
