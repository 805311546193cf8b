// The places that are kept for files: with every other one taken, as strangers would, files still open.
#include "core/open_files.hpp"

#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {
namespace {

// Limits are the process's, so each test has a process of its own. 0 is well; other codes say what was not.
int in_a_child(int (*work)(const std::string& folder)) {
  const TempFolder folder;
  const pid_t child = fork();
  if (child == 0) _exit(work(folder.path()));
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void limit(rlim_t soft, rlim_t hard) {
  const rlimit both{soft, hard};
  if (setrlimit(RLIMIT_NOFILE, &both) != 0) _exit(100);
}

void take_all() {
  while (::open("/dev/null", O_RDONLY) >= 0) {
  }
}

TEST(OpenFiles, AreThereWhenStrangersHoldTheRest) {
  EXPECT_EQ(in_a_child([](const std::string& folder) {
              limit(100, 600);
              claim_open_files();
              rlimit now{};
              getrlimit(RLIMIT_NOFILE, &now);
              if (now.rlim_cur != 600 - 256) return 1;
              take_all();
              if (::open("/dev/null", O_RDONLY) >= 0 || errno != EMFILE) return 2;
              for (int i = 0; i < 200; ++i) {
                write_file_atomically(folder + "/checkpoint", "state", true);
                if (names_in(folder) != std::vector<std::string>{"checkpoint"}) return 5;
                if (read_file(folder + "/checkpoint") != "state") return 3;
              }
              getrlimit(RLIMIT_NOFILE, &now);
              return now.rlim_cur == 600 - 256 ? 0 : 4;
            }),
            0);
}

TEST(OpenFiles, AtTheHardLimitTheSystemsReasonIsGiven) {
  EXPECT_EQ(in_a_child([](const std::string&) {
              limit(50, 50);
              claim_open_files();
              while (open_file("/dev/null", O_RDONLY) >= 0) {
              }
              return errno == EMFILE && ::open("/dev/null", O_RDONLY) < 0 ? 0 : 1;
            }),
            0);
}

TEST(OpenFiles, ManyAreClaimed) {
  EXPECT_EQ(in_a_child([](const std::string&) {
              rlimit before{};
              getrlimit(RLIMIT_NOFILE, &before);
              limit(64, before.rlim_max);
              claim_open_files();
              rlimit now{};
              getrlimit(RLIMIT_NOFILE, &now);
              return now.rlim_cur == std::min<rlim_t>(16384, before.rlim_max - 256) ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace fedloom::testing
