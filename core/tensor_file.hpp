// Named tensors as a small checked file: magic, count, entries, XXH3 of all that. Written whole or not at
// all. For the project's own state; models for people are safetensors.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.hpp"

namespace fedloom {

/// One entry by reference, so that a large model need not be copied to be written.
struct TensorView {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;
};

/// Bytes of the file form.
std::string tensors_to_bytes(const TensorMap& tensors);
/// The same, appended to `out` without copying in between. Entries must be in order of name.
void append_tensors(std::string& out, const std::vector<TensorView>& tensors);
/// Throws UserError naming `source` when the bytes are truncated, altered or of another format.
TensorMap tensors_from_bytes(std::string_view bytes, const std::string& source);

}  // namespace fedloom
