// The status file tells each change as a whole, and a place that cannot be written stops nothing.
#include "edge/status_file.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/file.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {
namespace {

TEST(StatusFile, TellsWhatGoesOn) {
  const TempFolder folder;
  const std::string file = folder / "status.json";
  StatusFile status(file, "tcp://there:1");
  const auto now = [&] { return nlohmann::json::parse(read_file(file)); };
  status.connecting();
  EXPECT_EQ(now()["state"], "connecting");
  EXPECT_EQ(now()["server"], "tcp://there:1");
  status.joined();
  EXPECT_EQ(now()["state"], "waiting");
  status.training(7);
  EXPECT_EQ(now()["state"], "training");
  EXPECT_EQ(now()["round"], 7);
  status.judged(Verdict::accepted);  // of the task before
  EXPECT_EQ(now()["state"], "training");
  status.trained(true);
  EXPECT_EQ(now()["state"], "waiting");
  status.training(8);
  status.trained(false);
  status.judged(Verdict::accepted);
  status.judged(Verdict::lost);
  EXPECT_EQ(now()["trained"], 1);
  EXPECT_EQ(now()["accepted"], 2);
  EXPECT_FALSE(now().contains("why"));
  status.resting("the device is on battery");
  EXPECT_EQ(now()["why"], "the device is on battery");
  status.ended("the run is complete");
  EXPECT_EQ(now()["state"], "ended");
}

TEST(StatusFile, AFolderThatIsNotThereStopsNothing) {
  StatusFile status("/nowhere/at/all/status.json", "tcp://there:1");
  status.connecting();
  status.training(1);
  StatusFile none("", "tcp://there:1");
  none.connecting();
  EXPECT_FALSE(std::filesystem::exists("status.json"));
}

}  // namespace
}  // namespace fedloom::testing
