// Gradients of a dense layer's LoRA factors against numbers worked out apart from this code: the local step
// of FFA-LoRA, and the gradients of single examples that DP-SGD clips (ffa_lora and dp_sgd in lora.json).
// The loss of both is 1/2 |s B A x - y|^2, whose gradient at the outputs is s B A x - y.
#include <gtest/gtest.h>

#include "models/adapters/lora.hpp"
#include "models/layers/dense.hpp"
#include "models/sequential.hpp"
#include "tests/support/vectors.hpp"

namespace fedloom::testing {
namespace {

using Numbers = std::vector<double>;

// Entries of a matrix row by row, or of a vector.
Numbers flat(const nlohmann::json& values) {
  Numbers all;
  for (const auto& value : values) {
    if (value.is_array())
      for (const auto& entry : value) all.push_back(entry.get<double>());
    else
      all.push_back(value.get<double>());
  }
  return all;
}

// Entries are at most 13.4, so a few float operations stay within this.
constexpr double kFloat = 1e-5;

void expect_near(std::span<const float> found, const Numbers& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], kFloat) << i;
}

/// Two inputs, two outputs, W = 0 and factors of rank 1 that count `scale` times.
class OneLayer {
 public:
  OneLayer(double scale, const Numbers& a, const Numbers& b)
      : model_(sequential({DataSpec{{2}, 2},
                           {.method = Adaptation::Method::lora,
                            .targets = {"fc1"},
                            .train = {},
                            .rank = 1,
                            .alpha = scale}},
                          {dense("fc1", {.outputs = 2, .bias = false})})),
        parameters_(model_->layout()->size(), 0.0F),
        gradient_(parameters_.size(), 0.0F) {
    set("fc1.lora_A.weight", a);
    set("fc1.lora_B.weight", b);
  }

  void set(const std::string& name, const Numbers& values) {
    const Slice& slice = model_->layout()->at(name);
    ASSERT_EQ(slice.size, values.size());
    for (std::size_t i = 0; i < slice.size; ++i)
      parameters_[slice.offset + i] = static_cast<float>(values[i]);
  }
  std::span<const float> gradient(const std::string& name) const {
    const Slice& slice = model_->layout()->at(name);
    return std::span(gradient_).subspan(slice.offset, slice.size);
  }
  /// The loss of one example, leaving its gradients here.
  double step(const Numbers& x, const Numbers& y) {
    const std::vector<float> features(x.begin(), x.end());
    const Batch batch{.size = 1, .features = features.data()};
    const auto outputs = model_->forward(parameters_, batch, *workspace_, {});
    std::vector<float> difference(outputs.begin(), outputs.end());
    double loss = 0.0;
    for (std::size_t i = 0; i < difference.size(); ++i) {
      difference[i] -= static_cast<float>(y[i]);
      loss += 0.5 * static_cast<double>(difference[i]) * static_cast<double>(difference[i]);
    }
    model_->backward(parameters_, batch, *workspace_, difference, gradient_, {});
    return loss;
  }

 private:
  std::unique_ptr<Model> model_;
  std::unique_ptr<Workspace> workspace_ = model_->workspace(1);
  std::vector<float> parameters_;
  std::vector<float> gradient_;
};

TEST(LoraGradientVectors, OneStepOfFfaLora) {
  const auto vectors = read_vectors("lora.json");
  if (!vectors) GTEST_SKIP() << "lora.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
  const auto& in = vectors->at("ffa_lora").at(1).at("in");
  const auto& out = vectors->at("ffa_lora").at(1).at("out");
  const Numbers b = flat(in.at("B"));
  OneLayer layer(in.at("s"), flat(in.at("A0")), b);
  EXPECT_NEAR(layer.step(flat(in.at("x")), flat(in.at("y"))), out.at("loss_before"), kFloat);
  expect_near(layer.gradient("fc1.lora_B.weight"), flat(out.at("grad_B")));
  expect_near(layer.gradient("fc1.lora_A.weight"), flat(out.at("grad_A_if_trained")));
  Numbers next;
  for (std::size_t i = 0; i < b.size(); ++i)
    next.push_back(b[i] -
                   in.at("lr").get<double>() * static_cast<double>(layer.gradient("fc1.lora_B.weight")[i]));
  for (std::size_t i = 0; i < b.size(); ++i) EXPECT_NEAR(next[i], flat(out.at("B_new"))[i], kFloat);
  layer.set("fc1.lora_B.weight", next);
  EXPECT_NEAR(layer.step(flat(in.at("x")), flat(in.at("y"))), out.at("loss_after"), kFloat);
}

TEST(LoraGradientVectors, SingleExamplesOfDpSgd) {
  const auto vectors = read_vectors("lora.json");
  if (!vectors) GTEST_SKIP() << "lora.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
  const auto& in = vectors->at("dp_sgd").at(0).at("in");
  const auto& out = vectors->at("dp_sgd").at(0).at("out");
  OneLayer layer(in.at("s"), flat(in.at("A0")), flat(in.at("B")));
  ASSERT_EQ(in.at("x").size(), 3U);
  for (std::size_t i = 0; i < in.at("x").size(); ++i) {
    (void)layer.step(flat(in.at("x").at(i)), flat(in.at("y").at(i)));
    const auto gradient = layer.gradient("fc1.lora_B.weight");
    expect_near(gradient, flat(out.at("per_example_grad").at(i)));
    EXPECT_NEAR(std::hypot(gradient[0], gradient[1]), out.at("norms").at(i), kFloat);
  }
}

}  // namespace
}  // namespace fedloom::testing
