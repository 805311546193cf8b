// The ziggurat's tables and its rare paths.
#include "datasets/fast_normal.hpp"

#include <array>
#include <cmath>

namespace fedloom {

namespace {

constexpr int kLayers = 128;
constexpr double kTailStart = 3.442619855899;       // R: where the tail begins
constexpr double kLayerArea = 9.91256303526217e-3;  // V: area of every layer

struct Tables {
  std::array<double, kLayers + 1> edge{};  // right edge of each layer
  std::array<double, kLayers> ratio{};     // the part of a layer that lies wholly under the curve

  Tables() {
    double height = std::exp(-0.5 * kTailStart * kTailStart);
    edge[0] = kLayerArea / height;
    edge[1] = kTailStart;
    edge[kLayers] = 0.0;
    for (std::size_t i = 2; i < kLayers; ++i) {
      edge[i] = std::sqrt(-2.0 * std::log(kLayerArea / edge[i - 1] + height));
      height = std::exp(-0.5 * edge[i] * edge[i]);
    }
    for (std::size_t i = 0; i < kLayers; ++i) ratio[i] = edge[i + 1] / edge[i];
  }
};

const Tables kTables;

}  // namespace

double FastNormal::operator()() {
  while (true) {
    const std::uint32_t bits = random_.next32();
    const std::size_t layer = bits & (kLayers - 1);
    // The upper 25 bits as a signed value, in (-1, 1) and never 0.
    const double u = (static_cast<double>(static_cast<std::int32_t>(bits) >> 7) + 0.5) * 0x1.0p-24;
    if (std::fabs(u) < kTables.ratio[layer]) return u * kTables.edge[layer];
    if (layer == 0) return tail(u < 0);
    const double x = u * kTables.edge[layer];
    const double low = std::exp(-0.5 * (kTables.edge[layer] * kTables.edge[layer] - x * x));
    const double high = std::exp(-0.5 * (kTables.edge[layer + 1] * kTables.edge[layer + 1] - x * x));
    if (high + random_.uniform() * (low - high) < 1.0) return x;
  }
}

double FastNormal::tail(bool negative) {
  while (true) {
    const double x = std::log1p(-random_.uniform()) / kTailStart;
    const double y = std::log1p(-random_.uniform());
    if (-2.0 * y >= x * x) return negative ? x - kTailStart : kTailStart - x;
  }
}

void FastNormal::fill(std::span<float> out, double mean, double deviation) {
  for (float& value : out) value = static_cast<float>(mean + deviation * (*this)());
}

}  // namespace fedloom
