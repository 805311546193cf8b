// Kernels of the layers against definitions written as plain loops, over strides, paddings and odd sizes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/initializer.hpp"
#include "models/layers/activations.hpp"
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/im2col.hpp"
#include "models/layers/pooling.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"

namespace fedloom {
namespace {

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed, Stream::init);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

const ConvGeometry kGeometries[] = {
    {1, 5, 5, 3, 1, 1},    {2, 14, 14, 5, 1, 2}, {3, 7, 19, 3, 1, 0},  {1, 16, 16, 1, 1, 0},
    {2, 9, 33, 5, 1, 4},   {2, 8, 8, 4, 4, 0},   {3, 7, 9, 3, 2, 1},   {1, 6, 6, 5, 3, 2},
    {1, 20, 40, 17, 1, 8}, {2, 4, 3, 2, 1, 1},   {1, 28, 28, 5, 1, 2}, {1, 5, 48, 3, 1, 1},
    {2, 5, 5, 5, 1, 0},
};

// Pixel of tap (c, kh, kw) at output position (y, x) of one image; 0 in the border.
float pixel(const ConvGeometry& g, const float* image, std::size_t k, std::size_t p) {
  const std::size_t c = k / (g.kernel * g.kernel);
  const auto row = static_cast<std::ptrdiff_t>(p / g.out_width() * g.stride + k / g.kernel % g.kernel) -
                   static_cast<std::ptrdiff_t>(g.padding);
  const auto column = static_cast<std::ptrdiff_t>(p % g.out_width() * g.stride + k % g.kernel) -
                      static_cast<std::ptrdiff_t>(g.padding);
  if (row < 0 || column < 0 || row >= static_cast<std::ptrdiff_t>(g.height) ||
      column >= static_cast<std::ptrdiff_t>(g.width))
    return 0.0F;
  return image[(c * g.height + static_cast<std::size_t>(row)) * g.width + static_cast<std::size_t>(column)];
}

struct Patches {
  std::vector<float> images, padded, columns;
  float* start;

  Patches(const ConvGeometry& g, std::size_t count)
      : images(random_floats(count * g.channels * g.height * g.width, 1)),
        padded(count * g.padded_size() + 2 * kIm2colSlack),
        columns(g.patch() * count * g.positions() + 2 * kIm2colSlack,
                std::numeric_limits<float>::quiet_NaN()),
        start(columns.data() + kIm2colSlack) {
    pad_images(g, images.data(), count, padded.data() + kIm2colSlack);
    im2col(g, padded.data() + kIm2colSlack, count, start);
  }
};

TEST(Im2col, HoldsEveryPixelOfEveryPatch) {
  constexpr std::size_t kImages = 3;
  for (const ConvGeometry& g : kGeometries) {
    const Patches patches(g, kImages);
    const std::size_t P = g.positions();
    for (std::size_t k = 0; k < g.patch(); ++k)
      for (std::size_t at = 0; at < kImages * P; ++at)
        ASSERT_EQ(patches.start[k * kImages * P + at],
                  pixel(g, patches.images.data() + at / P * g.channels * g.height * g.width, k, at % P))
            << "kernel " << g.kernel << " stride " << g.stride << " row " << k << " position " << at;
  }
}

TEST(Im2col, PatchRowsAreTheTranspose) {
  const ConvGeometry g{2, 6, 7, 3, 1, 1};
  const Patches patches(g, 2);
  std::vector<float> rows(g.positions() * g.patch());
  patch_rows(g, patches.start, 2, 1, rows.data());
  const float* second = patches.images.data() + g.channels * g.height * g.width;
  for (std::size_t p = 0; p < g.positions(); ++p)
    for (std::size_t k = 0; k < g.patch(); ++k) ASSERT_EQ(rows[p * g.patch() + k], pixel(g, second, k, p));
}

// col2im is the adjoint: it adds each entry to the pixel it came from.
TEST(Im2col, Col2imAddsEntriesBackToTheirPixels) {
  constexpr std::size_t kImages = 2;
  for (const ConvGeometry& g : kGeometries) {
    const std::size_t P = g.positions();
    const std::size_t size = g.channels * g.height * g.width;
    std::vector<float> columns(g.patch() * kImages * P + 2 * kIm2colSlack,
                               std::numeric_limits<float>::quiet_NaN());
    const std::vector<float> values = random_floats(g.patch() * kImages * P, 4);
    std::copy(values.begin(), values.end(), columns.begin() + kIm2colSlack);
    std::vector<float> images(kImages * size);
    col2im(g, columns.data() + kIm2colSlack, kImages, images.data());

    // Which pixel an entry comes from is found by gathering an image whose pixels are their own numbers.
    std::vector<float> numbers(size);
    for (std::size_t i = 0; i < size; ++i) numbers[i] = static_cast<float>(i + 1);
    std::vector<double> expected(kImages * size, 0.0);
    for (std::size_t k = 0; k < g.patch(); ++k)
      for (std::size_t at = 0; at < kImages * P; ++at) {
        const auto number = static_cast<std::size_t>(pixel(g, numbers.data(), k, at % P));
        if (number > 0)
          expected[at / P * size + number - 1] += static_cast<double>(values[k * kImages * P + at]);
      }
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(static_cast<double>(images[i]), expected[i], 1e-4)
          << "kernel " << g.kernel << " stride " << g.stride << " pixel " << i;
  }
}

TEST(Pooling, TakesTheFirstLargestAndGivesTheGradientBack) {
  for (const std::size_t height : {2, 3, 14, 15})
    for (const std::size_t width : {2, 3, 7, 14, 16, 17, 28, 40})
      for (const bool relu : {false, true}) {
        constexpr std::size_t kCount = 3;
        const PoolPlanes planes{kCount, height, width, height * width};
        std::vector<float> in = random_floats(kCount * height * width, 5);
        for (float& value : in) value = std::round(value);  // so that windows have equals
        const std::vector<float> bias = {0.25F, -0.75F, 0.0F};
        const std::size_t pooled_size = planes.pooled_height() * planes.pooled_width();
        std::vector<float> pooled(kCount * pooled_size);
        std::vector<std::uint8_t> choice(pooled.size());
        pool2x2(planes, in.data(), bias.data(), relu, pooled.data(), choice.data());
        const std::vector<float> gradient = random_floats(pooled.size(), 6);
        std::vector<float> back(in.size(), std::numeric_limits<float>::quiet_NaN());
        unpool2x2(planes, gradient.data(), choice.data(), back.data());

        std::vector<float> expected_back(in.size(), 0.0F);
        for (std::size_t plane = 0; plane < kCount; ++plane)
          for (std::size_t i = 0; i < pooled_size; ++i) {
            const std::size_t corner =
                (plane * height + i / planes.pooled_width() * 2) * width + i % planes.pooled_width() * 2;
            const std::size_t window[4] = {corner, corner + 1, corner + width, corner + width + 1};
            std::size_t best = window[0];
            for (const std::size_t candidate : window)
              if (in[candidate] > in[best]) best = candidate;
            const float value = in[best] + bias[plane];
            ASSERT_EQ(pooled[plane * pooled_size + i], relu && value < 0.0F ? 0.0F : value);
            if (!relu || value > 0.0F) expected_back[best] = gradient[plane * pooled_size + i];
          }
        ASSERT_EQ(back, expected_back) << height << "x" << width;
      }
}

TEST(Pooling, NanStaysNan) {
  for (std::size_t where = 0; where < 4; ++where) {
    float in[4] = {3.0F, 1.0F, 2.0F, 4.0F};
    in[where] = std::numeric_limits<float>::quiet_NaN();
    float pooled = 0.0F;
    std::uint8_t choice = 0;
    pool2x2({1, 2, 2, 4}, in, nullptr, true, &pooled, &choice);
    EXPECT_TRUE(std::isnan(pooled));
  }
}

TEST(Elementwise, ReluKeepsNanAndSumsKeepEverything) {
  float values[3] = {-1.0F, 2.0F, std::numeric_limits<float>::quiet_NaN()};
  relu(values, values, 3);
  EXPECT_EQ(values[0], 0.0F);
  EXPECT_EQ(values[1], 2.0F);
  EXPECT_TRUE(std::isnan(values[2]));
  // 1 + 2 + … + 37 = 37 * 38 / 2; squares: 37 * 38 * 75 / 6.
  std::vector<float> numbers(37);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i + 1);
  EXPECT_EQ(sum(numbers.data(), numbers.size()), 703.0F);
  EXPECT_EQ(square_norm(numbers.data(), numbers.size()), 17575.0);
}

TEST(Initializer, HasTheNamedSpread) {
  constexpr Fans kFans{300, 100};
  std::vector<float> weights(30000);
  std::vector<float> biases(100);
  const auto deviation = [&] { return std::sqrt(square_norm(weights.data(), weights.size()) / 30000.0); };
  Random random(1, Stream::init);
  // The deviation of U(-a, a) is a / sqrt(3); 2 % is over four standard errors of 30,000 draws.
  initialize(Initializer::glorot_uniform, kFans, weights, biases, random);
  EXPECT_NEAR(deviation(), std::sqrt(6.0 / 400.0 / 3.0), 0.02 * std::sqrt(6.0 / 400.0 / 3.0));
  EXPECT_EQ(square_norm(biases.data(), 100), 0.0);
  initialize(Initializer::he_normal, kFans, weights, biases, random);
  EXPECT_NEAR(deviation(), std::sqrt(2.0 / 300.0), 0.02 * std::sqrt(2.0 / 300.0));
  initialize(Initializer::fan_in_uniform, kFans, weights, biases, random);
  EXPECT_NEAR(deviation(), std::sqrt(1.0 / 900.0), 0.02 * std::sqrt(1.0 / 900.0));
  EXPECT_GT(square_norm(biases.data(), 100), 0.0);
  initialize(Initializer::zeros, kFans, weights, biases, random);
  EXPECT_EQ(deviation(), 0.0);
}

// A convolution written from its definition, in double, then bias, ReLU and pooling.
std::vector<double> reference_conv(const ConvGeometry& g, std::size_t out, std::span<const float> parameters,
                                   const float* image) {
  std::vector<double> z(out * g.positions());
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t p = 0; p < g.positions(); ++p) {
      double total = static_cast<double>(parameters[out * g.patch() + o]);
      for (std::size_t k = 0; k < g.patch(); ++k)
        total +=
            static_cast<double>(parameters[o * g.patch() + k]) * static_cast<double>(pixel(g, image, k, p));
      z[o * g.positions() + p] = total;
    }
  return z;
}

TEST(Conv2d, IsTheSumOverItsKernel) {
  for (const ConvGeometry& g : kGeometries) {
    constexpr std::size_t kBatch = 3;
    constexpr std::size_t kOut = 5;
    const auto extent = [](std::size_t value) { return static_cast<std::int64_t>(value); };
    for (const bool relu : {false, true}) {
      const auto model = sequential(DataSpec{{extent(g.channels), extent(g.height), extent(g.width)}},
                                    {conv2d("conv", {.channels = kOut,
                                                     .kernel = extent(g.kernel),
                                                     .stride = extent(g.stride),
                                                     .padding = extent(g.padding),
                                                     .relu = relu})});
      const std::vector<float> parameters = random_floats(model->layout()->size(), 7);
      const std::size_t size = g.channels * g.height * g.width;
      const std::vector<float> images = random_floats(kBatch * size, 8);
      const auto workspace = model->workspace(kBatch);
      const auto y = model->forward(parameters, {.size = kBatch, .features = images.data()}, *workspace, {});
      ASSERT_EQ(y.size(), kBatch * kOut * g.positions());
      for (std::size_t i = 0; i < kBatch; ++i) {
        const auto expected = reference_conv(g, kOut, parameters, images.data() + i * size);
        for (std::size_t j = 0; j < expected.size(); ++j)
          ASSERT_NEAR(static_cast<double>(y[i * expected.size() + j]),
                      relu ? std::max(0.0, expected[j]) : expected[j], 1e-3);
      }
    }
  }
}

// The fused form and the three layers it stands for, forward and backward.
TEST(Conv2d, FusedReluAndPoolingEqualSeparateLayers) {
  const Shape input{2, 9, 12};
  const Conv2dOptions bare{.channels = 6, .kernel = 3, .padding = 1};
  Conv2dOptions whole = bare;
  whole.relu = true;
  whole.pool = true;
  const auto fused =
      sequential(DataSpec{input}, {conv2d("conv", whole), flatten(), dense("fc", {.outputs = 3})});
  const auto apart = sequential(
      DataSpec{input}, {conv2d("conv", bare), relu(), max_pool2x2(), flatten(), dense("fc", {.outputs = 3})});
  ASSERT_EQ(fused->layout()->fingerprint(), apart->layout()->fingerprint());

  constexpr std::size_t kBatch = 4;
  const std::vector<float> parameters = random_floats(fused->layout()->size(), 9);
  const std::vector<float> images = random_floats(kBatch * 216, 10);
  const std::vector<float> logit_gradient = random_floats(kBatch * 3, 11);
  const Batch batch{.size = kBatch, .features = images.data()};
  std::vector<std::vector<float>> results;
  for (const Model* model : {fused.get(), apart.get()}) {
    const auto workspace = model->workspace(kBatch);
    std::vector<float> result(model->layout()->size() + images.size());
    const std::span<float> gradient(result.data(), model->layout()->size());
    const auto logits = model->forward(parameters, batch, *workspace, {});
    model->backward(parameters, batch, *workspace, logit_gradient, gradient,
                    {.input_gradient = {result.data() + gradient.size(), images.size()}});
    result.insert(result.end(), logits.begin(), logits.end());
    results.push_back(std::move(result));
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) ASSERT_NEAR(results[0][i], results[1][i], 1e-4F) << i;
}

TEST(Layers, RefuseShapesThatDoNotFit) {
  const auto message = [](const Shape& input, const LayerRecipe& layer) -> std::string {
    try {
      (void)sequential(DataSpec{input}, {layer});
    } catch (const UserError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_NE(message({784}, conv2d("conv1", {.channels = 2, .kernel = 3})).find("(784)"), std::string::npos);
  EXPECT_NE(message({1, 2, 2}, conv2d("conv1", {.channels = 2, .kernel = 3})).find("does not fit"),
            std::string::npos);
  EXPECT_NE(message({1, 3, 3}, conv2d("c", {.channels = 2, .kernel = 3, .pool = true})).find("pooling"),
            std::string::npos);
  EXPECT_NE(message({1, 1, 8}, max_pool2x2()).find("at least 2 x 2"), std::string::npos);
}

}  // namespace
}  // namespace fedloom
