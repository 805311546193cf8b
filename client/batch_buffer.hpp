// Examples of a store as a batch of a model: the one place where data sets and models meet. Gathers into
// buffers that grow to the largest batch and are then reused. Which examples, and when, is for the caller.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/random.hpp"
#include "core/tensor.hpp"
#include "datasets/examples.hpp"
#include "models/model.hpp"

namespace fedloom {

class BatchBuffer {
 public:
  /// The examples at `indices`, valid until the next call. Where tokens are hidden (DataSpec::predictions),
  /// by draws from `masking`, or where it is nullptr as they always are for evaluation.
  Batch gather(const Examples& examples, std::span<const std::uint32_t> indices, Random* masking = nullptr);
  /// The float features of the latest batch, for changes in place.
  float* features() { return features_.data(); }

 private:
  FloatBuffer features_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::uint8_t> mask_;
  std::vector<std::int32_t> places_;
  std::vector<std::int32_t> targets_;
};

}  // namespace fedloom
