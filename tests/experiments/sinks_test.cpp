// The files of a run folder: formats, hashes, and that a resumed run's files equal those of one that never
// stopped.
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "experiments/sinks/memory_sink.hpp"
#include "experiments/sinks/run_folder_sink.hpp"
#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

using testing::DoubleEq;
using testing::HasSubstr;

TEST(EventsLog, HashAndOffsetAreThoseOfTheFile) {
  const TempFolder folder;
  EventsLog log(folder / "events.jsonl");
  EXPECT_EQ(log.hash(), sha256_hex(std::span<const std::byte>{}));
  FakeFederation().tell_all([&](const FederationEvent& event) { log.on(event); });
  log.flush();
  const std::string bytes = read_file(folder / "events.jsonl");
  EXPECT_EQ(log.offset(), bytes.size());
  EXPECT_EQ(log.hash(), sha256_hex(std::as_bytes(std::span(bytes))));
}

TEST(EventsLog, ResumedAtAnyEventGivesTheSameBytesAndHash) {
  const TempFolder folder;
  EventsLog whole(folder / "whole.jsonl");
  std::vector<FederationEvent> events;
  std::vector<std::uint64_t> offsets;
  FakeFederation().tell_all([&](const FederationEvent& event) {
    offsets.push_back(whole.offset());
    events.push_back(event);
    whole.on(event);
  });
  whole.flush();
  for (std::size_t stop = 0; stop < events.size(); stop += 5) {
    // What is on disk when the process dies goes beyond the checkpoint, up to half a line.
    const std::string torn = read_file(folder / "whole.jsonl").substr(0, offsets[stop] + 30 * stop % 200);
    write_text(folder / "torn.jsonl", torn);
    EventsLog resumed(folder / "torn.jsonl", offsets[stop]);
    for (std::size_t i = stop; i < events.size(); ++i) resumed.on(events[i]);
    resumed.finish();
    EXPECT_EQ(resumed.hash(), whole.hash());
    EXPECT_EQ(read_file(folder / "torn.jsonl"), read_file(folder / "whole.jsonl"));
  }
}

TEST(EventsReader, EveryEventComesBackAsItWas) {
  const TempFolder folder;
  EventsLog log(folder / "events.jsonl");
  std::vector<std::string> told, read;
  FakeFederation().tell_all([&](const FederationEvent& event) {
    log.on(event);
    told.push_back(to_json(event));
  });
  RunStarted odd{"quo\"te \\ \n <b> \u00e9", "s", "p", "m", "d", ~0ULL, 1, 2, ~0ULL, 1e6};
  log.on(odd);
  told.push_back(to_json(odd));
  Evaluated nan{1, -5, 1, "task \u2713", std::nan(""), 0.1, 3};
  log.on(nan);
  told.push_back(to_json(nan));
  log.flush();
  write_text(folder / "tail", "");
  for_each_event(folder / "events.jsonl", kWholeFile,
                 [&](const FederationEvent& event) { read.push_back(to_json(event)); });
  EXPECT_EQ(read, told);
}

TEST(EventsReader, ReadsWhereATickHasAUnit) {
  const std::string now = to_json(FederationEvent(RunStarted{"e", "s", "p", "m", "d", 1, 2, 3, 4, 1e6}));
  const std::string field = ",\"ticks_per_second\":1000000";
  EXPECT_EQ(std::get<RunStarted>(parse_federation_event(now)).ticks_per_second, 1e6);
  std::string before = now;  // as logs were written before ticks could have one
  before.erase(before.find(field), field.size());
  EXPECT_EQ(std::get<RunStarted>(parse_federation_event(before)).ticks_per_second, 1.0);
  std::string wrong = now;
  wrong.replace(wrong.find(field), field.size(), ",\"ticks_per_second\":0");
  EXPECT_THAT(user_error_of([&] { parse_federation_event(wrong); }), HasSubstr("ticks_per_second is 0"));
}

TEST(EventsReader, LeavesOutAHalfLineAndRefusesGarbage) {
  const TempFolder folder;
  const std::string line = to_json(FederationEvent(WindowOpened{1, 2, 3}));
  write_text(folder / "torn", line + "\n" + line.substr(0, 20));
  int count = 0;
  for_each_event(folder / "torn", kWholeFile, [&](const FederationEvent&) { ++count; });
  EXPECT_EQ(count, 1);
  const std::vector<std::string> bad = {
      "not json",
      "{}",
      "[1]",
      "{\"event\":\"window_opened\"}",
      "{\"event\":\"nobody\"}",
      "",
      "\xff\xfe",
      R"({"event":"window_opened","window":-1,"tick":1,"version":"x"})",
      R"({"event":"task_ended","window":1,"tick":1,"client":1,"task":1,"verdict":"maybe","reason":"none"})"};
  for (const std::string& text : bad) {
    write_text(folder / "bad", line + "\n" + text + "\n");
    EXPECT_THAT(
        user_error_of([&] { for_each_event(folder / "bad", kWholeFile, [](const FederationEvent&) {}); }),
        HasSubstr("bad:2: "))
        << text;
  }
  EXPECT_THAT(
      user_error_of([&] { for_each_event(folder / "no", kWholeFile, [](const FederationEvent&) {}); }),
      HasSubstr("cannot read"));
}

TEST(RunLog, StampsEventsAndGoesOnAfterAResume) {
  const TempFolder folder;
  double now = 1.25;
  {
    RunLog log(folder / "run.jsonl", [&] { return now; });
    log.on(MachineEvent(Note{"hello"}));
    now = 2.5;
    log.on(MachineEvent(MachineState{1, 2.5, 10, 100, 200, 5, 7}));
  }
  write_text(folder / "run.jsonl", read_file(folder / "run.jsonl") + "{\"wall\":3");  // killed here
  now = 0.5;
  {
    RunLog log(
        folder / "run.jsonl", [&] { return now; }, true);
    log.on(MachineEvent(Resumed{1, "checkpoint-1"}));
    now = 4.0;  // more than the first process ever saw
    log.on(MachineEvent(MachineState{2, 4.0, 20, 10, 20, 5, 6}));
  }
  EXPECT_EQ(read_file(folder / "run.jsonl").substr(0, 53),
            "{\"wall\":1.250000,\"event\":\"note\",\"text\":\"hello\"}\n{\"wal");
  // 2.5 s and 4 s, 10 and 20 trainings, …; the larger of the two memory peaks.
  EXPECT_EQ(read_machine_totals(folder / "run.jsonl"), (MachineTotals{6.5, 30, 110, 220, 7}));
  EXPECT_EQ(read_machine_totals(folder / "none"), MachineTotals{});
}

// 1000 refusals for each of two reasons, 8 of either in a second: 60 lines for each in the first two minutes
// (480 of them) and one that counts the other 420, and the 40 of the third.
TEST(RunLog, AFloodOfStrangersIsCounted) {
  const TempFolder folder;
  double now = 0.0;
  RunLog log(folder / "run.jsonl", [&] { return now; });
  for (int i = 0; i < 1000; ++i, now += 0.125) {
    log.on(MachineEvent(Refused{"a stranger", Reason::malformed, "bad"}));
    log.on(MachineEvent(Refused{"a stranger", Reason::key, "unknown"}));
  }
  log.on(MachineEvent(Note{"others are not left out"}));
  log.finish();
  const std::string text = read_file(folder / "run.jsonl");
  EXPECT_EQ(std::ranges::count(text, '\n'), 2 * (60 + 1 + 60 + 1 + 40) + 1);
  EXPECT_THAT(text, HasSubstr("420 more within a minute"));
  EXPECT_THAT(text, HasSubstr("others are not left out"));
}

// /dev/full takes nothing, as a full disk does.
TEST(RunLog, ALineThatCannotBeWrittenEndsNoRun) {
  std::vector<std::string> warnings;
  {
    RunLog log(
        "/dev/full", [] { return 1.0; }, false, [&](const std::string& text) { warnings.push_back(text); });
    for (int i = 0; i < 3; ++i) EXPECT_NO_THROW(log.on(MachineEvent(Note{"hello"})));
    EXPECT_NO_THROW(log.finish());
  }
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], HasSubstr("/dev/full: No space left on device"));
}

TEST(MetricsCsv, HasARowPerEvaluatedRound) {
  const TempFolder folder;
  double now = 0.0;
  MetricsCsv metrics(folder / "metrics.csv", [&] { return now += 0.25; });
  FakeFederation{.rounds = 4}.tell_all([&](const FederationEvent& event) { metrics.on(event); });
  metrics.finish();
  const auto rows = read_metrics(folder / "metrics.csv");
  ASSERT_EQ(rows.size(), 4U);
  const MetricsRow& last = rows[3];
  EXPECT_EQ(last.at("round"), 4);
  EXPECT_EQ(last.at("version"), 4);
  EXPECT_THAT(last.at("test_accuracy"), DoubleEq(FakeFederation::accuracy(4)));
  EXPECT_THAT(last.at("validation_loss"), DoubleEq(FakeFederation::loss(4)));
  // Accuracies a/2, a, a, a: the mean is 7a/8; the tenth percentile is at position 0.3 between a/2 and a.
  EXPECT_NEAR(last.at("client_accuracy_mean"), FakeFederation::accuracy(4) * 7 / 8, 1e-12);
  EXPECT_NEAR(last.at("client_accuracy_p10"), FakeFederation::accuracy(4) * 0.65, 1e-12);
  // Round 3 lost a task: 7 accepted, 1 dropped, 700 bytes up, 800 down.
  EXPECT_EQ(last.at("clients_accepted"), 7);
  EXPECT_EQ(last.at("clients_dropped"), 1);
  EXPECT_EQ(last.at("bytes_up"), 700);
  EXPECT_EQ(last.at("bytes_down"), 800);
  EXPECT_EQ(last.at("wall_seconds"), 1.0);  // one look at the clock per row
  EXPECT_FALSE(rows[0].contains("validation_loss"));
  EXPECT_EQ(rows[0].at("train_loss"), FakeFederation::loss(1));
}

TEST(MetricsCsv, LossesThatAreNoNumbersAreEmptyCells) {
  const TempFolder folder;
  MetricsCsv metrics(folder / "metrics.csv", [] { return 0.0; });
  metrics.on(Evaluated{1, 1, 1, "test", std::nan(""), 0.1, 3});
  metrics.on(Evaluated{2, 2, 2, "another", 0.5, 0.5, 3});
  metrics.finish();
  const auto rows = read_metrics(folder / "metrics.csv");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_FALSE(rows[0].contains("test_loss"));
  EXPECT_EQ(rows[0].at("test_accuracy"), 0.1);
  EXPECT_FALSE(rows[1].contains("test_accuracy"));
}

TEST(MetricsCsv, DamagedRowsAreNamed) {
  const TempFolder folder;
  write_text(folder / "m.csv", "round,loss\n1,2\n1,2,3\n");
  EXPECT_THAT(user_error_of([&] { read_metrics(folder / "m.csv"); }), HasSubstr("m.csv:3: 3 cells"));
  write_text(folder / "m.csv", "round,loss\n1,x2\n");
  EXPECT_THAT(user_error_of([&] { read_metrics(folder / "m.csv"); }), HasSubstr("m.csv:2: loss is \"x2\""));
}

TEST(Quantile, InterpolatesBetweenNeighbours) {
  // numpy.quantile([1, 2, 4, 8], [0, 0.1, 0.5, 1]) = [1, 1.3, 3, 8]
  const std::vector<double> values = {1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile_of_sorted(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(values, 0.1), 1.3);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(values, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(values, 1), 8);
  EXPECT_DOUBLE_EQ(quantile_of_sorted({7}, 0.3), 7);
}

// The lines of a metrics.csv without their last column, the wall time.
std::string without_wall(const std::string& csv) {
  return std::regex_replace(csv, std::regex(",[^,\n]*\n"), "\n");
}

// A run is killed in every round after a checkpoint in round 4, then resumed.
TEST(RunFolderSink, AResumedFolderTellsTheSameStory) {
  const TempFolder folder;
  const FakeFederation fake{.rounds = 10};
  double now = 0.0;
  const RunClocks clocks = {[&] { return now; }, [&] { return 1.7e9 + now; }};
  const auto play = [&](RunFolderSink& sink, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t w = first; w <= last; ++w) {
      now += 0.5;
      fake.tell_round(w, [&](const FederationEvent& event) { sink.on(event); });
      const MachineEvent state = MachineState{w, now, 2 * w, 0, 0, 0, 0};
      sink.on(state);
    }
  };
  {
    RunFolderSink sink(folder / "whole", clocks);
    fake.tell_start([&](const FederationEvent& event) { sink.on(event); });
    play(sink, 1, 10);
    sink.finish();
  }
  for (std::uint64_t killed = 4; killed <= 10; ++killed) {
    const std::string run = folder / ("killed" + std::to_string(killed));
    now = 0.0;
    ResumePoint checkpoint{4, 0};
    {
      RunFolderSink sink(run, clocks);
      fake.tell_start([&](const FederationEvent& event) { sink.on(event); });
      play(sink, 1, 4);
      checkpoint.events_offset = sink.events().offset();
      play(sink, 5, killed);
    }
    if (killed == 7) write_text(run + "/metrics.csv", read_file(run + "/metrics.csv") + "8,8,");
    now = 0.0;
    std::vector<std::string> past;
    RunFolderSink sink(run, clocks, checkpoint,
                       [&](const FederationEvent& event) { past.push_back(to_json(event)); });
    EXPECT_EQ(past.size(), 1 + 4 * 7U + 2 /* validation */ + 1 /* clients */);
    play(sink, 5, 10);
    sink.finish();
    EXPECT_EQ(read_file(run + "/events.jsonl"), read_file(folder / "whole/events.jsonl"));
    EXPECT_EQ(without_wall(read_file(run + "/metrics.csv")),
              without_wall(read_file(folder / "whole/metrics.csv")));
    // Kept rows keep their time; new ones count the time of the killed process, wasted rounds included.
    const auto rows = read_metrics(run + "/metrics.csv");
    EXPECT_EQ(rows[3].at("wall_seconds"), 2.0);
    EXPECT_EQ(rows[4].at("wall_seconds"), 0.5 * static_cast<double>(killed) + 0.5);
  }
}

TEST(RunFolderSink, AShortenedEventsFileIsRefused) {
  const TempFolder folder;
  const RunClocks clocks = {[] { return 0.0; }, [] { return 0.0; }};
  { RunFolderSink sink(folder.path(), clocks); }
  EXPECT_THAT(user_error_of([&] {
                RunFolderSink(folder.path(), clocks, ResumePoint{3, 999});
              }),
              HasSubstr("events.jsonl has 0 bytes but the checkpoint was written when it had 999"));
}

TEST(MemorySink, KeepsBothStreams) {
  MemorySink memory;
  FakeFederation{.rounds = 3}.tell_all([&](const FederationEvent& event) { memory.on(event); });
  const MachineEvent note = Note{"x"};
  memory.on(note);
  memory.finish();
  EXPECT_EQ(memory.all<Evaluated>().size(), 4U);
  EXPECT_EQ(memory.machine.size(), 1U);
  EXPECT_TRUE(memory.finished);
}

TEST(SummarySink, FoldsTheStream) {
  SummarySink sink(0.5, "test", MachineTotals{10.0, 5, 50, 60, 0});
  FakeFederation{.seed = 9}.tell_all([&](const FederationEvent& event) { sink.on(event); });
  sink.on(MachineEvent(MachineState{8, 4.0, 16, 1, 2, 3, 4}));
  const RunSummary& s = sink.summary();
  EXPECT_EQ(s.seed, 9U);
  EXPECT_EQ(s.rounds, 8U);
  EXPECT_EQ(s.reason, "rounds");
  EXPECT_EQ(s.model_hash, "c0ffee");
  EXPECT_EQ(s.rounds_to_target, 7U);  // 1 - 0.9^7 = 0.522 is the first above one half
  EXPECT_EQ(s.best_round, 8U);
  EXPECT_DOUBLE_EQ(*s.final_test_accuracy, FakeFederation::accuracy(8));
  EXPECT_DOUBLE_EQ(*s.final_validation_accuracy, FakeFederation::accuracy(8) - 0.01);
  EXPECT_EQ(s.clients_accepted, 14U);  // rounds 3 and 6 lost one each
  EXPECT_EQ(s.clients_dropped, 2U);
  EXPECT_EQ(s.bytes_up, 1400U);
  EXPECT_EQ(s.bytes_down, 1600U);
  EXPECT_EQ(s.client_trainings, 21U);
  EXPECT_EQ(s.socket_bytes_sent, 51U);
  EXPECT_EQ(s.wall_seconds, 14.0);
}

TEST(RunSummary, ComesBackFromItsFile) {
  const TempFolder folder;
  SummarySink sink;
  FakeFederation().tell_all([&](const FederationEvent& event) { sink.on(event); });
  RunSummary summary = sink.summary();
  summary.peak_rss_bytes = {{"server", 123}, {"worker 1", 456}};
  summary.cpu = "AMD \"EPYC\"";
  summary.events_hash = "ab";
  write_summary(folder / "summary.json", summary);
  EXPECT_EQ(read_summary(folder / "summary.json"), summary);
  const auto json = nlohmann::json::parse(read_file(folder / "summary.json"));
  EXPECT_TRUE(json.at("target_accuracy").is_null());
  EXPECT_EQ(json.at("peak_rss_bytes").at("worker 1"), 456);
  for (const char* name :
       {"rounds", "final_test_accuracy", "final_test_loss", "rounds_to_target", "model_hash", "events_hash",
        "bytes_up", "bytes_down", "socket_bytes_sent", "socket_bytes_received", "client_trainings",
        "wall_seconds", "peak_rss_bytes", "seed", "version", "cpu"})
    EXPECT_TRUE(json.contains(name)) << name;
}

TEST(RunSummary, SaysWhatIsWrongWithAFile) {
  EXPECT_THAT(user_error_of([] { summary_from_json("{", "s.json"); }),
              HasSubstr("s.json: not a run summary"));
  EXPECT_THAT(user_error_of([] { summary_from_json("[]", "s.json"); }),
              HasSubstr("s.json: expected a JSON object"));
  EXPECT_THAT(user_error_of([] { summary_from_json("{\"rounds\":\"x\"}", "s.json"); }), HasSubstr("s.json"));
  EXPECT_EQ(summary_from_json("{}", "s.json"), RunSummary{});
  EXPECT_EQ(summary_from_json("{\"rounds\":3,\"new_field\":1}", "s.json").rounds, 3U);
}

}  // namespace
}  // namespace fedloom
