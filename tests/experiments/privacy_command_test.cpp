// `fedloom privacy` as it is typed: what it prints and what it refuses. The numbers are those of the
// accountants' own tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "experiments/cli/commands.hpp"

namespace fedloom {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

std::string say(const std::string& arguments) {
  CLI::App app;
  Action action;
  add_privacy_command(app, action);
  app.parse("privacy " + arguments);
  ::testing::internal::CaptureStdout();
  int code = -1;
  try {
    code = action();
  } catch (...) {
    ::testing::internal::GetCapturedStdout();
    throw;
  }
  EXPECT_EQ(code, 0);
  return ::testing::internal::GetCapturedStdout();
}

// 2.101365271 rounded up; the tight one lies in [1.838372 - 0.0005, 1.838372].
TEST(PrivacyCommand, TellsTheEpsilonOfNoise) {
  EXPECT_THAT(say("--noise 1.0 --rate 0.01 --steps 1000 --delta 1e-5"),
              AllOf(HasSubstr("1000 steps"), HasSubstr("rate 0.01; noise multiplier 1, delta 1e-05"),
                    HasSubstr("epsilon 2.10137     rdp"), HasSubstr("order 7.8"), HasSubstr("epsilon 1.83"),
                    HasSubstr("prv"), Not(HasSubstr("note"))));
}

// 200 of 22449 examples, 10000 steps: 1.51354 (rdp) and at most 1.43311 (prv) for epsilon 3.
TEST(PrivacyCommand, TellsTheNoiseForAnEpsilon) {
  EXPECT_THAT(say("--epsilon 3 --examples 22449 --batch 200 --steps 10000 --delta 1e-5"),
              AllOf(HasSubstr("rate 0.00890908; epsilon 3, delta"), HasSubstr("noise multiplier 1.5135"),
                    HasSubstr("noise multiplier 1.43"), HasSubstr("order 7.4"), Not(HasSubstr("note"))));
}

TEST(PrivacyCommand, KnowsTheLimits) {
  EXPECT_THAT(say("--noise 0 --rate 0.01 --steps 1 --delta 1e-5"),
              AllOf(HasSubstr("epsilon inf         prv"), HasSubstr("epsilon inf         rdp"),
                    Not(HasSubstr("order"))));
  EXPECT_THAT(say("--noise 1 --rate 0.01 --steps 0 --delta 1e-5"), HasSubstr("epsilon 0           rdp"));
  EXPECT_THAT(say("--epsilon 1 --rate 0 --steps 5 --delta 1e-5"),
              HasSubstr("noise multiplier 0           rdp"));
}

TEST(PrivacyCommand, NotesADeltaThatPermitsPublishing) {
  EXPECT_THAT(say("--noise 1 --examples 1000 --batch 10 --steps 10 --delta 1e-3"),
              HasSubstr("note: delta 0.001 is not below 1 / 1000"));
}

TEST(PrivacyCommand, RefusesWhatCannotBeAnswered) {
  const auto refuses = [](const std::string& arguments, const char* text) {
    EXPECT_THAT([&] { say(arguments + " --steps 10 --delta 1e-5"); },
                ThrowsMessage<UserError>(HasSubstr(text)))
        << arguments;
  };
  refuses("--rate 0.1", "either --noise, to learn its epsilon, or --epsilon");
  refuses("--rate 0.1 --noise 1 --epsilon 1", "either --noise, to learn its epsilon, or --epsilon");
  refuses("--noise 1", "either --rate or both --examples and --batch");
  refuses("--noise 1 --rate 0.1 --batch 4", "either --rate or both --examples and --batch");
  refuses("--noise 1 --examples 100", "--batch is missing");
  refuses("--noise 1 --batch 10", "--examples is missing");
  refuses("--noise 1 --examples 100 --batch 101", "--batch 101 of --examples 100");
  refuses("--noise 1 --examples 0 --batch 0", "--examples 0");
  refuses("--noise -1 --rate 0.1", "noise multiplier of -1");
  refuses("--noise 1 --rate 2", "sample rate of 2");
  refuses("--epsilon 0 --rate 0.1", "epsilon of 0");
  EXPECT_THAT([] { say("--noise 1 --rate 0.1 --steps -1 --delta 1e-5"); },
              ThrowsMessage<UserError>(HasSubstr("-1 steps")));
  EXPECT_THAT([] { say("--noise 1 --rate 0.1 --steps 1 --delta 1"); },
              ThrowsMessage<UserError>(HasSubstr("delta of 1")));
  EXPECT_THROW(say("--noise 1 --rate 0.1 --steps 10"), CLI::RequiredError);
  EXPECT_THROW(say("--noise much --rate 0.1 --steps 10 --delta 1e-5"), CLI::ConversionError);
}

}  // namespace
}  // namespace fedloom
