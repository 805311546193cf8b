// What the terminal gets, with a clock and a screen made of strings.
#include "experiments/sinks/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/human_units.hpp"
#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Terminal {
  explicit Terminal(ProgressOptions options)
      : progress(
            std::move(options), [this](std::string_view bytes) { writes.emplace_back(bytes); },
            [this] { return now; }) {}

  /// Each event a tenth of `round_seconds / 7` or so later than the last.
  void play(const FakeFederation& fake, std::uint64_t first, std::uint64_t last, double event_seconds) {
    for (std::uint64_t w = first; w <= last; ++w)
      fake.tell_round(w, [&](const FederationEvent& event) {
        now += event_seconds;
        progress.on(event);
      });
  }
  std::string all() const {
    std::string text;
    for (const std::string& write : writes) text += write;
    return text;
  }

  double now = 100.0;
  std::vector<std::string> writes;
  ProgressSink progress;
};

ProgressOptions live(int columns) {
  ProgressOptions options;
  options.rounds = 10;
  options.live = true;
  options.width = [columns] { return columns; };
  return options;
}

TEST(HumanUnits, ThreeDigits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "1.00 kB");
  EXPECT_EQ(bytes_text(12'400'000), "12.4 MB");
  EXPECT_EQ(bytes_text(99'960'000), "100 MB");
  EXPECT_EQ(bytes_text(999'600'000), "1.00 GB");
  EXPECT_EQ(duration_text(0.42), "0.4 s");
  EXPECT_EQ(duration_text(59.96), "1m 00s");
  EXPECT_EQ(duration_text(83), "1m 23s");
  EXPECT_EQ(duration_text(2 * 3600 + 5 * 60), "2h 05m");
  EXPECT_EQ(duration_text(3 * 86400 + 4 * 3600), "3d 04h");
  EXPECT_EQ(duration_text(-1), "0.0 s");
  EXPECT_EQ(duration_text(std::nan("")), "?");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(rate_text(0.546), "0.55");
  EXPECT_EQ(rate_text(4.84), "4.8");
  EXPECT_EQ(rate_text(1239.6), "1,240");
  EXPECT_EQ(percent_text(0.97314), "97.31%");
  EXPECT_EQ(columns_of("\u2191a\u2588"), 3U);
}

TEST(Progress, LiveLineIsRedrawnInPlaceAtMostTenTimesASecond) {
  Terminal terminal(live(120));
  terminal.play({}, 1, 8, 0.001);  // 60 events in 60 ms
  EXPECT_EQ(terminal.writes.size(), 1U);
  terminal.play({}, 9, 10, 0.2);
  EXPECT_EQ(terminal.writes.size(), 1U + 15U);  // rounds 9 and 10 have 7 and 8 events
  for (const std::string& write : terminal.writes) {
    EXPECT_THAT(write, StartsWith("\r"));
    EXPECT_THAT(write, EndsWith("\x1b[K"));
    EXPECT_THAT(write, Not(HasSubstr("\n")));
  }
  const std::string& last = terminal.writes.back();
  EXPECT_THAT(last, HasSubstr("round 10/10"));
  EXPECT_THAT(last, HasSubstr("acc 65.13%"));  // 1 - 0.9^10
  EXPECT_THAT(last, HasSubstr("loss 0.6974"));
  EXPECT_THAT(last, HasSubstr("clients/s"));
  EXPECT_THAT(last, HasSubstr("up 1.70 down 2.00 kB"));  // three of twenty tasks were lost
  EXPECT_THAT(last, HasSubstr("[####"));
  EXPECT_THAT(last, HasSubstr("eta 0.0 s"));
}

TEST(Progress, TheLineFitsEveryWidth) {
  for (const bool unicode : {false, true}) {
    for (int columns = 1; columns <= 160; ++columns) {
      ProgressOptions options = live(columns);
      options.unicode = unicode;
      options.target_accuracy = 0.97;
      Terminal terminal(options);
      terminal.play({}, 1, 4, 0.3);
      const std::string& last = terminal.writes.back();
      const std::string text = last.substr(1, last.size() - 4);  // without \r and \x1b[K
      EXPECT_LE(columns_of(text), std::max<std::size_t>(1, static_cast<std::size_t>(columns) - 1)) << text;
      EXPECT_THAT(
          text, StartsWith(
                    std::string("round 4/10").substr(0, static_cast<std::size_t>(std::max(1, columns - 1)))));
      if (columns >= 80) {
        EXPECT_THAT(text, HasSubstr("acc 34.39%"));
        EXPECT_THAT(text, HasSubstr("loss 1.3122"));
        EXPECT_THAT(text, HasSubstr("/s"));
        EXPECT_THAT(text, HasSubstr("eta"));
        EXPECT_THAT(text, HasSubstr("700"));
      }
    }
  }
}

TEST(Progress, EtaAndRateFollowTheClock) {
  Terminal terminal(live(120));
  FakeFederation fake{.rounds = 10};
  terminal.play(fake, 1, 5, 1.0);  // rounds of 7, 8, 7, 9, 7 seconds; rounds 3 lost one of ten trainings
  // 38 s for 5 of 10 rounds: 38 s are left.
  EXPECT_THAT(terminal.writes.back(), HasSubstr("eta 38.0 s"));
  terminal.now += 38.0;
  terminal.progress.refresh();
  EXPECT_THAT(terminal.writes.back(), HasSubstr("eta 1m 16s"));  // a stalled round shows
}

TEST(Progress, RestoredRoundsAreShownButCostNoTime) {
  Terminal terminal(live(120));
  const FakeFederation fake{.rounds = 10};
  for (std::uint64_t w = 1; w <= 6; ++w)
    fake.tell_round(w, [&](const FederationEvent& event) { terminal.progress.restore(event); });
  EXPECT_TRUE(terminal.writes.empty());
  terminal.play(fake, 7, 8, 1.0);  // 7 + 9 seconds for 2 rounds; 2 are left
  EXPECT_THAT(terminal.writes.back(), HasSubstr("round 8/10"));
  EXPECT_THAT(terminal.writes.back(), HasSubstr("eta 16.0 s"));
  EXPECT_THAT(terminal.writes.back(), HasSubstr("up 1.40 down 1.60 kB"));
}

TEST(Progress, NoticesGoAboveTheLiveLine) {
  Terminal terminal(live(80));
  terminal.play({}, 1, 1, 1.0);
  terminal.progress.on(MachineEvent(PeerChanged{2, "worker 2", false, "signal 9"}));
  ASSERT_GE(terminal.writes.size(), 2U);
  EXPECT_EQ(terminal.writes[terminal.writes.size() - 2], "\r\x1b[Kworker 2 left: signal 9\n");
  EXPECT_THAT(terminal.writes.back(), StartsWith("\rround 1/10"));
}

TEST(Progress, PlainLinesHaveNoControlCharacters) {
  ProgressOptions options;
  options.rounds = 4;
  options.target_accuracy = 0.2;
  options.folder = "runs/x";
  Terminal terminal(options);
  const FakeFederation fake{.rounds = 4};
  terminal.play(fake, 1, 4, 0.1);
  fake.tell_end([&](const FederationEvent& event) { terminal.progress.on(event); });
  terminal.progress.wrote_report("runs/x/report.html");
  terminal.progress.finish();
  const std::string text = terminal.all();
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
  ASSERT_EQ(terminal.writes.size(), 5U);  // a line per evaluated round and the closing block
  EXPECT_THAT(terminal.writes[0], StartsWith("round 1/4  acc 10.00%  of 20.00%  loss 1.8000"));
  EXPECT_THAT(terminal.writes[3], StartsWith("round 4/4  acc 34.39%"));
  EXPECT_EQ(terminal.writes[4],
            "done: 4 rounds in 3.1 s, target 20.00% reached in round 3\n"
            "  accuracy  34.39% test\n"
            "  loss      1.3122\n"
            "  clients   7 trainings, 2.3/s; 7 accepted, 1 not\n"
            "  traffic   700 B up, 800 B down\n"
            "  folder    runs/x\n"
            "  report    runs/x/report.html\n");
}

TEST(Progress, PlainLinesKeepComingWithoutEvaluations) {
  ProgressOptions options;
  Terminal terminal(options);
  for (std::uint64_t w = 1; w <= 12; ++w) {
    terminal.now += 1.0;
    terminal.progress.on(WindowOpened{w, 0, w - 1});
    terminal.progress.on(WindowClosed{w, 0, w, 1, 0, 0, 0, 0, 5, 5, 0.0, {}});
  }
  EXPECT_EQ(terminal.writes.size(), 2U);  // every five seconds or so
  EXPECT_THAT(terminal.writes[0], StartsWith("round 4  up 20 down 20 B"));
}

TEST(Progress, TheUntrainedModelHasALine) {
  ProgressOptions options;
  options.rounds = 3;
  Terminal terminal(options);
  terminal.now += 1.0;
  terminal.progress.on(Evaluated{0, 0, 0, "test", 2.3, 0.1, 10});
  terminal.progress.on(WindowOpened{1, 0, 0});
  ASSERT_EQ(terminal.writes.size(), 1U);
  EXPECT_EQ(terminal.writes[0], "round 0/3  acc 10.00%  loss 2.3000  up 0 down 0 B  1.0 s elapsed\n");
}

TEST(Progress, AnInterruptedRunSaysHowToGoOn) {
  ProgressOptions options;
  Terminal terminal(options);
  terminal.play({}, 1, 2, 0.1);
  terminal.progress.finish();
  EXPECT_THAT(terminal.all(),
              HasSubstr("stopped after 2 rounds (1.5 s); --resume goes on from the last checkpoint"));
}

TEST(Progress, QuietSaysNothing) {
  for (const bool is_live : {false, true}) {
    ProgressOptions options;
    options.quiet = true;
    options.live = is_live;
    Terminal terminal(options);
    const FakeFederation fake;
    terminal.play(fake, 1, 8, 1.0);
    terminal.progress.on(MachineEvent(Note{"hello"}));
    terminal.progress.refresh();
    terminal.progress.finish();
    EXPECT_TRUE(terminal.writes.empty());
  }
}

TEST(Progress, ColourOnlyWhenAsked) {
  for (const bool color : {false, true}) {
    ProgressOptions options = live(120);
    options.color = color;
    Terminal terminal(options);
    terminal.play({}, 1, 3, 1.0);
    EXPECT_EQ(terminal.writes.back().find("\x1b[1m") != std::string::npos, color);
  }
}

TEST(Progress, SimulatedTimeIsShownAndDrivesTheEtaWhereItEndsTheRun) {
  ProgressOptions options;
  options.duration = 40.0;
  Terminal terminal(options);
  ProgressSink& sink = terminal.progress;
  sink.on(FederationEvent{RunStarted{"x", "fedavg", "fedfix", "softmax", "synthetic", 1, 2, 3, 4, 1e9}});
  sink.on(FederationEvent{WindowOpened{1, 0, 0}});
  WindowClosed closed;
  closed.window = 1;
  closed.tick = 10'000'000'000;
  sink.on(FederationEvent{closed});
  sink.on(FederationEvent{WindowOpened{2, 10'000'000'000, 1}});
  sink.on(FederationEvent{Evaluated{1, 10'000'000'000, 1, "test", 2.0, 0.5, 10}});
  terminal.now += 10.0;
  sink.on(FederationEvent{WindowOpened{3, 20'000'000'000, 1}});
  // 10 of 40 s of the federation after 10 s of ours: three times as long is left.
  EXPECT_THAT(terminal.writes.back(), HasSubstr("at 10.0 s of 40.0 s"));
  EXPECT_THAT(terminal.writes.back(), HasSubstr("eta 30.0 s"));
  sink.on(FederationEvent{RunEnded{40'000'000'000, 2, "duration", "hash"}});
  sink.finish();
  EXPECT_THAT(terminal.writes.back(), HasSubstr("(40.0 s simulated)"));
}

}  // namespace
}  // namespace fedloom
