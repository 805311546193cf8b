// Named tensors as a small checked file: magic, count, entries, XXH3 of all that. Written whole or not at
// all. For the project's own state; models for people are safetensors.
#pragma once

#include <string>
#include <string_view>

#include "core/tensor.hpp"

namespace fedloom {

/// Bytes of the file form.
std::string tensors_to_bytes(const TensorMap& tensors);
/// Throws UserError naming `source` when the bytes are truncated, altered or of another format.
TensorMap tensors_from_bytes(std::string_view bytes, const std::string& source);

}  // namespace fedloom
