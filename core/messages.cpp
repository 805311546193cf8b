// Lookups by name and the step between tensors and payloads.
#include "core/messages.hpp"

#include <algorithm>
#include <utility>

namespace fedloom {

namespace {

const Payload* find(const std::vector<Payload>& payloads, std::string_view name) {
  const auto it =
      std::find_if(payloads.begin(), payloads.end(), [&](const Payload& p) { return p.name == name; });
  return it == payloads.end() ? nullptr : &*it;
}

}  // namespace

Payload Payload::from(std::string name, Tensor tensor) {
  return {std::move(name), std::move(tensor.shape), Blob::from(std::move(tensor.data))};
}

Tensor Payload::to_tensor() const {
  const std::span<const float> floats = values();
  return {shape, FloatBuffer(floats.begin(), floats.end())};
}

const Payload* Task::extra(std::string_view name) const { return find(extras, name); }
const Payload* Update::slot(std::string_view name) const { return find(slots, name); }

}  // namespace fedloom
