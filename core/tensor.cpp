// Constructors of the plain tensor value.
#include "core/tensor.hpp"

#include <utility>

namespace fedloom {

std::size_t element_count(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  return count;
}

Tensor Tensor::zeros(std::vector<std::int64_t> shape) {
  const std::size_t count = element_count(shape);
  return {std::move(shape), FloatBuffer(count, 0.0F)};
}

Tensor Tensor::vector(FloatBuffer values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return {{count}, std::move(values)};
}

Tensor Tensor::scalar(float value) { return {{}, FloatBuffer{value}}; }

}  // namespace fedloom
