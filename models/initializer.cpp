// Weight initialisation.
#include "models/initializer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::array<std::pair<const char*, Initializer>, 5> kNames{{
    {"zeros", Initializer::zeros},
    {"glorot_uniform", Initializer::glorot_uniform},
    {"he_normal", Initializer::he_normal},
    {"fan_in_uniform", Initializer::fan_in_uniform},
    {"truncated_normal", Initializer::truncated_normal},
}};

void fill_uniform(std::span<float> values, double limit, Random& random) {
  for (float& value : values) value = static_cast<float>(random.uniform(-limit, limit));
}

}  // namespace

void truncated_normal(std::span<float> values, Random& random) {
  constexpr double kDeviation = 0.02;
  for (float& value : values) {
    double draw = random.normal();
    while (std::abs(draw) > 2.0) draw = random.normal();
    value = static_cast<float>(draw * kDeviation);
  }
}

Bounds initializer_names() {
  std::vector<std::string> names;
  for (const auto& [name, how] : kNames) names.emplace_back(name);
  return one_of(std::move(names));
}

Initializer initializer(const std::string& name) {
  const auto* const it =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.first == name; });
  FEDLOOM_CHECK(it != kNames.end(), "no initializer is called '{}'", name);
  return it->second;
}

void initialize(Initializer how, Fans fans, std::span<float> weights, std::span<float> biases,
                Random& random) {
  std::fill(weights.begin(), weights.end(), 0.0F);
  std::fill(biases.begin(), biases.end(), 0.0F);
  const auto in = static_cast<double>(fans.in);
  const auto out = static_cast<double>(fans.out);
  switch (how) {
    case Initializer::zeros: return;
    case Initializer::glorot_uniform: fill_uniform(weights, std::sqrt(6.0 / (in + out)), random); return;
    case Initializer::he_normal:
      for (float& weight : weights) weight = static_cast<float>(random.normal(0.0, std::sqrt(2.0 / in)));
      return;
    case Initializer::fan_in_uniform:
      fill_uniform(weights, 1.0 / std::sqrt(in), random);
      fill_uniform(biases, 1.0 / std::sqrt(in), random);
      return;
    case Initializer::truncated_normal: truncated_normal(weights, random); return;
  }
}

}  // namespace fedloom
