// The timeline of a small asynchronous federation told by hand, every number derived beside it; what several
// runs share; and that long runs stay small.
#include "experiments/report/timeline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "experiments/report/report.hpp"
#include "experiments/report/timeline_json.hpp"
#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr double kTicksPerSecond = 10.0;

TaskEnded ending(WindowId window, Tick tick, TaskId task, Verdict verdict, std::uint64_t staleness) {
  TaskEnded event;
  event.window = window;
  event.tick = tick;
  event.task = task;
  event.verdict = verdict;
  event.staleness = staleness;
  event.bytes_up = 70;
  return event;
}

// Three clients of ten, in tenths of a second; every accepted task makes a version.
//
//   tick       0         20        40        60        80        100
//   client 2   [ task 1, v0  ]r s1  [ task 2, v1 ]a s2           [ 3, v4 …      tick 0-25, 30-70, 100-
//   client 5   [ 1, v0  ]a s0 [ 2, v1 ]a s0                                     tick 0-20, 20-40
//   client 9             [ task 1, v1                ]lost s3                   tick 20-80
//
// The windows end with the accepted tasks at 20, 40, 70 and, without a task, at 100; the log ends at 110.
std::vector<FederationEvent> three_clients() {
  RunStarted run{"scene", "fedavg", "async", "2nn", "mnist", 1, 10, 5, 6, kTicksPerSecond};
  const auto closed = [](WindowId window, Tick tick, Version version) {
    WindowClosed event;
    event.window = window;
    event.tick = tick;
    event.version = version;
    event.accepted = window < 4 ? 1 : 0;
    event.bytes_up = 70;
    event.bytes_down = 100;
    return event;
  };
  return {run,
          WindowOpened{1, 0, 0},
          TaskStarted{1, 0, {2, 1}, "train", 0, 100},
          TaskStarted{1, 0, {5, 1}, "train", 0, 100},
          ending(1, 20, {5, 1}, Verdict::accepted, 0),
          closed(1, 20, 1),
          Evaluated{1, 20, 1, "test", 1.5, 0.5, 100},
          WindowOpened{2, 20, 1},
          TaskStarted{2, 20, {5, 2}, "train", 1, 100},
          TaskStarted{2, 20, {9, 1}, "train", 1, 100},
          ending(2, 25, {2, 1}, Verdict::rejected, 1),
          TaskStarted{2, 30, {2, 2}, "train", 1, 100},
          ending(2, 40, {5, 2}, Verdict::accepted, 0),
          closed(2, 40, 2),
          WindowOpened{3, 40, 2},
          ending(3, 70, {2, 2}, Verdict::accepted, 2),
          closed(3, 70, 3),
          Evaluated{3, 70, 3, "test", 1.0, 0.75, 100},
          WindowOpened{4, 70, 3},
          ending(4, 80, {9, 1}, Verdict::lost, 3),
          closed(4, 100, 4),
          WindowOpened{5, 100, 4},
          TaskStarted{5, 100, {2, 3}, "train", 4, 100},
          RunEnded{110, 4, "rounds", "c0ffee"}};
}

Timeline timeline_of(const std::vector<FederationEvent>& events, const TimelineLimits& limits = {}) {
  TimelineFold fold(kTicksPerSecond);
  for (const FederationEvent& event : events) fold.on(event);
  return fold.finish(limits);
}

void write_log(const std::string& folder, const std::vector<FederationEvent>& events) {
  std::filesystem::create_directories(folder);
  EventsLog log(folder + "/events.jsonl");
  for (const FederationEvent& event : events) log.on(event);
  log.finish();
}

json data_of(const std::vector<std::string>& runs, const TempFolder& folder) {
  write_report(runs, folder / "report.html");
  const std::string html = read_file(folder / "report.html");
  const std::string opening = "<script type=\"application/json\" id=\"data\">";
  const std::size_t begin = html.find(opening) + opening.size();
  return json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

TEST(Timeline, IdleShareIsWhatClientsWithTasksDidNotTrain) {
  const Timeline timeline = timeline_of(three_clients());
  EXPECT_DOUBLE_EQ(timeline.begin, 0.0);
  EXPECT_DOUBLE_EQ(timeline.end, 11.0);
  EXPECT_EQ(timeline.tasks, 6U);
  // Client 2 was busy for 25 + 40 + 10 ticks of 110, client 9 for 60, client 5 for 20 + 20.
  ASSERT_EQ(timeline.busy.size(), 3U);
  EXPECT_NEAR(timeline.busy[0], 75.0 / 110, 1e-12);
  EXPECT_NEAR(timeline.busy[1], 60.0 / 110, 1e-12);
  EXPECT_NEAR(timeline.busy[2], 40.0 / 110, 1e-12);
  EXPECT_NEAR(timeline.idle, 1 - 175.0 / 330, 1e-12);
}

TEST(Timeline, StalenessIsOfAcceptedTasks) {
  const Timeline timeline = timeline_of(three_clients());
  EXPECT_THAT(timeline.staleness, ElementsAre(Pair(0, 2), Pair(2, 1)));
  EXPECT_NEAR(timeline.mean_staleness(), 2.0 / 3, 1e-12);
}

TEST(Timeline, BarsTellEveryTask) {
  const Timeline timeline = timeline_of(three_clients());
  EXPECT_THAT(timeline.rows, ElementsAre(2, 5, 9));
  EXPECT_DOUBLE_EQ(timeline.shown_until, 11.0);
  EXPECT_EQ(timeline.windows, 4U);
  EXPECT_THAT(timeline.window_ends, ElementsAre(2.0, 4.0, 7.0, 10.0));
  ASSERT_EQ(timeline.bars.size(), 6U);
  const auto is = [&](std::size_t i, TaskId task, double start, double end, Version version,
                      std::uint64_t staleness, std::optional<Verdict> verdict) {
    const TaskBar& bar = timeline.bars[i];
    EXPECT_EQ(bar.task, task) << i;
    EXPECT_DOUBLE_EQ(bar.start, start) << i;
    EXPECT_DOUBLE_EQ(bar.end, end) << i;
    EXPECT_EQ(bar.version, version) << i;
    EXPECT_EQ(bar.staleness, staleness) << i;
    EXPECT_EQ(bar.verdict, verdict) << i;
  };
  is(0, {2, 1}, 0.0, 2.5, 0, 1, Verdict::rejected);
  is(1, {5, 1}, 0.0, 2.0, 0, 0, Verdict::accepted);
  is(2, {5, 2}, 2.0, 4.0, 1, 0, Verdict::accepted);
  is(3, {9, 1}, 2.0, 8.0, 1, 3, Verdict::lost);
  is(4, {2, 2}, 3.0, 7.0, 1, 2, Verdict::accepted);
  is(5, {2, 3}, 10.0, 11.0, 4, 0, std::nullopt);
}

TEST(Timeline, ShowsTheFirstPartThatFits) {
  // Two rows are the first and the last client; of their five tasks the first two fit, and the third starts
  // at tick 30. One window has ended by then.
  const Timeline timeline = timeline_of(three_clients(), {.rows = 2, .bars = 2, .window_ends = 200});
  EXPECT_THAT(timeline.rows, ElementsAre(2, 9));
  ASSERT_EQ(timeline.bars.size(), 2U);
  EXPECT_EQ(timeline.bars[1].task, (TaskId{9, 1}));
  EXPECT_DOUBLE_EQ(timeline.bars[1].end, 8.0);  // whole, although the part ends before
  EXPECT_DOUBLE_EQ(timeline.shown_until, 3.0);
  EXPECT_THAT(timeline.window_ends, ElementsAre(2.0));
  // What is added up is of all tasks nevertheless.
  EXPECT_EQ(timeline.tasks, 6U);
  EXPECT_EQ(timeline.busy.size(), 3U);
}

TEST(Timeline, NothingToTellIsNoNumber) {
  const Timeline empty = TimelineFold(kTicksPerSecond).finish();
  EXPECT_TRUE(std::isnan(empty.idle));
  EXPECT_TRUE(std::isnan(empty.mean_staleness()));
  EXPECT_THAT(empty.bars, IsEmpty());
  // All within one tick: no time has passed of which a share could be taken.
  const Timeline instant = timeline_of({WindowOpened{1, 5, 0}, TaskStarted{1, 5, {0, 1}, "train", 0, 1},
                                        ending(1, 5, {0, 1}, Verdict::accepted, 0)});
  EXPECT_TRUE(std::isnan(instant.idle));
  EXPECT_EQ(instant.bars.size(), 1U);
}

TEST(Timeline, StalenessBarsAreFewAndEquallyWide) {
  const auto bins = [](std::map<std::uint64_t, std::uint64_t> counts, std::size_t limit) {
    Timeline timeline;
    timeline.staleness = std::move(counts);
    return staleness_bins({&timeline}, limit);
  };
  EXPECT_THAT(bins({}, 4).low, IsEmpty());
  const StalenessBins each = bins({{0, 5}, {3, 1}}, 4);
  EXPECT_THAT(each.low, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(each.high, ElementsAre(0, 1, 2, 3));
  // 0 to 8 in four bars: three values each, and the last that occurs ends the last bar.
  const StalenessBins wide = bins({{0, 50}, {4, 25}, {8, 25}}, 4);
  EXPECT_THAT(wide.low, ElementsAre(0, 3, 6));
  EXPECT_THAT(wide.high, ElementsAre(2, 5, 8));
  // 99 of 100 tasks are within 0 to 5: three bars of two for them, one for the straggler.
  const StalenessBins tail = bins({{0, 90}, {5, 9}, {700, 1}}, 4);
  EXPECT_THAT(tail.low, ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(tail.high, ElementsAre(1, 3, 5, 700));
}

TEST(TimelineReport, CarriesTheTimeOfItsRuns) {
  const TempFolder folder;
  write_log(folder / "run", three_clients());
  const json data = data_of({folder / "run"}, folder);
  EXPECT_EQ(data["simulated_time"], "s");
  EXPECT_EQ(data["runs"][0]["splits"]["test"]["time"], json({2.0, 7.0}));
  EXPECT_EQ(data["runs"][0]["train"]["up"], json({70.0, 140.0, 210.0}));
  EXPECT_EQ(data["runs"][0]["train"]["down"], json({100.0, 200.0, 300.0}));
  const json& timeline = data["timeline"];
  EXPECT_EQ(timeline["low"], json({0, 1, 2}));
  EXPECT_EQ(timeline["groups"][0]["staleness"]["counts"], json({2, 0, 1}));
  EXPECT_NEAR(timeline["groups"][0]["staleness"]["mean"].get<double>(), 2.0 / 3, 1e-5);
  EXPECT_EQ(timeline["runs"][0]["clients"], 3);
  EXPECT_EQ(timeline["runs"][0]["tasks"], 6);
  EXPECT_EQ(timeline["runs"][0]["max_staleness"], 2);
  EXPECT_NEAR(timeline["runs"][0]["idle"].get<double>(), 1 - 175.0 / 330, 1e-5);
  EXPECT_TRUE(timeline["runs"][0]["seconds_to_target"].is_null());
  EXPECT_EQ(timeline["groups"][0]["busy"]["from"].size(), 3U);
  const json& gantt = timeline["gantts"][0];
  EXPECT_EQ(gantt["clients"], json({2, 5, 9}));
  EXPECT_EQ(gantt["bars"]["row"], json({0, 1, 1, 2, 0, 0}));
  EXPECT_EQ(gantt["bars"]["start"], json({0.0, 0.0, 2.0, 2.0, 3.0, 10.0}));
  EXPECT_EQ(timeline["verdicts"][gantt["bars"]["verdict"][3].get<std::size_t>()], "lost");
  EXPECT_TRUE(gantt["bars"]["verdict"][5].is_null());
}

TEST(TimelineReport, TellsWhenTheTargetWasReached) {
  const TempFolder folder;
  write_log(folder / "run", three_clients());
  RunSummary summary;
  summary.rounds_to_target = 3;  // evaluated at tick 70
  write_summary(folder / "run/summary.json", summary);
  EXPECT_EQ(data_of({folder / "run"}, folder)["timeline"]["runs"][0]["seconds_to_target"], 7.0);
}

TEST(TimelineReport, IsAbsentWhereATickHasNoUnit) {
  const TempFolder folder;
  FakeFederation().write(folder / "plain", "seed: 1\n");
  const json plain = data_of({folder / "plain"}, folder);
  EXPECT_TRUE(plain["timeline"].is_null());
  EXPECT_FALSE(plain["runs"][0]["train"].contains("up"));
  // Beside a run with a unit it has no time, and no entry.
  write_log(folder / "timed", three_clients());
  const json both = data_of({folder / "plain", folder / "timed"}, folder);
  EXPECT_EQ(both["simulated_time"], "s");
  EXPECT_TRUE(both["runs"][0]["splits"]["test"]["time"][0].is_null());
  EXPECT_TRUE(both["timeline"]["groups"][0].is_null());
  EXPECT_TRUE(both["timeline"]["runs"][0].is_null());
  ASSERT_EQ(both["timeline"]["gantts"].size(), 1U);
  EXPECT_EQ(both["timeline"]["gantts"][0]["run"], 1);
}

TEST(TimelineReport, ManyTasksMakeASmallPage) {
  // 300 clients train one after another for 1 s, 67 times each: 20,100 tasks, and as many windows.
  const TempFolder folder;
  std::vector<FederationEvent> events = {
      RunStarted{"long", "fedavg", "async", "2nn", "mnist", 1, 300, 5, 6, kTicksPerSecond}};
  constexpr std::uint64_t kClients = 300, kTasks = 67 * kClients;
  for (std::uint64_t i = 0; i < kTasks; ++i) {
    const TaskId task{i % kClients, static_cast<std::uint32_t>(1 + i / kClients)};
    const Tick start = static_cast<Tick>(10 * i);
    events.emplace_back(WindowOpened{i + 1, start, i});
    events.emplace_back(TaskStarted{i + 1, start, task, "train", i, 100});
    events.emplace_back(ending(i + 1, start + 10, task, Verdict::accepted, i % 100));
    WindowClosed closed;
    closed.window = i + 1;
    closed.tick = start + 10;
    closed.version = i + 1;
    closed.accepted = 1;
    events.emplace_back(closed);
  }
  write_log(folder / "run", events);
  const json data = data_of({folder / "run"}, folder);
  const json& gantt = data["timeline"]["gantts"][0];
  EXPECT_EQ(gantt["clients"].size(), 40U);
  EXPECT_EQ(gantt["clients"].back(), 299);
  EXPECT_EQ(gantt["all_clients"], 300);
  EXPECT_EQ(gantt["bars"]["row"].size(), 2000U);  // of 40 * 67 = 2680: 50 of each
  EXPECT_EQ(gantt["until"], 50.0 * 300);          // where client 0 begins its 51st
  EXPECT_EQ(gantt["windows"], 50 * 300);
  EXPECT_EQ(gantt["window_ends"].size(), 200U);
  EXPECT_EQ(data["timeline"]["low"].size(), 25U);  // 0 to 99, four values each
  EXPECT_EQ(data["timeline"]["groups"][0]["busy"]["busy"].size(), 200U);
  EXPECT_NEAR(data["timeline"]["runs"][0]["idle"].get<double>(), 299.0 / 300, 1e-5);
  EXPECT_LE(data["runs"][0]["train"]["time"].size(), 800U);
  EXPECT_LT(std::filesystem::file_size(folder / "report.html"), 1'000'000U);
}

}  // namespace
}  // namespace fedloom
