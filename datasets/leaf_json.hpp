// The JSON files of LEAF (S. Caldas et al., arXiv 1812.01097, 2018): {"users": [...], "num_samples": [...],
// "user_data": {user: {"x": [...], "y": [...]}}}. Examples are rows of numbers with a whole number as label,
// or texts of one length with the character that follows. Which files there are is sources/leaf.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.hpp"
#include "datasets/alphabet.hpp"

namespace fedloom {

/// Numbers of users by name, in order of first appearance over all files of a set.
using LeafUsers = std::map<std::string, std::uint32_t, std::less<>>;

/// The examples of one part. `characters` holds each text with its label behind it, width + 1 bytes.
struct LeafPart {
  bool is_text = false;
  std::size_t width = 0;                 // numbers or characters of one example; 0: there is none
  FloatBuffer features;                  // (rows, width), when they are numbers
  std::vector<std::uint8_t> characters;  // (rows, width + 1), numbers of LEAF's alphabet, when they are texts
  std::vector<std::int32_t> labels;      // of rows of numbers
  std::vector<std::uint32_t> groups;     // (rows)

  std::size_t rows() const { return groups.size(); }
};

/// Adds the examples of the file with content `json` to `part`. Throws UserError: "FILE:LINE:COLUMN" for what
/// is no JSON, else the file, the user and the number of the example, what was found and expected.
void read_leaf_json(std::string_view json, const std::string& file, LeafUsers& users, LeafPart& part);

}  // namespace fedloom
