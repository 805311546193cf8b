// A sheet is a PNG whose every row of pixels is one small picture laid out flat: how CIFAR-10 travels as
// PNG. Turned back into the records of the binary version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fedloom {

/// `sheet` is an RGB PNG of labels.size() rows of `pixels` pixels. The result is labels.size() records of one
/// label byte and 3 * pixels bytes, channel by channel. Throws UserError (naming `name`) when it is no PNG,
/// is damaged, or has another size.
std::vector<std::uint8_t> sheet_to_records(std::span<const std::uint8_t> sheet,
                                           std::span<const std::uint8_t> labels, std::size_t pixels,
                                           const std::string& name);

}  // namespace fedloom
