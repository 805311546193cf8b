// Checkpoint files: everything comes back, anything damaged is refused, a disk that fills up leaves the older
// file, and the folder keeps what it is told to.
#include "server/checkpoint.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.hpp"
#include "core/random.hpp"
#include "tests/transport/channel_world.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {
namespace {

std::shared_ptr<const Layout> layout_of(std::int64_t size) {
  Layout::Builder builder;
  builder.add("w", {size});
  builder.add("b", {2});
  return builder.build();
}

Checkpoint sample(std::int64_t size = 5, WindowId windows = 7) {
  Random random(1, Stream::noise);
  Checkpoint checkpoint;
  checkpoint.experiment = 0x1234567890abcdefU;
  checkpoint.events_offset = 99;
  checkpoint.wall_seconds = 1.5;
  FederationState& state = checkpoint.state;
  state.windows = windows;
  state.now = 41;
  state.totals.tasks = 70;
  state.totals.best_accuracy = 0.75;
  state.totals.windows_to_target = -1;
  state.records[3] = {4, 2, 6, true, 40, 7, {{12, 5}, {13, 5}}};
  state.records[1'000'000'000'000U] = {1, 0, ClientRecord::kNoModel, false, 0, 0, {}};
  state.superseded = {{3, 1}, {4, 9}};
  state.server.version = 6;
  state.server.model = ParameterVector(layout_of(size));
  for (float& value : state.server.model.values()) value = static_cast<float>(random.normal());
  state.server.slots["momentum"] = Tensor{{2, 3}, FloatBuffer{1, 2, 3, 4, 5, 6}};
  state.server.slots["m/v"] = Tensor::scalar(-0.0F);
  state.server.scalars["clients"] = 100;
  state.next_evaluation = 50;
  LiveTask live;
  live.task.id = {3, 4};
  live.task.version = 4;
  live.task.shared = {"model"};
  live.task.recipe.learning_rate = 0.25;
  live.task.extras = {Payload::from("mask", Tensor::vector(FloatBuffer{7, 8, 9}))};
  live.started = 38;
  live.work = {{3, 4}, 100, 2000, 3000};
  live.examples = 11;
  live.straggler = true;
  state.live[live.task.id] = live;
  state.versions[4] = {{Payload::from("model", Tensor::vector(FloatBuffer{1, 2, 3, 4, 5, 6, 7}))}, 1};
  state.versions[6] = {{Payload::from("model", Tensor::vector(FloatBuffer{0, 0}))},
                       0};  // the current one: not kept
  return checkpoint;
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Checkpoint, EverythingComesBack) {
  const Checkpoint written = sample();
  const std::string bytes = checkpoint_to_bytes(written);
  const Checkpoint read = checkpoint_from_bytes(bytes, layout_of(5), "file");
  EXPECT_EQ(read.experiment, written.experiment);
  EXPECT_EQ(read.events_offset, 99U);
  EXPECT_EQ(read.wall_seconds, 1.5);
  EXPECT_EQ(read.state.windows, 7U);
  EXPECT_EQ(read.state.now, 41);
  EXPECT_FALSE(read.state.ended);
  EXPECT_EQ(read.state.totals.tasks, 70U);
  EXPECT_EQ(read.state.totals.windows_to_target, -1);
  ASSERT_EQ(read.state.records.size(), 2U);
  EXPECT_EQ(read.state.records.at(3).kept_version, 2U);
  EXPECT_EQ(read.state.records.at(1'000'000'000'000U).held_model, ClientRecord::kNoModel);
  EXPECT_EQ(read.state.superseded, written.state.superseded);
  EXPECT_EQ(read.state.server.slots, written.state.server.slots);
  EXPECT_EQ(read.state.server.scalars, written.state.server.scalars);
  EXPECT_EQ(read.state.next_evaluation, 50);
  EXPECT_EQ(read.state.records.at(3).observed, written.state.records.at(3).observed);
  ASSERT_EQ(read.state.live.size(), 1U);
  const LiveTask& live = read.state.live.at({3, 4});
  EXPECT_EQ(encode(live.task).head, encode(written.state.live.at({3, 4}).task).head);
  EXPECT_EQ(live.task.extras.at(0).to_tensor(), Tensor::vector(FloatBuffer{7, 8, 9}));
  EXPECT_EQ(live.started, 38);
  EXPECT_EQ(live.work.task, (TaskId{3, 4}));
  EXPECT_EQ(live.work.examples, 100U);
  EXPECT_EQ(live.work.bytes_down, 2000U);
  EXPECT_EQ(live.work.bytes_up, 3000U);
  EXPECT_EQ(live.examples, 11U);
  EXPECT_TRUE(live.straggler);
  ASSERT_EQ(read.state.versions.size(), 1U);
  EXPECT_EQ(read.state.versions.at(4).uses, 1U);
  EXPECT_EQ(read.state.versions.at(4).shared.at(0).values()[6], 7.0F);
  EXPECT_TRUE(std::ranges::equal(read.state.server.model.values(), written.state.server.model.values()));
  EXPECT_EQ(checkpoint_to_bytes(read), bytes);
}

TEST(Checkpoint, EveryFlippedBitAndEveryTruncationIsRefused) {
  const std::string bytes = checkpoint_to_bytes(sample());
  const auto layout = layout_of(5);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    EXPECT_THROW(checkpoint_from_bytes(damaged, layout, "file"), UserError) << "byte " << i;
    EXPECT_THROW(checkpoint_from_bytes(bytes.substr(0, i), layout, "file"), UserError) << "cut at " << i;
  }
  EXPECT_THROW(checkpoint_from_bytes(bytes + "x", layout, "file"), UserError);
}

TEST(Checkpoint, AnotherLayoutIsRefusedNamingBoth) {
  const std::string bytes = checkpoint_to_bytes(sample(5));
  const std::string text = message_of([&] { checkpoint_from_bytes(bytes, layout_of(6), "run/a.flc"); });
  EXPECT_NE(text.find("run/a.flc"), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("{:016x}", layout_of(5)->fingerprint())), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("{:016x}", layout_of(6)->fingerprint())), std::string::npos) << text;
}

TEST(CheckpointFolder, IsEmptyAtFirst) {
  const TemporaryFolder folder;
  EXPECT_FALSE(CheckpointFolder(folder.file("new/deep"), 2).newest(layout_of(5)).has_value());
}

TEST(CheckpointFolder, RefusesAPlaceThatIsAFile) {
  const TemporaryFolder folder;
  write_file_atomically(folder.file("plain"), "x", false);
  EXPECT_THROW(CheckpointFolder(folder.file("plain"), 2), UserError);
}

std::size_t count_of(const std::string& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

TEST(CheckpointFolder, KeepsTheNewest) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.file("c"), 3);
  for (WindowId window : {8U, 9U, 10U, 11U, 100U}) checkpoints.write(sample(5, window));
  EXPECT_EQ(count_of(folder.file("c")), 3U);
  const auto loaded = checkpoints.newest(layout_of(5));
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->checkpoint.state.windows, 100U);
  EXPECT_TRUE(loaded->skipped.empty());
}

void damage(const std::string& file) {
  std::string bytes = read_file(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file_atomically(file, bytes, false);
}

TEST(CheckpointFolder, SkipsDamagedFilesAndSaysSo) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.file("c"), 3);
  checkpoints.write(sample(5, 1));
  damage(checkpoints.write(sample(5, 2)).file);
  const auto loaded = checkpoints.newest(layout_of(5));
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->checkpoint.state.windows, 1U);
  EXPECT_EQ(loaded->skipped.size(), 1U);
}

TEST(CheckpointFolder, WhenAllAreDamagedItRefuses) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.file("c"), 3);
  damage(checkpoints.write(sample(5, 1)).file);
  EXPECT_THROW(checkpoints.newest(layout_of(5)), UserError);
}

// A run resumed from window 1, because the file of window 9 is damaged, writes window 2: with one file to
// keep, it is the new one that stays.
TEST(CheckpointFolder, ADamagedLaterFileDoesNotPushOutTheNewOne) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.file("c"), 1);
  damage(checkpoints.write(sample(5, 9)).file);
  checkpoints.write(sample(5, 2));
  const auto loaded = checkpoints.newest(layout_of(5));
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->checkpoint.state.windows, 2U);
}

TEST(CheckpointFolder, DoesNotHideAnotherExperimentsFile) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.file("c"), 3);
  checkpoints.write(sample(5, 1));
  checkpoints.write(sample(6, 2));
  EXPECT_THROW(checkpoints.newest(layout_of(5)), UserError);
}

// A process of its own may write files of at most `limit` bytes, as on a disk with so much room. Returns what
// it exits with: 0 written, 2 refused with a UserError.
int write_with_room_for(rlim_t limit, const std::string& folder, const Checkpoint& checkpoint) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);  // then write() says EFBIG instead
    const rlimit room{limit, limit};
    setrlimit(RLIMIT_FSIZE, &room);
    int code = 0;
    try {
      CheckpointFolder(folder, 2).write(checkpoint);
    } catch (const UserError&) {
      code = 2;
    }
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(CheckpointFolder, AFullDiskLeavesTheOldCheckpoint) {
  const TemporaryFolder folder;
  const std::string place = folder.file("c");
  CheckpointFolder checkpoints(place, 2);
  checkpoints.write(sample(5, 1));
  const std::size_t size = checkpoint_to_bytes(sample(1000, 1)).size();
  for (const std::size_t room : {std::size_t{0}, std::size_t{1}, size / 2, size - 1}) {
    EXPECT_EQ(write_with_room_for(room, place, sample(1000, 2)), 2) << room;
    EXPECT_EQ(count_of(place), 1U) << "a partial file was left behind";
    EXPECT_EQ(checkpoints.newest(layout_of(5))->checkpoint.state.windows, 1U);
  }
  // The same window again, smaller than the room: an old file of that name is replaced whole.
  EXPECT_EQ(write_with_room_for(size / 2, place, sample(1000, 1)), 2);
  EXPECT_EQ(checkpoints.newest(layout_of(5))->checkpoint.state.windows, 1U);
  EXPECT_EQ(write_with_room_for(size, place, sample(1000, 1)), 0);
  EXPECT_EQ(checkpoints.newest(layout_of(1000))->checkpoint.state.windows, 1U);
}

}  // namespace
}  // namespace fedloom::testing
