// The joined step of a dense layer against its parts: bit for bit the products by themselves and then SGD, on
// every instruction set that this processor has, for shapes with every kind of remainder.
#include "models/kernels/dense_step.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/random.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"

namespace fedloom {
namespace {

struct Form {
  std::size_t R, I, O;
};

// Batches around the tiles' heights, widths around the vectors' and the panels of 32 outputs.
const Form kForms[] = {{1, 1, 1},    {10, 784, 10}, {10, 200, 200}, {10, 200, 10}, {3, 7, 5},   {16, 33, 31},
                       {11, 47, 33}, {13, 95, 64},  {6, 130, 70},   {5, 16, 97},   {16, 1, 40}, {2, 31, 1}};

struct Scene {
  explicit Scene(const Form& shape)
      : form(shape),
        x(random(shape.R * shape.I, 1)),
        dy(random(shape.R * shape.O, 2)),
        w(random(shape.O * shape.I, 3)) {}

  static std::vector<float> random(std::size_t count, std::uint64_t seed) {
    Random source(seed, Stream::init);
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(source.normal());
    return values;
  }

  GemmCall to_inputs(std::vector<float>& dx) const {
    return {form.R, form.I, form.O, plain(dy.data(), form.O), plain(w.data(), form.I), dx.data(), form.I};
  }
  GemmCall to_weights(std::vector<float>& dw) const {
    return {form.O,    form.I, form.R, transposed(dy.data(), form.O), plain(x.data(), form.I),
            dw.data(), form.I};
  }

  Form form;
  std::vector<float> x, dy, w;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

constexpr float kRate = 0.37F;

TEST(DenseStep, IsTheDoorsProductsAndThenPlainSgdToTheBit) {
  for (const Form& form : kForms) {
    const Scene scene(form);
    std::vector<float> dx(form.R * form.I);
    std::vector<float> dw(form.O * form.I);
    gemm(scene.to_inputs(dx));
    gemm(scene.to_weights(dw));
    std::vector<float> stepped = scene.w;
    add_scaled(stepped.data(), dw.data(), -kRate, stepped.size());

    for (const bool wants_inputs : {true, false}) {
      std::vector<float> weight = scene.w;
      std::vector<float> inputs(dx.size());
      dense_step({form.R, form.I, form.O, scene.x.data(), scene.dy.data(), weight.data(),
                  wants_inputs ? inputs.data() : nullptr, kRate});
      EXPECT_TRUE(same_bits(weight, stepped)) << form.R << " " << form.I << " " << form.O;
      if (wants_inputs) {
        EXPECT_TRUE(same_bits(inputs, dx)) << form.R << " " << form.I << " " << form.O;
      }
    }
  }
}

TEST(DenseStep, EveryInstructionSetComputesIt) {
  for (const InstructionSet set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
    if (set > instruction_set()) continue;
    for (const Form& form : kForms) {
      const Scene scene(form);
      std::vector<float> weight = scene.w;
      std::vector<float> inputs(form.R * form.I);
      std::vector<float> dx(form.R * form.I);
      dense_step(
          {form.R, form.I, form.O, scene.x.data(), scene.dy.data(), weight.data(), inputs.data(), kRate},
          set);
      gemm_backend::outer(scene.to_inputs(dx), set);
      EXPECT_TRUE(same_bits(inputs, dx)) << "the old weights give dx";
      for (std::size_t o = 0; o < form.O; ++o) {
        for (std::size_t i = 0; i < form.I; ++i) {
          double dw = 0.0;
          double magnitude = std::abs(static_cast<double>(scene.w[o * form.I + i]));
          for (std::size_t r = 0; r < form.R; ++r) {
            const double term =
                static_cast<double>(scene.dy[r * form.O + o]) * static_cast<double>(scene.x[r * form.I + i]);
            dw += term;
            magnitude += std::abs(term);
          }
          // Sums of at most 17 terms: a few float roundings (6e-8 each) of the sum of magnitudes.
          ASSERT_NEAR(static_cast<double>(weight[o * form.I + i]),
                      static_cast<double>(scene.w[o * form.I + i]) - static_cast<double>(kRate) * dw,
                      1e-6 * magnitude);
        }
      }
    }
  }
}

}  // namespace
}  // namespace fedloom
