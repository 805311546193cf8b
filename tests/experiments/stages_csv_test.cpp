// stages.csv to the byte: a row for each stage that was looked at, empty cells for what is not defined, and
// the same again from the log of events.
#include <gtest/gtest.h>

#include "core/file.hpp"
#include "experiments/sinks/events_log.hpp"
#include "experiments/sinks/stages_csv.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom {
namespace {

using testing::TempFolder;

// R[1][1] = 0.75; in the middle of stage 2, 0.5 is left of it, and stage 2 has no examples yet.
std::vector<StagesEvaluated> evaluations() {
  StagesEvaluated first;
  first.window = 4;
  first.tick = 40;
  first.version = 5;
  first.split = "test";
  first.stage = 1;
  first.ended = true;
  first.accuracies = {0.75};
  first.losses = {0.5};
  first.examples = {80};
  first.mean_accuracy = 0.75;
  StagesEvaluated second = first;
  second.window = 6;
  second.tick = 60;
  second.version = 7;
  second.stage = 2;
  second.ended = false;
  second.accuracies = {0.5, kNoNumber};
  second.losses = {1.25, kNoNumber};
  second.examples = {80, 0};
  second.mean_accuracy = 0.5;
  second.forgetting = 0.25;
  second.forgetting_from_best = 0.25;
  second.backward_transfer = -0.25;
  return {first, second};
}

const std::string kRows =
    "4,40,5,test,1,1,1,0.75,0.5,80,0.75,,,\n"
    "6,60,7,test,2,0,1,0.5,1.25,80,0.5,0.25,0.25,-0.25\n"
    "6,60,7,test,2,0,2,,,0,0.5,0.25,0.25,-0.25\n";

TEST(StagesCsv, HasARowForEachStageThatWasLookedAt) {
  const TempFolder folder;
  StagesCsv csv(folder / "stages.csv");
  csv.on(FederationEvent(WindowClosed{}));
  EXPECT_FALSE(std::filesystem::exists(folder / "stages.csv")) << "a run without stages has no such file";
  for (const StagesEvaluated& evaluated : evaluations()) csv.on(FederationEvent(evaluated));
  csv.finish();
  EXPECT_EQ(read_file(folder / "stages.csv"), std::string(StagesCsv::header()) + "\n" + kRows);
}

TEST(StagesCsv, IsMadeAnewFromTheLog) {
  const TempFolder folder;
  EventsLog log(folder / "events.jsonl");
  for (const StagesEvaluated& evaluated : evaluations()) log.on(FederationEvent(evaluated));
  log.flush();
  StagesCsv csv(folder / "stages.csv", folder / "events.jsonl", log.offset());
  csv.finish();
  EXPECT_EQ(read_file(folder / "stages.csv"), std::string(StagesCsv::header()) + "\n" + kRows);
}

}  // namespace
}  // namespace fedloom
