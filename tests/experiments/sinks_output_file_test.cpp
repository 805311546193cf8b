// Whole records or none: what OutputFile promises about full disks, killed writers and resumed files.
#include "experiments/sinks/output_file.hpp"

#include <sys/resource.h>

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

using testing::HasSubstr;

// Files of this process may not grow beyond `bytes` while this lives: a disk that is full in mid-record.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*old_handler_)(int);
  rlimit old_{};
};

TEST(OutputFile, BuffersUntilFlushAndCountsTheBuffer) {
  const TempFolder folder;
  OutputFile file = OutputFile::create(folder / "log");
  file.append("one\n");
  EXPECT_EQ(file.offset(), 4U);
  EXPECT_EQ(read_file(folder / "log"), "");
  file.flush();
  EXPECT_EQ(read_file(folder / "log"), "one\n");
}

TEST(OutputFile, AFullDiskLeavesWholeRecordsAndTheRestCanBeWrittenLater) {
  const TempFolder folder;
  OutputFile file = OutputFile::create(folder / "log");
  file.append("first\n");
  file.flush();
  file.append("second\n");
  file.append("third\n");
  {
    const FileSizeLimit full(10);  // room for half of "second\n"
    const std::string error = user_error_of([&] { file.flush(); });
    EXPECT_THAT(error, HasSubstr("log"));
    EXPECT_THAT(error, HasSubstr("whole up to byte 6"));
    EXPECT_EQ(read_file(folder / "log"), "first\n");
    EXPECT_EQ(file.offset(), 19U);
  }
  file.sync();
  EXPECT_EQ(read_file(folder / "log"), "first\nsecond\nthird\n");
}

TEST(OutputFile, NoSpaceOnTheDeviceIsAUserError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  OutputFile file = OutputFile::create("/dev/full");
  file.append("x\n");
  EXPECT_THAT(user_error_of([&] { file.flush(); }), HasSubstr("No space left"));
  testing::internal::CaptureStderr();
  { const OutputFile closing = std::move(file); }
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("/dev/full"));  // a lost record is never silent
}

TEST(OutputFile, ResumeCutsBackAndGoesOn) {
  const TempFolder folder;
  write_text(folder / "log", "one\ntwo\nthr");
  {
    OutputFile file = OutputFile::resume(folder / "log", 4);
    EXPECT_EQ(file.offset(), 4U);
    file.append("TWO\n");
  }
  EXPECT_EQ(read_file(folder / "log"), "one\nTWO\n");
}

TEST(OutputFile, ResumeRefusesWhatIsNotTheSameFile) {
  const TempFolder folder;
  write_text(folder / "log", "one\ntwo\n");
  EXPECT_THAT(user_error_of([&] { OutputFile::resume(folder / "log", 9); }),
              HasSubstr("has 8 bytes but the checkpoint was written when it had 9"));
  EXPECT_THAT(user_error_of([&] { OutputFile::resume(folder / "log", 5); }),
              HasSubstr("byte 5 is not the end"));
  EXPECT_THAT(user_error_of([&] { OutputFile::resume(folder / "none", 0); }), HasSubstr("none"));
  EXPECT_EQ(read_file(folder / "log"), "one\ntwo\n");  // a refusal changes nothing
}

TEST(OutputFile, ExtendDropsALineThatAKilledWriterLeft) {
  const TempFolder folder;
  write_text(folder / "log", "one\ntwo\nthr");
  {
    OutputFile file = OutputFile::extend(folder / "log");
    file.append("three\n");
  }
  EXPECT_EQ(read_file(folder / "log"), "one\ntwo\nthree\n");
  write_text(folder / "long", std::string(200'000, 'x'));  // no newline anywhere, longer than a block
  EXPECT_EQ(OutputFile::extend(folder / "long").offset(), 0U);
  EXPECT_EQ(OutputFile::extend(folder / "new").offset(), 0U);
}

TEST(WriteFileAtomically, AFullDiskLeavesTheOldFileAlone) {
  const TempFolder folder;
  write_file_atomically(folder / "summary", "old", true);
  write_file_atomically(folder / "summary", "new", true);
  EXPECT_EQ(read_file(folder / "summary"), "new");
  {
    const FileSizeLimit full(2);
    EXPECT_THAT(user_error_of([&] { write_file_atomically(folder / "summary", "newer", true); }),
                HasSubstr("summary"));
  }
  EXPECT_EQ(read_file(folder / "summary"), "new");
  const std::filesystem::directory_iterator entries(folder.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);  // no litter
}

}  // namespace
}  // namespace fedloom
