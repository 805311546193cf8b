// Local training of LoRA factors as tasks ask for it: a frozen factor stays where it is and counts nowhere,
// and with plain SGD alpha and the learning rate are one parameter (Sun et al., ICLR 2024).
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "algorithms/batch_gradient.hpp"
#include "models/layers/dense.hpp"
#include "models/sequential.hpp"
#include "tests/support/noise_data.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kExamples = 12;

/// 4 positions of 5 features, 3 classes. fc1 works on every position, fc2 on the flat result; both carry
/// factors.
FittingModel lora_model(const std::vector<std::string>& frozen, double alpha = 6.0, bool head = false) {
  const DataSpec spec{{4, 5}, 3};
  Adaptation how{.method = Adaptation::Method::lora, .targets = {"fc*"}, .rank = 2, .alpha = alpha};
  if (head) how.train = {"head"};
  how.frozen = frozen;
  return {"sequential",
          sequential({spec, how}, {dense("fc1", {.outputs = 6, .relu = true, .per_position = true}),
                                   dense("fc2", {.outputs = 7}), dense("head", {.outputs = 3})}),
          spec};
}

std::unique_ptr<Optimizer> optimizer(const std::string& name) {
  return OptimizerRegistry::instance().find(name, "optimizer").make(ConfigNode());
}

/// The parameters after some epochs, from a start at which both factors are there.
struct Trained {
  Trained(FittingModel model, const Recipe& recipe, const std::string& by = "sgd", double second = 1.0)
      : optimizer_(optimizer(by)), task(std::move(model), kExamples, recipe, optimizer_.get()) {
    Random random(9, Stream::strategy);
    for (const Slice& slice : task.made.model->layout()->slices())
      if (slice.name.ends_with(".lora_B.weight"))
        for (std::size_t i = 0; i < slice.size; ++i)
          task.start[slice.offset + i] = static_cast<float>(second * random.normal(0.0, 0.3));
    task.parameters = task.start;
    task.run.parameters = task.parameters;
    task.run.start = task.start;
    optimizer_->reset(*task.made.model->layout());
    LocalObjective().work("train", task.run);
  }
  std::span<const float> slice(const std::string& name) const {
    const Slice& slice = task.made.model->layout()->at(name);
    return std::span<const float>(task.parameters).subspan(slice.offset, slice.size);
  }
  std::span<const float> slice_at_start(const std::string& name) const {
    const Slice& slice = task.made.model->layout()->at(name);
    return std::span<const float>(task.start).subspan(slice.offset, slice.size);
  }

 private:
  std::unique_ptr<Optimizer> optimizer_;

 public:
  NoiseTask task;
};

const Recipe kRecipe{.epochs = 3, .batch_size = 5, .learning_rate = 0.1};

// By the joined step of plain SGD, by a clipped gradient, and by optimizers that decay and remember.
TEST(LoraTraining, AFrozenFactorStaysToTheBit) {
  Recipe clipped = kRecipe;
  clipped.clip_norm = 0.5;
  for (const auto& [by, recipe] : std::vector<std::pair<std::string, Recipe>>{
           {"sgd", kRecipe}, {"sgd", clipped}, {"adam", kRecipe}, {"adamw", kRecipe}})
    for (const std::string frozen : {"lora_A", "lora_B"}) {
      const Trained trained(lora_model({"*." + frozen + ".weight"}), recipe, by);
      for (const std::string layer : {"fc1", "fc2"})
        for (const std::string factor : {"lora_A", "lora_B"}) {
          const std::string name = layer + "." + factor + ".weight";
          EXPECT_EQ(std::ranges::equal(trained.slice(name), trained.slice_at_start(name)), factor == frozen)
              << by << " " << name << " with " << frozen << " frozen";
        }
    }
}

// Norms from the pass that forms no gradients, and the clipped sum, against gradients of single examples.
TEST(LoraTraining, NormsOfExamplesLeaveAFrozenFactorOut) {
  std::vector<double> whole;
  for (const std::vector<std::string>& frozen :
       {std::vector<std::string>{}, {"*.lora_A.weight"}, {"*.lora_B.weight"}}) {
    Trained start(lora_model(frozen, 6.0, true), {.epochs = 0, .batch_size = 5});
    NoiseTask& task = start.task;
    LocalObjective objective;
    BatchGradient batches(objective, task.run);
    std::vector<std::vector<float>> singles;
    std::vector<double> norms;
    for (std::uint32_t i = 0; i < kExamples; ++i) {
      batches.mean({&i, 1});
      singles.emplace_back(task.gradient.begin(), task.gradient.end());
      norms.push_back(std::sqrt(
          std::inner_product(singles.back().begin(), singles.back().end(), singles.back().begin(), 0.0)));
      for (const Slice& slice : task.made.model->layout()->slices()) {
        const auto begin = singles.back().begin() + static_cast<std::ptrdiff_t>(slice.offset);
        const auto end = begin + static_cast<std::ptrdiff_t>(slice.size);
        const bool zero = std::all_of(begin, end, [](float value) { return value == 0.0F; });
        EXPECT_TRUE(zero || slice.role == Role::trained) << slice.name;
      }
    }
    if (frozen.empty()) whole = norms;
    const double bound = norms[0] * 0.9;
    std::vector<double> expected(task.gradient.size(), 0.0);
    std::uint64_t clipped = 0;
    for (std::size_t i = 0; i < kExamples; ++i) {
      const double factor = std::min(1.0, bound / norms[i]);
      clipped += factor < 1.0 ? 1 : 0;
      for (std::size_t j = 0; j < expected.size(); ++j)
        expected[j] += factor * static_cast<double>(singles[i][j]);
      if (!frozen.empty()) {
        EXPECT_LT(norms[i], whole[i]) << "what is frozen has no part in the norm";
      }
    }
    std::vector<std::uint32_t> all(kExamples);
    std::iota(all.begin(), all.end(), 0U);
    const BatchGradient::Sum sum = batches.clipped_sum(all, bound);
    EXPECT_EQ(sum.clipped, clipped);
    for (std::size_t j = 0; j < expected.size(); ++j)
      EXPECT_NEAR(task.gradient[j], expected[j], 1e-5 * kExamples * bound);
  }
}

// The trajectory of s B depends on s^2 lr alone. Powers of two change no bits, so B is exactly a half of what
// it was when s doubles; clipping is to be scaled as gradients are, by 2, and is exact but for the 1e-6
// beside norms.
TEST(LoraTraining, AlphaAndTheRateAreOneParameterOfFfaLora) {
  const auto second = [](const Trained& trained) {
    std::vector<float> values;
    for (const char* layer : {"fc1", "fc2"}) {
      const auto b = trained.slice(std::string(layer) + ".lora_B.weight");
      values.insert(values.end(), b.begin(), b.end());
    }
    return values;
  };
  for (const double clip : {0.0, 0.25}) {
    Recipe slow = kRecipe;
    slow.clip_norm = clip;
    Recipe fast = slow;
    fast.learning_rate = kRecipe.learning_rate / 4.0;
    Recipe unscaled = fast;  // the bound as it was; without clipping, the rate
    if (clip == 0.0) unscaled.learning_rate = kRecipe.learning_rate / 2.0;
    fast.clip_norm = 2.0 * clip;
    const std::vector<float> b = second(Trained(lora_model({"*.lora_A.weight"}, 6.0), slow));
    const std::vector<float> half = second(Trained(lora_model({"*.lora_A.weight"}, 12.0), fast, "sgd", 0.5));
    const std::vector<float> off =
        second(Trained(lora_model({"*.lora_A.weight"}, 12.0), unscaled, "sgd", 0.5));
    float worst = 0.0F;
    for (std::size_t i = 0; i < b.size(); ++i) {
      EXPECT_NEAR(b[i], 2.0F * half[i], clip == 0.0 ? 0.0 : 1e-5) << i;
      worst = std::max(worst, std::abs(b[i] - 2.0F * off[i]));
    }
    EXPECT_GT(worst, 1e-2F) << "another run";
  }
}

}  // namespace
}  // namespace fedloom::testing
