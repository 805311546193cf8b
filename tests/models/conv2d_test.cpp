// The convolution layer, forward and backward with its per-example norms, against its definition written as
// seven plain loops in double, over kernels, strides, paddings, odd sizes and channel counts.
#include "models/layers/conv2d.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "models/layers/activations.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"

namespace fedloom {
namespace {

struct Form {
  std::int64_t channels, height, width, out, kernel, stride, padding;
  bool bias = true;
};

// Every path of the layer: rows of whole vectors and of odd length, few and many channels, all strides.
const Form kForms[] = {
    {1, 28, 28, 32, 5, 1, 2},
    {32, 14, 14, 64, 5, 1, 2},
    {1, 28, 28, 6, 5, 1, 2},
    {6, 14, 14, 16, 5, 1, 0},
    {3, 32, 32, 6, 5, 1, 0},
    {3, 32, 32, 16, 3, 1, 1, false},
    {16, 32, 32, 16, 3, 1, 1},
    {16, 32, 32, 32, 3, 2, 1, false},
    {32, 16, 16, 32, 3, 1, 1, false},
    {32, 16, 16, 64, 3, 2, 1},
    {64, 8, 8, 64, 3, 1, 1, false},
    {16, 8, 8, 32, 1, 2, 0, false},
    {17, 7, 9, 3, 3, 1, 1},
    {3, 9, 7, 17, 3, 2, 0},
    {6, 5, 5, 17, 2, 1, 1},
    {1, 1, 1, 1, 1, 1, 0},
    {2, 3, 4, 5, 3, 3, 2},
    {16, 10, 12, 6, 4, 2, 3},
    {3, 33, 31, 8, 7, 2, 3},
    {17, 11, 6, 16, 6, 1, 3},
    {1, 13, 50, 9, 7, 1, 0},
    {3, 8, 8, 16, 2, 2, 0},
    {64, 4, 4, 33, 3, 1, 1},
    {2, 16, 16, 5, 5, 3, 1},
    {1, 24, 17, 1, 3, 1, 2, false},
    {16, 9, 8, 24, 5, 2, 2},
    {2, 12, 12, 3, 1, 3, 0},
};

std::vector<float> draws(std::size_t count, std::uint64_t seed) {
  Random random(seed, Stream::init);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

// The layer's definition. Parameters are weights (out, in, kernel, kernel), then biases.
struct Reference {
  std::int64_t rows, columns;  // of the output
  std::vector<double> y, dx, gradient, norms;

  Reference(const Form& f, std::int64_t batch, const std::vector<float>& w, const std::vector<float>& x,
            const std::vector<float>& dy)
      : rows((f.height + 2 * f.padding - f.kernel) / f.stride + 1),
        columns((f.width + 2 * f.padding - f.kernel) / f.stride + 1),
        dx(x.size()),
        gradient(w.size()) {
    const std::int64_t weights = f.out * f.channels * f.kernel * f.kernel;
    for (std::int64_t b = 0; b < batch; ++b) {
      std::vector<double> own(w.size());
      for (std::int64_t o = 0; o < f.out; ++o)
        for (std::int64_t i = 0; i < rows; ++i)
          for (std::int64_t j = 0; j < columns; ++j) {
            double total = f.bias ? value(w, weights + o) : 0.0;
            const double d = value(dy, static_cast<std::int64_t>(y.size()));
            if (f.bias) own[static_cast<std::size_t>(weights + o)] += d;
            for (std::int64_t c = 0; c < f.channels; ++c)
              for (std::int64_t s = 0; s < f.kernel; ++s)
                for (std::int64_t t = 0; t < f.kernel; ++t) {
                  const std::int64_t row = i * f.stride + s - f.padding;
                  const std::int64_t column = j * f.stride + t - f.padding;
                  if (row < 0 || row >= f.height || column < 0 || column >= f.width) continue;
                  const std::int64_t at_x = ((b * f.channels + c) * f.height + row) * f.width + column;
                  const std::int64_t at_w = ((o * f.channels + c) * f.kernel + s) * f.kernel + t;
                  total += value(w, at_w) * value(x, at_x);
                  own[static_cast<std::size_t>(at_w)] += d * value(x, at_x);
                  dx[static_cast<std::size_t>(at_x)] += d * value(w, at_w);
                }
            y.push_back(total);
          }
      double norm = 0.0;
      for (std::size_t k = 0; k < own.size(); ++k) {
        gradient[k] += own[k];
        norm += own[k] * own[k];
      }
      norms.push_back(norm);
    }
  }

  static double value(const std::vector<float>& values, std::int64_t at) {
    return static_cast<double>(values[static_cast<std::size_t>(at)]);
  }
};

// Sums of up to some 20,000 products of normal draws in float: their rounding stays far below this.
void expect_near(std::span<const float> found, const std::vector<double>& expected, const char* what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(static_cast<double>(found[i]), expected[i], 1e-3 + 1e-5 * std::abs(expected[i]))
        << what << " " << i;
}

struct Result {
  std::vector<float> y, dx, gradient;
  std::vector<double> norms;
};

Result run(const Model& model, std::size_t batch, const std::vector<float>& w, const std::vector<float>& x,
           const std::vector<float>& dy) {
  const auto workspace = model.workspace(batch);
  const Batch examples{.size = batch, .features = x.data()};
  const auto y = model.forward(w, examples, *workspace, {});
  Result result{{y.begin(), y.end()},
                std::vector<float>(x.size()),
                std::vector<float>(w.size(), std::nanf("")),
                std::vector<double>(batch)};
  model.backward(w, examples, *workspace, dy, result.gradient, {.input_gradient = result.dx});
  // Norms together with the sum, and alone.
  std::vector<float> again(w.size());
  model.backward(w, examples, *workspace, dy, again, {.example_square_norms = result.norms});
  for (std::size_t i = 0; i < again.size(); ++i)
    EXPECT_NEAR(again[i], result.gradient[i], 1e-3F + 1e-5F * std::abs(again[i]));
  std::vector<double> alone(batch);
  model.backward(w, examples, *workspace, dy, {}, {.example_square_norms = alone});
  EXPECT_EQ(alone, result.norms);
  return result;
}

TEST(Conv2dLayer, EqualsSevenLoops) {
  constexpr std::size_t kBatch = 5;
  for (const Form& f : kForms) {
    SCOPED_TRACE(testing::Message() << f.channels << "x" << f.height << "x" << f.width << " to " << f.out
                                    << ", kernel " << f.kernel << " stride " << f.stride << " padding "
                                    << f.padding);
    const auto model =
        sequential(DataSpec{{f.channels, f.height, f.width}}, {conv2d("conv", {.channels = f.out,
                                                                               .kernel = f.kernel,
                                                                               .stride = f.stride,
                                                                               .padding = f.padding,
                                                                               .bias = f.bias})});
    const auto w = draws(model->layout()->size(), 1);
    const auto x = draws(kBatch * static_cast<std::size_t>(f.channels * f.height * f.width), 2);
    const auto dy = draws(kBatch * model->outputs(), 3);
    const Reference expected(f, kBatch, w, x, dy);
    const Result found = run(*model, kBatch, w, x, dy);
    expect_near(found.y, expected.y, "y");
    expect_near(found.dx, expected.dx, "dx");
    expect_near(found.gradient, expected.gradient, "gradient");
    for (std::size_t i = 0; i < kBatch; ++i)
      EXPECT_NEAR(found.norms[i], expected.norms[i], 1e-4 * expected.norms[i]);
    const Result second = run(*model, kBatch, w, x, dy);
    EXPECT_EQ(second.y, found.y);
    EXPECT_EQ(second.dx, found.dx);
    EXPECT_EQ(second.gradient, found.gradient);
  }
}

// ReLU and pooling fused, against the same layers one after the other.
TEST(Conv2dLayer, FusedFormEqualsSeparateLayers) {
  constexpr std::size_t kBatch = 5;
  for (const Form& f : kForms) {
    for (const bool pool : {false, true}) {
      if (pool && (f.height + 2 * f.padding - f.kernel) / f.stride < 1) continue;
      if (pool && (f.width + 2 * f.padding - f.kernel) / f.stride < 1) continue;
      SCOPED_TRACE(testing::Message()
                   << f.channels << "x" << f.height << "x" << f.width << " to " << f.out << ", kernel "
                   << f.kernel << " stride " << f.stride << " padding " << f.padding << " pool " << pool);
      const DataSpec spec{{f.channels, f.height, f.width}};
      Conv2dOptions options{
          .channels = f.out, .kernel = f.kernel, .stride = f.stride, .padding = f.padding, .bias = f.bias};
      std::vector<LayerRecipe> apart{conv2d("conv", options), relu()};
      if (pool) apart.push_back(max_pool2x2());
      const auto separate = sequential(spec, apart);
      options.relu = true;
      options.pool = pool;
      const auto fused = sequential(spec, {conv2d("conv", options)});
      const auto w = draws(fused->layout()->size(), 4);
      const auto x = draws(kBatch * static_cast<std::size_t>(f.channels * f.height * f.width), 5);
      const auto dy = draws(kBatch * fused->outputs(), 6);
      const Result one = run(*fused, kBatch, w, x, dy);
      const Result many = run(*separate, kBatch, w, x, dy);
      for (std::size_t i = 0; i < one.y.size(); ++i) ASSERT_NEAR(one.y[i], many.y[i], 1e-4F);
      for (std::size_t i = 0; i < one.dx.size(); ++i) ASSERT_NEAR(one.dx[i], many.dx[i], 1e-3F);
      for (std::size_t i = 0; i < one.gradient.size(); ++i)
        ASSERT_NEAR(one.gradient[i], many.gradient[i], 1e-3F);
    }
  }
}

TEST(Conv2dLayer, FrozenSlicesHaveNoGradientAndNoNorm) {
  Adaptation adaptation;
  adaptation.method = Adaptation::Method::freeze;
  adaptation.train = {"conv.bias"};
  const auto model = sequential({DataSpec{{3, 6, 6}}, adaptation},
                                {conv2d("conv", {.channels = 4, .kernel = 3, .padding = 1})});
  const auto w = draws(model->layout()->size(), 7);
  const auto x = draws(3 * 6 * 6, 8);
  const auto dy = draws(4 * 6 * 6, 9);
  const Result found = run(*model, 1, w, x, dy);
  double norm = 0.0;
  for (std::size_t o = 0; o < 4; ++o) {
    double sum = 0.0;
    for (std::size_t p = 0; p < 36; ++p) sum += static_cast<double>(dy[o * 36 + p]);
    EXPECT_NEAR(static_cast<double>(found.gradient[4 * 27 + o]), sum, 1e-4);
    norm += sum * sum;
  }
  for (std::size_t k = 0; k < std::size_t{4} * 27; ++k) EXPECT_EQ(found.gradient[k], 0.0F);
  EXPECT_NEAR(found.norms[0], norm, 1e-4 * norm);
}

}  // namespace
}  // namespace fedloom
