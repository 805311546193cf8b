// Metrics as a scraper reads them: a family each, and numbers that follow from the events below.
#include "experiments/status/run_metrics.hpp"

#include <regex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fedloom::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void tell(RunMetrics& metrics) {
  RunStarted started;
  started.experiment = "a \"quoted\" name\\";
  started.strategy = "fedavg";
  metrics.on(FederationEvent{started});
  for (WindowId round : {1, 2}) {
    WindowClosed closed;
    closed.window = round;
    closed.accepted = 3;
    closed.lost = 1;
    closed.bytes_up = 1000;
    closed.bytes_down = 2000;
    closed.train_loss = 0.5;
    closed.metrics = {{"aggregation_error", 0.25}};
    metrics.on(FederationEvent{closed});
  }
  Evaluated evaluated;
  evaluated.split = "test";
  evaluated.accuracy = 0.75;
  evaluated.loss = 1.5;
  metrics.on(FederationEvent{evaluated});
  metrics.on(MachineEvent{PeerChanged{1, "client 0", true, ""}});
  metrics.on(MachineEvent{PeerChanged{2, "client 1", true, ""}});
  metrics.on(MachineEvent{PeerChanged{1, "client 0", false, ""}});
  metrics.on(MachineEvent{Refused{"a stranger", Reason::key, ""}});
  metrics.on(MachineEvent{TaskRetried{}});
  metrics.on(MachineEvent{CheckpointWritten{2, "file", 10, 0.1}});
}

TEST(RunMetrics, TellWhatHappened) {
  RunMetrics metrics;
  tell(metrics);
  const std::string text = metrics.text();
  for (const char* line :
       {"fedloom_running 1", "fedloom_rounds_total 2", "fedloom_tasks_total{verdict=\"accepted\"} 6",
        "fedloom_tasks_total{verdict=\"lost\"} 2", "fedloom_federation_bytes_total{direction=\"up\"} 2000",
        "fedloom_federation_bytes_total{direction=\"down\"} 4000", "fedloom_peers_connected 1",
        "fedloom_refused_total{reason=\"key\"} 1", "fedloom_retries_total 1", "fedloom_checkpoint_round 2",
        "fedloom_train_loss 0.5", "fedloom_accuracy{split=\"test\"} 0.75", "fedloom_loss{split=\"test\"} 1.5",
        "fedloom_reported{name=\"aggregation_error\"} 0.25"})
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  EXPECT_THAT(text, HasSubstr("experiment=\"a \\\"quoted\\\" name\\\\\""));
  metrics.on(FederationEvent{RunEnded{}});
  EXPECT_THAT(metrics.text(), HasSubstr("fedloom_running 0\n"));
}

TEST(RunMetrics, WhatHasNotHappenedIsNotThere) {
  const std::string text = RunMetrics().text();
  EXPECT_THAT(text, HasSubstr("fedloom_running 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("fedloom_accuracy")));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
}

// https://prometheus.io/docs/instrumenting/exposition_formats: a sample follows HELP and TYPE of its family.
TEST(RunMetrics, EveryLineHasItsForm) {
  RunMetrics metrics;
  tell(metrics);
  std::istringstream lines(metrics.text());
  const std::regex sample(
      R"re(([a-z_]+)(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? [-+0-9.e]+)re");
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(line == "# TYPE " + family + " counter" || line == "# TYPE " + family + " gauge") << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_EQ(match[1], family);
    }
  }
}

}  // namespace
}  // namespace fedloom::testing
