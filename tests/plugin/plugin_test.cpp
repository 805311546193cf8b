// A strategy as a plug-in gives the very model that it gives built in, in one process and in several; a
// shared object that is of another version, or no plug-in, is refused before it runs.
#include <gmock/gmock.h>

#include "core/version.hpp"
#include "tests/plugin/signum_job.hpp"

namespace fedloom {
namespace {

using ::testing::HasSubstr;

using Plugin = SignumJob;

TEST_F(Plugin, GivesTheSameModelAsBuiltIn) {
  write_experiment("");
  const std::string built_in = model_hash(FEDLOOM_WITH_SIGNUM, {"--transport", "inproc", "--workers", "1"});
  ASSERT_EQ(built_in.size(), 64U);
  write_experiment(FEDLOOM_SIGNUM);
  EXPECT_EQ(model_hash(FEDLOOM_PROGRAM, {"--transport", "inproc", "--workers", "1"}), built_in);
  EXPECT_EQ(model_hash(FEDLOOM_PROGRAM, {"--workers", "2"}), built_in)
      << "workers load the plug-in themselves";
  EXPECT_NE(model_hash(FEDLOOM_PROGRAM, {"--set", "strategy.beta=0"}), built_in)
      << "its settings have an effect";
}

TEST_F(Plugin, IsFoundBesideItsExperimentFile) {
  std::filesystem::copy_file(FEDLOOM_SIGNUM, path("signum.so"));
  write_experiment("./signum.so");
  EXPECT_EQ(model_hash(FEDLOOM_PROGRAM).size(), 64U);
}

TEST_F(Plugin, WithoutItTheStrategyIsUnknown) {
  write_experiment("");
  const ProgramResult result = run(FEDLOOM_PROGRAM);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output, HasSubstr("no strategy is called 'signum'"));
}

TEST_F(Plugin, OfAnotherVersionIsRefusedWithBothValues) {
  const std::string marker = "fedloom-plugin-built-against:";
  std::string bytes = read_file(FEDLOOM_SIGNUM);
  const std::size_t version = bytes.find(marker) + marker.size();
  ASSERT_EQ(bytes.substr(version, std::string_view(kAbi).size()), kAbi);
  bytes[version] = '9';
  write_file_atomically(path("old.so"), bytes, false);
  write_experiment("./old.so");
  const ProgramResult result = run(FEDLOOM_PROGRAM);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output, HasSubstr(fmt::format("old.so: was built against fedloom '9{}', this is '{}'",
                                                   std::string_view(kAbi).substr(1), kAbi)));
}

TEST_F(Plugin, ASharedObjectOfSomethingElseIsRefused) {
  write_experiment(FEDLOOM_NOT_A_PLUGIN);
  const ProgramResult result = run(FEDLOOM_PROGRAM);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output, HasSubstr("is not a fedloom plug-in; build it with fedloom_add_plugin()"));
}

TEST_F(Plugin, AMissingOrCutFileIsRefused) {
  write_experiment("./absent.so");
  EXPECT_EQ(run(FEDLOOM_PROGRAM).exit_code, 2);
  // The marker is there, but what the loader needs is not.
  write_file_atomically(path("cut.so"), fmt::format("fedloom-plugin-built-against:{}{}", kAbi, '\0'), false);
  write_experiment("./cut.so");
  const ProgramResult result = run(FEDLOOM_PROGRAM);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output, HasSubstr("cut.so: cannot be loaded"));
}

TEST(DocumentedStrategy, FitsOnOnePage) {
  const std::string source = read_file(FEDLOOM_DOCUMENTED_DIR "/signum.cpp");
  EXPECT_LE(std::count(source.begin(), source.end(), '\n'), 60);
}

}  // namespace
}  // namespace fedloom
