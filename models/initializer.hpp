// How weights start. Names and formulas are those of the usual frameworks, drawn from our keyed generator.
// Which one a model uses by default is the model's choice.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/config.hpp"
#include "core/random.hpp"

namespace fedloom {

/// fan_in and fan_out are the numbers of values that one output is made of and that one input goes into.
enum class Initializer {
  zeros,
  glorot_uniform,    // weights U(-a, a), a = sqrt(6 / (fan_in + fan_out)); biases 0. Glorot and Bengio 2010
  he_normal,         // weights N(0, 2 / fan_in); biases 0. He et al. 2015
  fan_in_uniform,    // weights and biases U(-a, a), a = 1 / sqrt(fan_in): PyTorch's default
  truncated_normal,  // weights N(0, 0.02^2) cut at two deviations, biases 0: transformers. Dosovitskiy et al.
                     // 2021
};

/// Allowed names, for a config field.
Bounds initializer_names();
/// The initializer called `name`; another name is a programmer error (the config was checked).
Initializer initializer(const std::string& name);

/// Fills with N(0, 0.02^2) cut at two deviations: tokens, positions and matrices of transformers.
void truncated_normal(std::span<float> values, Random& random);

struct Fans {
  std::size_t in;
  std::size_t out;
};

/// Fills one layer's weights and biases, in this order.
void initialize(Initializer how, Fans fans, std::span<float> weights, std::span<float> biases,
                Random& random);

}  // namespace fedloom
