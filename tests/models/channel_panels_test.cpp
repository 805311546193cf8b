// Panels of channels against the definition: integers small enough for every sum to be exact, so that the
// expected values are the definition's to the bit, on every instruction set that this processor has.
#include "models/kernels/channel_panels.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/random.hpp"

namespace fedloom {
namespace {

std::vector<InstructionSet> sets() {
  std::vector<InstructionSet> all;
  for (const InstructionSet set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512})
    if (set <= instruction_set()) all.push_back(set);
  return all;
}

// Integers in [-4, 4]; products of two, added up 2^15 times, stay far below 2^24.
std::vector<float> integers(std::size_t count, std::uint64_t seed) {
  Random random(seed, Stream::init);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.below(9)) - 4.0F;
  return values;
}

// Index of channel o, item i (of `items`) in panels of 16 with a last one of 8 where that is enough.
std::size_t in_panels(std::size_t channels, std::size_t items, std::size_t o, std::size_t i) {
  const std::size_t first = o / 16 * 16;
  const std::size_t width = channels - first > 8 ? 16 : 8;
  return first * items + i * width + (o - first);
}

// Channels around the widths of panels.
constexpr std::size_t kChannels[] = {1, 6, 8, 9, 16, 17, 24, 25, 40, 64};

TEST(ChannelPanels, RoundChannelsUpToWholePanels) {
  EXPECT_EQ(panels::padded_channels(1), 8U);
  EXPECT_EQ(panels::padded_channels(8), 8U);
  EXPECT_EQ(panels::padded_channels(9), 16U);
  EXPECT_EQ(panels::padded_channels(17), 24U);  // 16 and 8
  EXPECT_EQ(panels::padded_channels(25), 32U);
}

TEST(ChannelPanels, GatherMovesEveryValueAndAddsUpTheRows) {
  for (const InstructionSet set : sets())
    for (const std::size_t O : kChannels)
      for (const std::size_t P : {std::size_t{1}, std::size_t{7}, std::size_t{16}, std::size_t{49}}) {
        SCOPED_TRACE(testing::Message() << "O " << O << " P " << P << " set " << static_cast<int>(set));
        const std::size_t padded = panels::padded_channels(O);
        const std::vector<float> z = integers(O * P, O + P);
        std::vector<float> gathered(padded * P, 99.0F);
        std::vector<float> sums(padded, 99.0F);
        panels::gather(O, P, z.data(), gathered.data(), sums.data(), set);
        for (std::size_t o = 0; o < padded; ++o) {
          float total = 0.0F;
          for (std::size_t p = 0; p < P; ++p) {
            const float expected = o < O ? z[o * P + p] : 0.0F;
            ASSERT_EQ(gathered[in_panels(O, P, o, p)], expected) << "channel " << o << " position " << p;
            total += expected;
          }
          ASSERT_EQ(sums[o], total) << "channel " << o;
        }
      }
}

struct Form {
  std::size_t images, channels, height, width, kernel;
};

// Parts of one image and of several (the kernel takes about 256 positions at a time), 1 to 75 taps.
const Form kForms[] = {
    {3, 1, 5, 5, 1}, {5, 2, 8, 8, 3}, {2, 3, 14, 14, 5}, {2, 1, 40, 33, 3}, {1, 4, 4, 300, 2}};

TEST(ChannelPanels, CorrelateIsTheDefinition) {
  for (const InstructionSet set : sets())
    for (const Form& f : kForms)
      for (const std::size_t O : kChannels) {
        SCOPED_TRACE(testing::Message() << "O " << O << " " << f.channels << "x" << f.height << "x" << f.width
                                        << " set " << static_cast<int>(set));
        const std::size_t x_width = f.width + f.kernel - 1;
        const std::size_t x_plane = (f.height + f.kernel - 1) * x_width;
        const std::size_t x_image = f.channels * x_plane;
        const std::size_t P = f.height * f.width;
        std::vector<std::int32_t> offsets;
        for (std::size_t c = 0; c < f.channels; ++c)
          for (std::size_t u = 0; u < f.kernel; ++u)
            for (std::size_t v = 0; v < f.kernel; ++v)
              offsets.push_back(static_cast<std::int32_t>(c * x_plane + u * x_width + v));
        const std::size_t K = offsets.size();
        const std::vector<float> x = integers(f.images * x_image, 1);
        const std::vector<float> dz = integers(f.images * O * P, 2);
        const std::size_t padded = panels::padded_channels(O);
        std::vector<float> dz_panels(f.images * padded * P);
        std::vector<float> unused(padded);
        for (std::size_t i = 0; i < f.images; ++i)
          panels::gather(O, P, dz.data() + i * O * P, dz_panels.data() + i * padded * P, unused.data(), set);

        const panels::Correlation form{O, offsets, f.height, f.width, x_width, x_image};
        std::vector<float> sums(padded * K, 99.0F);
        std::vector<float> gradient(O * K, 99.0F);
        panels::correlate(form, x.data(), dz_panels.data(), f.images, false, sums.data(), set);
        panels::scatter(O, K, sums.data(), gradient.data(), set);
        std::vector<float> expected(O * K);
        for (std::size_t o = 0; o < O; ++o)
          for (std::size_t k = 0; k < K; ++k)
            for (std::size_t image = 0; image < f.images; ++image)
              for (std::size_t i = 0; i < f.height; ++i)
                for (std::size_t j = 0; j < f.width; ++j)
                  expected[o * K + k] +=
                      dz[(image * O + o) * P + i * f.width + j] *
                      x[image * x_image + static_cast<std::size_t>(offsets[k]) + i * x_width + j];
        ASSERT_EQ(gradient, expected);

        panels::correlate(form, x.data(), dz_panels.data(), f.images, true, sums.data(), set);
        panels::scatter(O, K, sums.data(), gradient.data(), set);
        for (float& value : expected) value *= 2.0F;
        ASSERT_EQ(gradient, expected) << "added to";
      }
}

}  // namespace
}  // namespace fedloom
