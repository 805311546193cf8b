// Long short-term memories: two steps of one unit by hand, slopes and example norms for one and several
// levels, frozen slices, states of all steps against those of shorter sequences.
#include "models/layers/lstm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/simple.hpp"
#include "tests/models/sequence_scene.hpp"

namespace fedloom {
namespace {

using testing::SequenceScene;

const DataSpec kRows{{5, 3}, 2, 0};

// One unit that sees 1, then 0. Biases make the input gate 3/4, the forget gate 4/5 and the output gate 1/5:
// sigmoid(ln 3) = 3/4, sigmoid(ln 2 + ln 2) = 4/5, sigmoid(-ln 4) = 1/5. The candidate is tanh(ln 2) = 3/5 in
// both steps: through its input weight ln 2 in the first, and through its state weight ln 2 / h1 in the
// second.
//   c1 = 3/4 3/5 = 0.45,             h1 = tanh(0.45) / 5
//   c2 = 4/5 0.45 + 3/4 3/5 = 0.81,  h2 = tanh(0.81) / 5
// Backwards from h2, with 1 - g^2 = 0.64 of the candidate:
//   dc2 = (1 - tanh(0.81)^2) / 5,                 dr2 = dc2 3/4 0.64 = 0.48 dc2
//   dc1 = 4/5 dc2 + dr2 U (1 - tanh(0.45)^2) / 5, dr1 = 0.48 dc1
TEST(Lstm, TwoStepsOfOneUnitByHand) {
  SequenceScene scene(DataSpec{{2, 1}, 2, 0}, {lstm("lstm", {.hidden = 1, .last_only = true})}, 1);
  const Layout& layout = *scene.model->layout();
  const auto at = [&](const std::string& slice, std::size_t gate) {
    return layout.at("lstm." + slice).offset + gate;
  };
  std::fill(scene.parameters.begin(), scene.parameters.end(), 0.0F);
  const double h1 = std::tanh(0.45) / 5.0;
  const double state_weight = std::log(2.0) / h1;
  const auto set = [&](const std::string& slice, std::size_t gate, double value) {
    scene.parameters[at(slice, gate)] = static_cast<float>(value);
  };
  set("bias_ih_l0", 0, std::log(3.0));
  set("bias_ih_l0", 1, std::log(2.0));
  set("bias_hh_l0", 1, std::log(2.0));
  set("bias_hh_l0", 3, -std::log(4.0));
  set("weight_ih_l0", 2, std::log(2.0));
  set("weight_hh_l0", 2, state_weight);
  scene.features = {1.0F, 0.0F};
  scene.factors = {1.0F};
  EXPECT_NEAR(scene.logits(0, 1)[0], std::tanh(0.81) / 5.0, 1e-7);

  const std::vector<float> gradient = scene.gradient(0, 1);
  const double dc2 = (1.0 - std::pow(std::tanh(0.81), 2)) / 5.0;
  const double dr2 = 0.48 * dc2;
  const double dc1 = 0.8 * dc2 + dr2 * state_weight * (1.0 - std::pow(std::tanh(0.45), 2)) / 5.0;
  const double dr1 = 0.48 * dc1;
  EXPECT_NEAR(gradient[at("weight_hh_l0", 2)], dr2 * h1, 1e-7);
  EXPECT_NEAR(gradient[at("weight_ih_l0", 2)], dr1, 1e-7);
  EXPECT_NEAR(gradient[at("bias_ih_l0", 2)], dr1 + dr2, 1e-7);
  EXPECT_NEAR(gradient[at("bias_hh_l0", 2)], dr1 + dr2, 1e-7);
  // The output gate: dh2 tanh(c2) o (1 - o) in the last step, and dh1 = dr2 U likewise in the first.
  EXPECT_NEAR(gradient[at("bias_ih_l0", 3)], 0.16 * (std::tanh(0.81) + dr2 * state_weight * std::tanh(0.45)),
              1e-7);
}

// 9 units: a whole vector and a remainder. 20 rows: more than a short batch.
TEST(Lstm, SlopesAndExampleNorms) {
  for (const bool last_only : {false, true})
    for (const std::int64_t levels : {1, 3})
      for (const std::int64_t hidden : {2, 9}) {
        const LayerRecipe layer = lstm("lstm", {.hidden = hidden, .levels = levels, .last_only = last_only});
        SequenceScene scene(kRows, {layer}, hidden == 9 ? 3 : 20);
        scene.check_slopes(hidden == 9 ? 7 : 1);
        scene.check_examples();
      }
}

TEST(Lstm, SequencesOfOneStep) {
  SequenceScene scene(DataSpec{{1, 4}, 2, 0}, {lstm("lstm", {.hidden = 3, .levels = 2, .last_only = true})});
  scene.check_slopes();
  scene.check_examples();
}

// Norms by inner products, for sequences shorter than the weights are large.
TEST(Lstm, ExampleNormsOfWideLevels) {
  SequenceScene scene(kRows, {lstm("lstm", {.hidden = 24, .levels = 2, .last_only = true})}, 4);
  scene.check_examples();
}

TEST(Lstm, FrozenSlicesHaveNoGradient) {
  for (const std::vector<std::string>& train : std::vector<std::vector<std::string>>{
           {"fc"}, {"fc", "lstm.weight_hh_l1"}, {"lstm.bias_hh_l0"}, {"fc", "lstm.weight_ih_l0"}}) {
    Adaptation how;
    how.method = Adaptation::Method::freeze;
    how.train = train;
    SequenceScene scene(ModelContext(kRows, how),
                        {lstm("lstm", {.hidden = 4, .levels = 2, .last_only = true}), dense("fc", {2})});
    scene.check_slopes();
    scene.check_examples();
  }
}

// The state after t steps does not know what follows: the output of a shorter sequence is that of the longer
// one at its end. Both models have the same slices.
TEST(Lstm, StatesOfAllStepsAreLastStatesOfShorterSequences) {
  constexpr std::size_t kHidden = 4;
  SequenceScene whole(kRows, {lstm("lstm", {.hidden = kHidden, .levels = 2})}, 2);
  const std::vector<float> states = whole.logits(0, 2);
  for (const std::size_t steps : {std::size_t{1}, std::size_t{3}, std::size_t{5}}) {
    const DataSpec rows{{static_cast<std::int64_t>(steps), 3}, 2, 0};
    SequenceScene part(rows, {lstm("lstm", {.hidden = kHidden, .levels = 2, .last_only = true})}, 2);
    part.parameters = whole.parameters;
    for (std::size_t b = 0; b < 2; ++b)
      std::copy_n(whole.features.begin() + static_cast<std::ptrdiff_t>(b * 15), steps * 3,
                  part.features.begin() + static_cast<std::ptrdiff_t>(b * steps * 3));
    const std::vector<float> last = part.logits(0, 2);
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t u = 0; u < kHidden; ++u)
        EXPECT_NEAR(last[b * kHidden + u], states[(b * 5 + steps - 1) * kHidden + u], 1e-6);
  }
}

TEST(Lstm, RefusesWhatIsNoSequence) {
  EXPECT_THROW(SequenceScene(DataSpec{{12}, 2, 0}, {lstm("lstm", {.hidden = 2})}), UserError);
}

}  // namespace
}  // namespace fedloom
