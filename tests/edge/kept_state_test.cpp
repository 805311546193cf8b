// What a device keeps is on disk when it says so, and what is lost is told with the way on.
#include "edge/kept_state.hpp"

#include <filesystem>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {
namespace {

const TensorMap kSlots{{"control", Tensor::vector({1, 2, 3})}};

class KeptStateTest : public ::testing::Test {
 protected:
  KeptState store(KeptState::Lost lost) {
    return KeptState(folder_ / "state", lost, [this](const std::string& text) { warned_.push_back(text); });
  }
  TempFolder folder_;
  std::vector<std::string> warned_;
};

TEST_F(KeptStateTest, IsThereForTheNextProcess) {
  store(KeptState::Lost::refuse).propose(3, 7, kSlots);
  EXPECT_EQ(store(KeptState::Lost::begin_anew).load(3, 7), kSlots);
  EXPECT_TRUE(warned_.empty());
  store(KeptState::Lost::refuse).drop(3, 7);
  EXPECT_THROW(store(KeptState::Lost::refuse).load(3, 7), UserError);
}

TEST_F(KeptStateTest, WhatIsLostIsToldWithTheWayOn) {
  try {
    store(KeptState::Lost::refuse).load(3, 7);
    FAIL() << "there is nothing";
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("the state kept of task 7 is lost"), std::string::npos) << text;
    EXPECT_NE(text.find("--forget-state"), std::string::npos) << text;
  }
}

TEST_F(KeptStateTest, GoesOnWithoutWhatIsMissingOrDamagedWhenTold) {
  KeptState kept = store(KeptState::Lost::begin_anew);
  kept.propose(3, 7, kSlots);
  EXPECT_TRUE(kept.load(3, 6).empty());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "state"))
    if (entry.is_regular_file()) std::filesystem::resize_file(entry.path(), 10);
  EXPECT_TRUE(kept.load(3, 7).empty());
  ASSERT_EQ(warned_.size(), 2U);
  EXPECT_TRUE(warned_[0].starts_with("goes on without the state kept of task 6: ")) << warned_[0];
}

}  // namespace
}  // namespace fedloom::testing
