// Gathering of byte pictures: widen, scale and shift in one pass that the compiler vectorises.
#include "datasets/image_examples.hpp"

#include "core/error.hpp"
#include "core/simd.hpp"

namespace fedloom {

namespace {

double per_channel(const std::vector<double>& values, std::size_t channel) {
  return values.size() == 1 ? values[0] : values[channel];
}

}  // namespace

// Not in the unnamed namespace: a function that the loader chooses needs a name it can see.
FEDLOOM_SIMD_CLONES
void widen_pixels(const std::uint8_t* __restrict in, float* __restrict out, std::size_t count, float scale,
                  float shift) {
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) * scale + shift;
}

namespace {

constexpr std::size_t kAhead = 2;
constexpr std::size_t kCacheLine = 64;

// A hint: an address past the end does no harm.
void prefetch(const std::uint8_t* row, std::size_t bytes) {
  for (std::size_t b = 0; b < bytes; b += kCacheLine) __builtin_prefetch(row + b);
}

bool keeps_all(const KeptRows& kept, std::size_t count) {
  const auto& rows = kept.listed();
  return kept.is_all() || (!rows.empty() && rows.size() == count && rows.back() == count - 1);
}

/// From example to row of pixels.
std::vector<std::uint32_t> table_of(const KeptRows& kept, std::size_t count, std::uint32_t not_held,
                                    const std::string& place) {
  const auto& rows = kept.listed();
  if (rows.empty()) return {};
  if (rows.back() >= count)
    throw user_error("{}: example {} is asked for, but there are {}; were the files exchanged meanwhile?",
                     place, rows.back(), count);
  std::vector<std::uint32_t> table(count, not_held);
  for (std::uint32_t row = 0; row < rows.size(); ++row) table[rows[row]] = row;
  return table;
}

}  // namespace

ImageExamples::ImageExamples(DataSpec spec, KeptPixels images, std::vector<std::uint8_t> labels,
                             std::vector<std::uint8_t> groups, const Normalisation& normalisation,
                             const std::string& place)
    : spec_(std::move(spec)),
      width_(static_cast<std::size_t>(spec_.width())),
      channels_(spec_.shape.size() == 3 ? static_cast<std::size_t>(spec_.shape[0]) : 1),
      all_(keeps_all(images.rows, images.count)),
      pixels_(std::move(images.pixels)),
      labels_(std::move(labels)),
      groups_(std::move(groups)) {
  const std::size_t count = images.count;
  if (!all_) rows_ = table_of(images.rows, count, kNotHeld, place);
  const std::size_t kept = all_ ? count : images.rows.listed().size();
  FEDLOOM_CHECK(width_ > 0 && pixels_.size() == kept * width_, "{} pixels for {} rows of width {}",
                pixels_.size(), kept, width_);
  if (count != labels_.size())
    throw user_error("{}: {} images but {} labels; the two files must be of one set", place, count,
                     labels_.size());
  if (!groups_.empty() && groups_.size() != count)
    throw user_error("{}: {} images but {} client ids; there must be one for each", place, count,
                     groups_.size());
  for (const auto* values : {&normalisation.mean, &normalisation.deviation})
    if (values->size() != 1 && values->size() != channels_)
      throw user_error("{}: {} values of mean or deviation for {} channels; give one for all or one for each",
                       place, values->size(), channels_);
  for (std::size_t c = 0; c < channels_; ++c) {
    const double deviation = per_channel(normalisation.deviation, c);
    if (!(deviation > 0)) throw user_error("{}: the deviation {} must be above 0", place, deviation);
    scale_.push_back(static_cast<float>(1.0 / (255.0 * deviation)));
    shift_.push_back(static_cast<float>(-per_channel(normalisation.mean, c) / deviation));
  }
  for (std::size_t i = 0; i < count; ++i)
    if (labels_[i] >= spec_.classes)
      throw user_error("{}: label {} of example {} is outside 0..{}", place, labels_[i], i,
                       spec_.classes - 1);
}

void ImageExamples::gather(std::span<const std::uint32_t> indices, float* features,
                           std::int32_t* labels) const {
  const std::size_t plane = width_ / channels_;
  for (std::size_t row = 0; row < indices.size(); ++row) {
    const std::size_t i = indices[row];
    FEDLOOM_CHECK(i < labels_.size(), "example {} of {}", i, labels_.size());
    FEDLOOM_CHECK(holds(i), "the features of example {} are not held", i);
    const std::uint8_t* pixels = pixels_.data() + row_of(i) * width_;
    // Rows are met in random order; the hardware does not guess the next ones.
    if (row + kAhead < indices.size() && indices[row + kAhead] < labels_.size())
      prefetch(pixels_.data() + row_of(indices[row + kAhead]) * width_, width_);
    for (std::size_t c = 0; c < channels_; ++c)
      widen_pixels(pixels + c * plane, features + row * width_ + c * plane, plane, scale_[c], shift_[c]);
    labels[row] = labels_[i];
  }
}

std::optional<std::uint32_t> ImageExamples::group(std::size_t i) const {
  if (groups_.empty()) return std::nullopt;
  return groups_[i];
}

}  // namespace fedloom
