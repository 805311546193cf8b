// Whole files: what is written is read back, an old file survives a failed write, and nothing is left beside
// it.
#include "core/file.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <csignal>

#include "core/error.hpp"

namespace fedloom {
namespace {

using ::testing::HasSubstr;

class File : public ::testing::Test {
 public:
  File() {
    std::string name = (std::filesystem::temp_directory_path() / "fedloom-file-XXXXXX").string();
    FEDLOOM_CHECK(mkdtemp(name.data()) != nullptr, "no temporary folder {}", name);
    folder_ = name;
  }
  ~File() override { std::filesystem::remove_all(folder_); }

 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
  }

  std::filesystem::path folder_;
};

template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(File, ReadsBackEveryByte) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 31);
  for (const bool sync : {false, true}) {
    write_file_atomically(path("a"), bytes, sync);
    EXPECT_EQ(read_file(path("a")), bytes);
  }
  EXPECT_EQ(files(), 1U) << "no temporary file is left";
}

TEST_F(File, AnEmptyFileIsAFile) {
  write_file_atomically(path("empty"), "", true);
  EXPECT_EQ(read_file(path("empty")), "");
}

TEST_F(File, ReplacesAnOlderFileWhole) {
  write_file_atomically(path("a"), "a long first version", false);
  write_file_atomically(path("a"), "short", false);
  EXPECT_EQ(read_file(path("a")), "short");
}

TEST_F(File, ErrorsNameTheFileAndTheReason) {
  EXPECT_THAT(error_of([&] { read_file(path("absent")); }),
              HasSubstr("absent: cannot be opened: No such file"));
  EXPECT_THAT(error_of([&] { read_file(folder_.string()); }), HasSubstr("is a folder, not a file"));
  EXPECT_THAT(error_of([&] { write_file_atomically(path("no/such/folder/a"), "x", false); }),
              HasSubstr("cannot be written: No such file or directory"));
  EXPECT_THAT(error_of([&] { write_file_atomically(folder_.string(), "x", false); }),
              HasSubstr("cannot be written"));
}

// A disk that fills up, by the limit on file sizes: the write fails halfway.
TEST_F(File, AFailedWriteLeavesTheOldFileAndNothingElse) {
  write_file_atomically(path("a"), "old", false);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1000, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string error =
      error_of([&] { write_file_atomically(path("a"), std::string(5000, 'x'), false); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(error, HasSubstr("cannot be written: File too large; free space"));
  EXPECT_EQ(read_file(path("a")), "old");
  EXPECT_EQ(files(), 1U);
}

}  // namespace
}  // namespace fedloom
