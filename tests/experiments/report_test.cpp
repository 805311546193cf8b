// The report as a file: self-contained, its data as the runs told it, groups and means right, and patient
// with runs that are not whole.
#include "experiments/report/report.hpp"

#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "experiments/report/report_data.hpp"
#include "experiments/report/run_data.hpp"
#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kFedAvg = "seed: {}\nrounds: 8\nstrategy: {{name: fedavg}}\nmodel: {{name: 2nn}}\n";
constexpr const char* kFedProx =
    "seed: {}\nrounds: 8\nstrategy: {{name: fedprox, mu: 0.1}}\nmodel: {{name: 2nn}}\n";

std::string settings_of(const char* pattern, int seed) { return fmt::format(fmt::runtime(pattern), seed); }

json data_block(const std::string& html) {
  const std::string opening = "<script type=\"application/json\" id=\"data\">";
  const std::size_t begin = html.find(opening) + opening.size();
  const std::size_t end = html.find("</script>", begin);
  return json::parse(html.substr(begin, end - begin));
}

json report_of(const std::vector<std::string>& runs, const TempFolder& folder) {
  write_report(runs, folder / "report.html");
  return data_block(read_file(folder / "report.html"));
}

TEST(Report, IsOneFileThatAsksForNothing) {
  const TempFolder folder;
  FakeFederation().write(folder / "run", settings_of(kFedAvg, 1));
  write_report({folder / "run"}, folder / "report.html");
  std::string html = read_file(folder / "report.html");
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  // What remains after licence comments and the name of the SVG namespace must hold no address at all.
  for (std::size_t begin = html.find("/*!"); begin != std::string::npos; begin = html.find("/*!"))
    html.erase(begin, html.find("*/", begin) + 2 - begin);
  const std::string svg = "\"http://www.w3.org/2000/svg\"";
  html.erase(html.find(svg), svg.size());
  EXPECT_EQ(html.find("http://"), std::string::npos);
  EXPECT_EQ(html.find("https://"), std::string::npos);
  for (const char* loader : {"<link rel=\"stylesheet", " src=", "@import", "url(", "importScripts("})
    EXPECT_EQ(html.find(loader), std::string::npos) << loader;
  // Every name in double braces is filled in.
  EXPECT_FALSE(std::regex_search(html, std::regex("\\{\\{[a-z.]+\\}\\}")));
  EXPECT_THAT(html, HasSubstr("Chart"));
}

TEST(Report, CarriesTheRunsData) {
  const TempFolder folder;
  FakeFederation().write(folder / "run", settings_of(kFedAvg, 1));
  write_text(folder / "run/partition.json",
             R"({"classes":3,"clients":[[1,2,3],[4,5,6]],"shown":2,"total":4})");
  const json data = report_of({folder / "run"}, folder);
  ASSERT_EQ(data["runs"].size(), 1U);
  const json& run = data["runs"][0];
  EXPECT_EQ(run["name"], "run");
  EXPECT_EQ(run["state"], "rounds");
  EXPECT_EQ(run["splits"]["test"]["round"], json({1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_NEAR(run["splits"]["test"]["accuracy"][7].get<double>(), FakeFederation::accuracy(8), 1e-6);
  EXPECT_EQ(run["splits"]["test"]["bytes"][2], 700 + 400);  // the window of round 3 lost an update
  EXPECT_EQ(run["splits"]["test"]["wall"][7], 4.0);         // half a second per round
  EXPECT_EQ(run["splits"]["validation"]["round"], json({2, 4, 6, 8}));
  EXPECT_EQ(run["train"]["round"].size(), 8U);
  EXPECT_EQ(run["spread"]["round"], json({4, 8}));
  EXPECT_NEAR(run["spread"]["p0"][1].get<double>(), FakeFederation::accuracy(8) / 2, 1e-6);
  EXPECT_EQ(run["spread"]["clients"], 4);
  EXPECT_EQ(run["spread"]["last_histogram"].size(), 20U);
  EXPECT_EQ(run["spread"]["last_histogram"][11], 3);  // 1 - 0.9^8 = 0.570
  EXPECT_EQ(run["spread"]["last_histogram"][5], 1);   // and half of it
  EXPECT_EQ(run["partition"]["counts"], json({{1, 2, 3}, {4, 5, 6}}));
  EXPECT_EQ(run["partition"]["total"], 4);
  EXPECT_EQ(run["figures"]["rounds_to_target"], 7);
  EXPECT_TRUE(data["simulated_time"].is_null());  // one tick per round says nothing
  EXPECT_THAT(data["notes"], IsEmpty());
  EXPECT_EQ(data["settings"][0], json({{"key", "seed"}, {"values", {"1"}}, {"differs", false}}));
}

TEST(Report, GroupsRunsThatDifferOnlyBySeed) {
  const TempFolder folder;
  std::vector<std::string> runs;
  for (int seed = 1; seed <= 3; ++seed) {
    FakeFederation avg, prox;
    prox.strategy = "fedprox";
    avg.seed = prox.seed = static_cast<std::uint64_t>(seed);
    avg.rounds = seed == 2 ? 5 : 8;  // one seed reached the target early
    runs.push_back(folder / fmt::format("avg{}", seed));
    avg.write(runs.back(), settings_of(kFedAvg, seed));
    runs.push_back(folder / fmt::format("prox{}", seed));
    prox.write(runs.back(), settings_of(kFedProx, seed));
  }
  const json data = report_of(runs, folder);
  ASSERT_EQ(data["groups"].size(), 2U);
  EXPECT_EQ(data["groups"][0]["label"], "fedavg");
  EXPECT_EQ(data["groups"][1]["label"], "fedprox, mu=0.1");
  EXPECT_EQ(data["groups"][0]["runs"], json({0, 2, 4}));
  EXPECT_EQ(data["groups"][0]["splits"]["test"]["round"], json({1, 2, 3, 4, 5}));  // where all three are
  EXPECT_EQ(data["groups"][1]["splits"]["test"]["round"].size(), 8U);
  EXPECT_TRUE(data["groups"][0]["splits"]["test"].contains("accuracy_low"));
  std::map<std::string, bool> differs;
  for (const json& setting : data["settings"]) differs[setting["key"]] = setting["differs"];
  EXPECT_EQ(differs, (std::map<std::string, bool>{{"seed", false},
                                                  {"rounds", false},
                                                  {"strategy.name", true},
                                                  {"strategy.mu", true},
                                                  {"model.name", false}}));
  EXPECT_EQ(data["settings"][0]["values"], json({"1, 2, 3", "1, 2, 3"}));
}

TEST(Report, MeansAndRangesAreOverTheRunsAtEachRound) {
  Curve a, b;
  a.rounds = {1, 2, 4};
  b.rounds = {2, 3, 4};
  for (Curve* curve : {&a, &b})
    curve->ticks = curve->seconds = curve->bytes = curve->bytes_up = curve->wall = {1, 2, 3};
  a.accuracy = {0.1, 0.2, 0.4};
  b.accuracy = {0.6, 0.7, 0.8};
  a.loss = b.loss = {3, 2, 1};
  const MeanCurve mean = mean_curve({&a, &b});
  EXPECT_THAT(mean.mean.rounds, ElementsAre(2, 4));
  EXPECT_DOUBLE_EQ(mean.mean.accuracy[0], 0.4);
  EXPECT_DOUBLE_EQ(mean.accuracy_low[0], 0.2);
  EXPECT_DOUBLE_EQ(mean.accuracy_high[0], 0.6);
  EXPECT_DOUBLE_EQ(mean.mean.bytes[0], 1.5);  // the second point of a, the first of b
  EXPECT_DOUBLE_EQ(mean.mean.loss[1], 1.0);
}

TEST(Report, ThinningKeepsBothEnds) {
  EXPECT_THAT(thinned(0, 5), IsEmpty());
  EXPECT_THAT(thinned(3, 5), ElementsAre(0, 1, 2));
  EXPECT_THAT(thinned(101, 5), ElementsAre(0, 25, 50, 75, 100));
  EXPECT_THAT(thinned(7, 2), ElementsAre(0, 6));
}

TEST(Report, LabelsAreDistinctAndShort) {
  const auto run = [](std::vector<std::pair<std::string, std::string>> settings) {
    RunData data;
    data.name = "r";
    data.settings = std::move(settings);
    data.started.experiment = "exp";
    return data;
  };
  const auto labels = [](const std::vector<RunData>& runs) {
    std::vector<std::string> list;
    for (const RunGroup& group : group_runs(runs)) list.push_back(group.label);
    return list;
  };
  EXPECT_THAT(labels({run({{"seed", "1"}, {"lr", "0.1"}}), run({{"seed", "2"}, {"lr", "0.1"}})}),
              ElementsAre("exp"));
  EXPECT_THAT(labels({run({{"server.lr", "1"}, {"local.lr", "0.1"}}),
                      run({{"server.lr", "2"}, {"local.lr", "0.2"}})}),
              ElementsAre("server.lr=1, local.lr=0.1", "server.lr=2, local.lr=0.2"));
  EXPECT_THAT(labels({run({{"mu", "1"}}), run({})}), ElementsAre("mu=1", Not(IsEmpty())));
  EXPECT_THAT(
      labels({run({{"lr", "1"}, {"strategy.name", "a"}}), run({{"lr", "2"}, {"strategy.name", "b"}})}),
      ElementsAre("a, lr=1", "b, lr=2"));
}

TEST(Report, InterruptedRunsAreShownAsFarAsTheyGot) {
  const TempFolder folder;
  FakeFederation().write(folder / "run", settings_of(kFedAvg, 1), false);
  write_text(folder / "run/events.jsonl", read_file(folder / "run/events.jsonl") + "{\"event\":\"window_op");
  write_text(folder / "run/metrics.csv", read_file(folder / "run/metrics.csv") + "9,9");
  std::filesystem::remove(folder / "run/resolved.yaml");
  const json data = report_of({folder / "run"}, folder);
  EXPECT_EQ(data["runs"][0]["state"], "unfinished");
  EXPECT_EQ(data["runs"][0]["figures"]["rounds"], 8);
  EXPECT_EQ(data["runs"][0]["figures"]["bytes_up"], 1400);
  EXPECT_EQ(data["runs"][0]["figures"]["wall_seconds"], 4.0);
  EXPECT_EQ(data["groups"][0]["label"], "fake");
  ASSERT_EQ(data["notes"].size(), 2U);
  EXPECT_THAT(data["notes"][0].get<std::string>(), HasSubstr("resolved.yaml"));
  EXPECT_THAT(data["notes"][1].get<std::string>(),
              HasSubstr("interrupted or still running; 8 rounds so far"));
}

TEST(Report, ARunWithoutASingleRoundStillMakesAPage) {
  const TempFolder folder;
  FakeFederation{.rounds = 0}.write(folder / "run", "seed: 1\n", false);
  const json data = report_of({folder / "run"}, folder);
  EXPECT_FALSE(data["runs"][0].contains("splits"));
  EXPECT_TRUE(data["runs"][0]["figures"]["final_test_accuracy"].is_null());
}

TEST(Report, SimulatedTimeIsOfferedWhenItInforms) {
  const TempFolder folder;
  FakeFederation fake{.ticks_per_second = 1e9};
  EventsLog log(folder / "events.jsonl");
  fake.tell_start([&](const FederationEvent& event) { log.on(event); });
  for (std::uint64_t w = 1; w <= 4; ++w) {
    fake.ticks_per_round = w == 3 ? 5'000'000'000 : 1'000'000'000;
    fake.tell_round(w, [&](const FederationEvent& event) { log.on(event); });
  }
  log.finish();
  const json data = report_of({folder.path()}, folder);
  EXPECT_EQ(data["simulated_time"], "s");
  EXPECT_EQ(data["runs"][0]["splits"]["test"]["time"], json({1, 2, 15, 4}));
  // Rounds 1 to 4 end at 1, 2, 15 (three of five seconds) and 4 s: a clock that went with them is the real
  // one.
  write_text(folder / "metrics.csv", "round,wall_seconds\n1,0.5\n2,1.5\n3,14.5\n4,3.5\n");
  EXPECT_TRUE(report_of({folder.path()}, folder)["simulated_time"].is_null());
}

TEST(Report, TicksWithoutAUnitAreOfferedWhenRoundsDiffer) {
  const TempFolder folder;
  FakeFederation fake;
  EventsLog log(folder / "events.jsonl");
  fake.tell_start([&](const FederationEvent& event) { log.on(event); });
  for (std::uint64_t w = 1; w <= 4; ++w) {
    fake.ticks_per_round = w == 3 ? 5 : 1;
    fake.tell_round(w, [&](const FederationEvent& event) { log.on(event); });
  }
  log.finish();
  const json data = report_of({folder.path()}, folder);
  EXPECT_EQ(data["simulated_time"], "ticks");
  EXPECT_EQ(data["runs"][0]["splits"]["test"]["time"], json({1, 2, 15, 4}));
  EXPECT_TRUE(data["timeline"].is_null());
}

TEST(Report, TextOfARunCannotBecomeMarkup) {
  const TempFolder folder;
  FakeFederation fake;
  fake.strategy = "</script><script>alert(1)</script>";
  fake.write(folder / "run", "name: '</script><b>'\nseed: 1\n");
  write_report({folder / "run"}, folder / "report.html");
  const std::string html = read_file(folder / "report.html");
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("</script><b>"), std::string::npos);
  EXPECT_EQ(data_block(html)["settings"][0]["values"][0], "</script><b>");
}

TEST(Report, LongRunsAndLargePopulationsStaySmall) {
  const TempFolder folder;
  FakeFederation{.rounds = 5000}.write(folder / "run", settings_of(kFedAvg, 1));
  std::string partition = "{\"classes\":10,\"clients\":[";
  for (int i = 0; i < 3000; ++i) partition += std::string(i > 0 ? "," : "") + "[1,2,3,4,5,6,7,8,9,10]";
  write_text(folder / "run/partition.json", partition + "]}");
  const json data = report_of({folder / "run"}, folder);
  EXPECT_LE(data["runs"][0]["splits"]["test"]["round"].size(), 800U);
  EXPECT_EQ(data["runs"][0]["splits"]["test"]["round"].back(), 5000);
  EXPECT_EQ(data["runs"][0]["partition"]["counts"].size(), 400U);
  EXPECT_EQ(data["runs"][0]["partition"]["total"], 3000);
  EXPECT_LT(std::filesystem::file_size(folder / "report.html"), 1'000'000U);
}

TEST(Report, SaysWhyAFolderIsNoRun) {
  const TempFolder folder;
  const auto error_of = [&](const std::string& run) {
    return user_error_of([&] { write_report({run}, folder / "report.html"); });
  };
  EXPECT_THAT(error_of(folder / "none"), HasSubstr("none is not a folder"));
  EXPECT_THAT(error_of(folder.path()), HasSubstr("is not a run folder: it has no events.jsonl"));
  write_text(folder / "events.jsonl", "");
  EXPECT_THAT(error_of(folder.path()), HasSubstr("holds no events yet"));
  write_text(folder / "events.jsonl", "garbage\n");
  EXPECT_THAT(error_of(folder.path()), HasSubstr("events.jsonl:1: "));
  FakeFederation().write(folder / "run", settings_of(kFedAvg, 1));
  write_text(folder / "run/summary.json", "{");
  EXPECT_THAT(error_of(folder / "run"), HasSubstr("summary.json: not a run summary"));
  std::filesystem::remove(folder / "run/summary.json");
  write_text(folder / "run/partition.json", R"({"classes":2,"clients":[[1]]})");
  EXPECT_THAT(error_of(folder / "run"), HasSubstr("client 0 has counts of 1 classes, expected 2"));
  std::filesystem::remove(folder / "run/partition.json");
  write_text(folder / "run/resolved.yaml", "a: [1\n");
  EXPECT_THAT(error_of(folder / "run"), HasSubstr("resolved.yaml:"));
  EXPECT_THAT(user_error_of([&] { write_report({}, folder / "x.html"); }), HasSubstr("no run folder"));
  EXPECT_FALSE(std::filesystem::exists(folder / "report.html"));
}

}  // namespace
}  // namespace fedloom
