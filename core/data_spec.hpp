// What a data set tells a model before either sees an example.
// It is all that models and data sets know of each other.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

namespace fedloom {

/// The form of one example. Images are (channels, height, width); flat features are (features);
/// token sequences have vocabulary > 0 and shape (length). With predictions > 0 the task is not an example's
/// label but the tokens that were hidden in it, at so many positions at most.
struct DataSpec {
  std::vector<std::int64_t> shape;
  std::int64_t classes = 0;     // labels are 0 .. classes-1
  std::int64_t vocabulary = 0;  // 0: float features; otherwise int32 tokens 0 .. vocabulary-1
  /// Where the classes are those of several heads, of which an example's label names the one it belongs to:
  /// how many each has, in order; their sum is `classes`. Empty: one head.
  std::vector<std::int64_t> heads = {};
  std::int64_t predictions = 0;     // hidden tokens of an example to be told, at most; 0: its label is
  std::uint64_t vocabulary_id = 0;  // fingerprint of what the tokens stand for; 0: not told

  /// Number of values of one example.
  std::int64_t width() const {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  }
  bool operator==(const DataSpec&) const = default;
};

}  // namespace fedloom
