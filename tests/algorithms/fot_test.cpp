// FOT and GPM through both real halves on small models: what is protected stays, to float rounding; sketches
// tell the space that inputs lie in; bytes are as the formula says.
#include <cmath>

#include <gtest/gtest.h>

#include "algorithms/continual/basis.hpp"
#include "algorithms/continual/sketch.hpp"
#include "tests/support/stage_hand.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kWidth = 24;  // of examples: (24) or (2, 4, 3)
constexpr std::int32_t kClasses = 4;

std::shared_ptr<const Model> dense_model() {
  return written_model("[{dense: 10}, relu, {dense: 8}, relu, dense]", DataSpec{{kWidth}, kClasses, 0});
}

std::shared_ptr<const Model> conv_model() {
  return written_model(
      "[{conv2d: {channels: 5, kernel: 2, padding: 1, bias: false}}, relu, flatten, {dense: {outputs: 6, "
      "bias: false}}, "
      "relu, {dense: {bias: false}}]",
      DataSpec{{2, 4, 3}, kClasses, 0});
}

std::vector<Rows> clients_of(std::uint64_t stage, std::size_t rank) {
  std::vector<Rows> clients;
  for (std::uint64_t client = 0; client < 3; ++client)
    clients.push_back(low_rank_rows(20 + 4 * client, kWidth, rank, stage, client, kClasses));
  return clients;
}

/// Inputs of every layer, row by row, as the model of `hand` sees these examples.
class InputRecorder final : public LayerObserver {
 public:
  void layer_input(std::string_view layer, std::span<const float> values, std::size_t, std::size_t) override {
    FloatBuffer& rows = inputs[std::string(layer)];
    rows.insert(rows.end(), values.begin(), values.end());
  }
  std::map<std::string, FloatBuffer> inputs;
};

std::vector<subspace::ProtectedLayer> layers_of(const StageHand& hand) {
  return subspace::protected_layers(*hand.model().layout(), {"*"}, false);
}

/// The largest |W_new x - W_old x| over all basis vectors x of all layers, relative to the largest |W_old x|.
double change_on_bases(const StageHand& hand, const ParameterVector& before) {
  double worst = 0.0;
  for (const subspace::ProtectedLayer& layer : layers_of(hand)) {
    const auto basis = hand.state.slots.find(layer.slot("basis"));
    if (basis == hand.state.slots.end()) continue;
    const auto now = hand.state.model.view(layer.weight);
    const auto old = before.view(layer.weight);
    for (std::size_t v = 0; v < basis->second.data.size() / layer.inputs; ++v)
      for (std::size_t o = 0; o < layer.outputs; ++o) {
        double change = 0.0;
        for (std::size_t x = 0; x < layer.inputs; ++x)
          change += (static_cast<double>(now[o * layer.inputs + x]) -
                     static_cast<double>(old[o * layer.inputs + x])) *
                    static_cast<double>(basis->second.data[v * layer.inputs + x]);
        worst = std::max(worst, std::abs(change));
      }
  }
  return worst;
}

class Projecting : public ::testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  StageHand hand() const {
    const auto& [settings, conv] = GetParam();
    return {settings.starts_with("gpm") ? "gpm" : "fot", settings.substr(4),
            conv ? conv_model() : dense_model()};
  }
};

// The model moves in later stages, and yet no protected input meets another weight: W_new x = W_old x to 1e-5
// after each of 12 windows, for bases that grow over 4 stages.
TEST_P(Projecting, LeavesWhatIsProtectedAsItWas) {
  StageHand hand = this->hand();
  for (std::uint64_t stage = 1; stage <= 4; ++stage) {
    const std::vector<Rows> clients = clients_of(stage, 3);
    for (int round = 0; round < 3; ++round) {
      const ParameterVector before = hand.state.model;
      const TensorMap bases = hand.state.slots;
      hand.window(clients, stage, round == 2);
      const TensorMap after = std::exchange(hand.state.slots, bases);  // those that the step was made with
      EXPECT_LT(change_on_bases(hand, before), 1e-5) << "stage " << stage << " round " << round;
      hand.state.slots = after;
      double moved = 0.0;
      for (std::size_t i = 0; i < before.values().size(); ++i)
        moved =
            std::max(moved, std::abs(static_cast<double>(before.values()[i] - hand.state.model.values()[i])));
      if (stage < 3) {
        EXPECT_GT(moved, 1e-3) << "nothing was learnt in stage " << stage;
      }
    }
  }
  for (const subspace::ProtectedLayer& layer : layers_of(hand)) {
    const Tensor& basis = hand.state.slots.at(layer.slot("basis"));
    EXPECT_LE(basis.data.size() / layer.inputs, layer.inputs) << layer.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    FotAndGpm, Projecting,
    ::testing::Combine(::testing::Values("fot {eps: 0.999}", "fot {eps: 0.999, compat: repo}",
                                         "fot {eps: 0.9, compat: repo, sketch_model: global}",
                                         "gpm {eps: 0.999}"),
                       ::testing::Bool()),
    [](const auto& instance) {
      return std::to_string(instance.index) + (std::get<1>(instance.param) ? "_conv" : "_dense");
    });

// Rank 3 inputs of energy all above rounding: 3 directions hold all of it, in the first layer exactly.
TEST(Fot, FindsTheSpaceThatInputsLieIn) {
  StageHand hand("fot", "{eps: 0.9999}", dense_model());
  const std::vector<Rows> clients = clients_of(1, 3);
  const auto metrics = hand.window(clients, 1, true);
  EXPECT_EQ(metrics.at("vectors.fc1"), 3.0);
  EXPECT_DOUBLE_EQ(metrics.at("ratio.fc1"), 1.0);
  // Every example of every client lies in it.
  for (const Rows& client : clients) {
    FloatBuffer rows = client.values;
    subspace::remove_span(rows, hand.state.slots.at("basis.fc1").data, kWidth);
    for (const float value : rows) EXPECT_NEAR(value, 0.0F, 1e-4F);
  }
  // A second stage of the same inputs has nothing to add to the first layer.
  EXPECT_EQ(hand.window(clients, 2, true).at("vectors.fc1"), 3.0);
}

TEST(Fot, ByTheAuthorsRuleEveryStageAddsADirection) {
  StageHand hand("fot", "{eps: 0.9, compat: repo}", dense_model());
  const std::vector<Rows> clients = clients_of(1, 3);
  const double first = hand.window(clients, 1, true).at("vectors.fc1");
  const double second = hand.window(clients, 2, true).at("vectors.fc1");
  EXPECT_EQ(second, first + 1.0);
}

// Convolution and dense layers, no biases: with all but a millionth of their inputs' energy protected, what
// is learnt afterwards shows in the new stage's outputs and not in those of the old one's examples.
TEST(Fot, AnswersAsBeforeOnEarlierExamples) {
  StageHand hand("fot", "{eps: 0.999999}", conv_model());
  const std::vector<Rows> old_clients = clients_of(1, 3);
  const std::vector<Rows> new_clients = clients_of(2, 3);
  hand.window(old_clients, 1, true);
  const FloatBuffer old_before = hand.outputs(old_clients[0]);
  const FloatBuffer new_before = hand.outputs(new_clients[0]);
  for (int round = 0; round < 5; ++round) hand.window(new_clients, 2, false);
  const FloatBuffer old_after = hand.outputs(old_clients[0]);
  const FloatBuffer new_after = hand.outputs(new_clients[0]);
  double changed_old = 0.0;
  double changed_new = 0.0;
  for (std::size_t i = 0; i < old_before.size(); ++i)
    changed_old = std::max(changed_old, std::abs(static_cast<double>(old_after[i] - old_before[i])));
  for (std::size_t i = 0; i < new_before.size(); ++i)
    changed_new = std::max(changed_new, std::abs(static_cast<double>(new_after[i] - new_before[i])));
  EXPECT_GT(changed_new, 1e-2);
  EXPECT_LT(changed_old, 0.05 * changed_new);
}

TEST(Fot, BasesStayOrthonormalOverTwentyStages) {
  StageHand hand("fot", "{eps: 0.95, compat: repo}", conv_model());
  for (std::uint64_t stage = 1; stage <= 20; ++stage) hand.window(clients_of(stage, 2), stage, true);
  for (const subspace::ProtectedLayer& layer : layers_of(hand)) {
    const Tensor& basis = hand.state.slots.at(layer.slot("basis"));
    const std::size_t k = basis.data.size() / layer.inputs;
    EXPECT_LE(k, layer.inputs);
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        double dot = 0.0;
        for (std::size_t x = 0; x < layer.inputs; ++x)
          dot += static_cast<double>(basis.data[i * layer.inputs + x]) *
                 static_cast<double>(basis.data[j * layer.inputs + x]);
        EXPECT_NEAR(dot, i == j ? 1.0 : 0.0, 1e-5);
      }
  }
  // 20 stages of at least one direction each: the narrowest layers (6 and 8 inputs) are full.
  EXPECT_EQ(hand.state.slots.at("basis.conv1").data.size(), 8U * 8U);
}

// 24 * 24 + 10 * 10 + 8 * 8 floats for the three dense layers, and no model update beside them in a phase of
// its own.
TEST(Fot, SketchesHaveTheSizeOfTheFormula) {
  StageHand global("fot", "{}", dense_model());
  global.window(clients_of(1, 3), 1, true);
  std::size_t floats = 0;
  for (const auto& [kind, update] : global.updates)
    if (kind == "sketch" && update.id.client == 0)
      for (const Payload& slot : update.slots) floats += slot.values().size();
  EXPECT_EQ(floats, 576U + 100U + 64U);
  StageHand local("fot", "{compat: repo}", dense_model());
  local.window(clients_of(1, 3), 1, true);
  floats = 0;
  for (const auto& [kind, update] : local.updates)
    if (update.id.client == 0)
      for (const Payload& slot : update.slots) floats += slot.values().size();
  EXPECT_EQ(floats, 576U + 100U + 64U + local.model().layout()->size());
}

TEST(Fot, SketchesOnlyWhereAStageEnds) {
  for (const char* settings : {"{}", "{compat: repo}"}) {
    StageHand hand("fot", settings, dense_model());
    hand.window(clients_of(1, 3), 1, false);
    for (const auto& [kind, update] : hand.updates) EXPECT_EQ(kind, "train");
    EXPECT_TRUE(hand.state.slots.empty());
  }
}

// Heads are not protected: the last layer has no basis, and what one stage's head learns is another's
// business.
TEST(Fot, LeavesHeadsAlone) {
  StageHand hand("fot", "{}", dense_model(), true);
  hand.window(clients_of(1, 3), 1, true);
  EXPECT_TRUE(hand.state.slots.contains("basis.fc2"));
  EXPECT_FALSE(hand.state.slots.contains("basis.fc3"));
}

// In the first stage nothing is protected, so it is the uniform mean of the clients' models.
TEST(Fot, IsFedAvgUntilSomethingIsProtected) {
  StageHand fot("fot", "{weights: examples}", dense_model());
  StageHand fedavg("fedavg", "{}", dense_model());
  for (int round = 0; round < 3; ++round) {
    fot.window(clients_of(1, 3), 1, false);
    fedavg.window(clients_of(1, 3), 1, false);
  }
  EXPECT_TRUE(std::equal(fot.state.model.values().begin(), fot.state.model.values().end(),
                         fedavg.state.model.values().begin()));
}

TEST(Gpm, FreezesVectorsAfterTheFirstStage) {
  StageHand hand("gpm", "{eps: 0.9}", dense_model());
  hand.window(clients_of(1, 3), 1, true);
  const ParameterVector before = hand.state.model;
  hand.window(clients_of(2, 3), 2, false);
  for (const Slice& slice : hand.model().layout()->slices()) {
    const auto now = hand.state.model.view(slice);
    const bool same = std::equal(now.begin(), now.end(), before.view(slice).begin());
    EXPECT_EQ(same, slice.shape.size() == 1) << slice.name;
  }
}

}  // namespace
}  // namespace fedloom::testing
