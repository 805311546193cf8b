// Dropout at the end of a branch, before it is added to what runs around it. N. Srivastava et al., "Dropout:
// A Simple Way to Prevent Neural Networks from Overfitting", JMLR 2014.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/error.hpp"
#include "models/layers/layer.hpp"

namespace fedloom {

/// values := values / (1 - rate) where kept, 0 elsewhere; mask (n) := 1 where kept, in draws of one 32-bit
/// number.
inline void drop(const ForwardPass& pass, float rate, std::size_t n, float* values, std::uint8_t* mask) {
  FEDLOOM_CHECK(pass.options.random != nullptr, "dropout at a rate of {} needs a random sequence", rate);
  constexpr double kRange = 4294967296.0;
  const auto bound = static_cast<std::uint64_t>(static_cast<double>(rate) * kRange);
  const float factor = 1.0F / (1.0F - rate);
  for (std::size_t i = 0; i < n; ++i) {
    mask[i] = pass.options.random->next32() >= bound ? 1 : 0;
    values[i] = mask[i] != 0 ? values[i] * factor : 0.0F;
  }
}

/// The same mask again, for gradients.
inline void drop_again(float rate, std::size_t n, const std::uint8_t* mask, float* values) {
  const float factor = 1.0F / (1.0F - rate);
  for (std::size_t i = 0; i < n; ++i) values[i] = mask[i] != 0 ? values[i] * factor : 0.0F;
}

}  // namespace fedloom
