// The model on its way to peers as patches: who is sent what, and what the server keeps for those that are
// behind.
#include <gtest/gtest.h>

#include "tests/server/fleet_world.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kModel = 1000;
constexpr std::size_t kStep = 300;  // three of these are smaller than the model, four are not

class FleetPatches : public ::testing::Test {
 protected:
  /// Version 0 is published; every call makes the next one.
  void SetUp() override { publish_whole(); }
  void step() {
    auto floats = std::make_shared<FloatBuffer>(kStep, static_cast<float>(version_));
    alive_.push_back(floats);
    const std::span<const float> values(*floats);
    Payload part{"left", {static_cast<std::int64_t>(kStep)}, Blob(std::move(floats), std::as_bytes(values))};
    world_.fleet->publish(Patch{version_, {std::move(part)}});
    ++version_;
    publish_whole();
    world_.fleet->retire(version_ - 1);
  }
  /// A task of the current version, and its end; the number of patches and of whole models that the peer has
  /// had.
  std::pair<std::size_t, std::size_t> give(ScriptedPeer& peer, ClientId client) {
    Task task = world_.task(client, static_cast<std::uint32_t>(version_ + 1), false);
    task.version = version_;
    world_.fleet->start(task);
    const std::size_t before = peer.tasks().size();
    EXPECT_TRUE(world_.wait([&] { return peer.tasks().size() > before; }));
    world_.fleet->end(task.id, Verdict::cancelled, Reason::late);
    return {peer.heard<Patch>().size(), peer.heard<Shared>().size()};
  }
  std::size_t kept() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(alive_, [](const auto& patch) { return !patch.expired(); }));
  }
  using Heard = std::pair<std::size_t, std::size_t>;

  FleetWorld world_{{}, "fedex_lora"};
  Version version_ = 0;

 private:
  void publish_whole() {
    world_.fleet->publish({version_, 0, Payload::from("model", Tensor::vector(FloatBuffer(kModel, 1.0F)))});
  }
  std::vector<std::weak_ptr<FloatBuffer>> alive_;
};

TEST_F(FleetPatches, AWorkerFollowsByPatchesFromTheModelThatItMakesItself) {
  const auto worker = world_.worker("w");
  EXPECT_EQ(give(*worker, 1), (Heard{0, 0})) << "everybody has version 0";
  step();
  EXPECT_EQ(give(*worker, 2), (Heard{1, 0}));
  EXPECT_EQ(give(*worker, 3), (Heard{1, 0})) << "it is there";
  step();
  step();
  EXPECT_EQ(give(*worker, 4), (Heard{3, 0})) << "what it missed, in order";
  const std::vector<Patch> heard = worker->heard<Patch>();
  for (Version from = 0; from < 3; ++from) EXPECT_EQ(heard[from].from, from);
}

TEST_F(FleetPatches, WhoIsFarBehindIsSentTheModelWhole) {
  for (int i = 0; i < 4; ++i) step();
  const auto late = world_.worker("late");
  EXPECT_EQ(give(*late, 1), (Heard{0, 1}));
  step();
  EXPECT_EQ(give(*late, 2), (Heard{1, 1})) << "and follows from there";
}

// Whatever peers do: a run of any length keeps no more than would be sent in the place of a whole model.
TEST_F(FleetPatches, OldPatchesAreForgotten) {
  for (int round = 0; round < 20; ++round) step();
  EXPECT_EQ(kept(), 3U);
}

}  // namespace
}  // namespace fedloom::testing
