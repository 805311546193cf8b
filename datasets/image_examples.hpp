// Pictures in memory as they were published, one byte a value; normalisation happens on the way out. A
// fourth of the memory of floats, and a batch is made at memory speed.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/examples.hpp"

namespace fedloom {

/// Value v in 0..255 of channel c becomes (v / 255 - mean[c]) / deviation[c]. One number for all channels is
/// allowed; deviations are > 0. The default leaves pixels in [0, 1].
struct Normalisation {
  std::vector<double> mean{0.0};
  std::vector<double> deviation{1.0};
};

class ImageExamples final : public Examples {
 public:
  /// `pixels`: (N, width) in the order of spec.shape, channels first. `labels`: N values in [0, classes).
  /// `groups`: the natural client of each example, or empty. Throws UserError when a count disagrees;
  /// `place` names the source in that error.
  ImageExamples(DataSpec spec, std::vector<std::uint8_t> pixels, std::vector<std::uint8_t> labels,
                std::vector<std::uint8_t> groups, const Normalisation& normalisation,
                const std::string& place);

  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return labels_.size(); }
  std::int32_t label(std::size_t i) const override { return labels_[i]; }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override;
  std::optional<std::uint32_t> group(std::size_t i) const override;
  std::size_t memory_bytes() const override { return pixels_.size() + labels_.size() + groups_.size(); }

 private:
  DataSpec spec_;
  std::size_t width_;
  std::size_t channels_;
  std::vector<std::uint8_t> pixels_;
  std::vector<std::uint8_t> labels_;
  std::vector<std::uint8_t> groups_;
  std::vector<float> scale_;  // per channel: value = v * scale + shift
  std::vector<float> shift_;
};

}  // namespace fedloom
