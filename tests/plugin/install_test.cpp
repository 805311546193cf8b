// A project elsewhere: fedloom is installed into an empty folder, and the documented CMakeLists.txt and
// source find it there, build the plug-in and run it with the installed program.
#include "tests/plugin/signum_job.hpp"
#include "tests/support/paths.hpp"

namespace fedloom {
namespace {

using Installed = SignumJob;

TEST_F(Installed, TreeBuildsADocumentedPluginThatRuns) {
  const auto done = [&](const std::vector<std::string>& words) {
    const ProgramResult result = run_program(words, folder_.string(), 300);
    return result.ok() ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << result.output;
  };
  ASSERT_TRUE(done({FEDLOOM_CMAKE, "--install", FEDLOOM_BINARY_DIR, "--prefix", path("usr")}));
  for (const char* file : {"CMakeLists.txt", "signum.cpp"})
    std::filesystem::copy_file(std::string(FEDLOOM_DOCUMENTED_DIR "/") + file, path(file));
  ASSERT_TRUE(done({FEDLOOM_CMAKE, "-S", ".", "-B", "build", "-DCMAKE_PREFIX_PATH=" + path("usr"),
                    "-DCMAKE_CXX_COMPILER=" FEDLOOM_CXX, "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"}));
  ASSERT_TRUE(done({FEDLOOM_CMAKE, "--build", "build"}));

  write_experiment("build/signum.so");
  const std::string hash = model_hash(path("usr/bin/fedloom"));
  write_experiment(FEDLOOM_SIGNUM);
  EXPECT_EQ(hash, model_hash(FEDLOOM_PROGRAM));
}

}  // namespace
}  // namespace fedloom
