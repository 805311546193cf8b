// Pictures in memory as they were published, one byte a value; normalisation happens on the way out. A
// fourth of the memory of floats, and a batch is made at memory speed.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/examples.hpp"
#include "datasets/kept_rows.hpp"

namespace fedloom {

/// Value v in 0..255 of channel c becomes (v / 255 - mean[c]) / deviation[c]. One number for all channels is
/// allowed; deviations are > 0. The default leaves pixels in [0, 1].
struct Normalisation {
  std::vector<double> mean{0.0};
  std::vector<double> deviation{1.0};
};

/// What was read of the pictures of a set.
struct KeptPixels {
  std::size_t count = 0;  // N, pictures in the set
  KeptRows rows;
  std::vector<std::uint8_t> pixels;  // (rows, width), a row as in DataSpec::shape, channels first
};

class ImageExamples final : public Examples {
 public:
  /// `labels`: N values in [0, classes). `groups`: the natural client of each example, or empty. Throws
  /// UserError when a count disagrees or a row is kept that is not there; `place` names the source in that
  /// error.
  ImageExamples(DataSpec spec, KeptPixels images, std::vector<std::uint8_t> labels,
                std::vector<std::uint8_t> groups, const Normalisation& normalisation,
                const std::string& place);

  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return labels_.size(); }
  std::int32_t label(std::size_t i) const override { return labels_[i]; }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override;
  std::optional<std::uint32_t> group(std::size_t i) const override;
  bool holds(std::size_t i) const override { return row_of(i) != kNotHeld; }
  std::size_t memory_bytes() const override {
    return pixels_.size() + labels_.size() + groups_.size() + rows_.size() * sizeof(rows_[0]);
  }

 private:
  static constexpr std::uint32_t kNotHeld = 0xffffffff;
  /// Where the pixels of example i are.
  std::size_t row_of(std::size_t i) const {
    if (all_) return i;
    return rows_.empty() ? kNotHeld : rows_[i];
  }

  DataSpec spec_;
  std::size_t width_;
  std::size_t channels_;
  bool all_;
  std::vector<std::uint32_t> rows_;  // (N) into pixels_, or kNotHeld; empty when all or none are kept
  std::vector<std::uint8_t> pixels_;
  std::vector<std::uint8_t> labels_;
  std::vector<std::uint8_t> groups_;
  std::vector<float> scale_;  // per channel: value = v * scale + shift
  std::vector<float> shift_;
};

}  // namespace fedloom
