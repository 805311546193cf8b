// One picture at a time, row by row, so that a row fits the cache and nothing is copied twice.
#include "datasets/augmentation.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace fedloom {
namespace {

/// How one picture is changed: out(y, x) = in(y + down, x + right), of the mirrored picture where `mirrored`.
struct Shift {
  std::int64_t down = 0;
  std::int64_t right = 0;
  bool mirrored = false;
};

Shift draw(const Augmentation& how, Random& random) {
  Shift shift;
  if (how.crop > 0) {
    const auto margin = static_cast<std::int64_t>(how.crop);
    shift.down = static_cast<std::int64_t>(random.below(2 * how.crop + 1)) - margin;
    shift.right = static_cast<std::int64_t>(random.below(2 * how.crop + 1)) - margin;
  }
  if (how.flip) shift.mirrored = random.below(2) == 1;
  return shift;
}

/// `to` := the row `from` of `width` values, mirrored, shifted and filled up with zeros; they do not overlap.
void move_row(const float* from, float* to, std::int64_t width, const Shift& shift) {
  const std::int64_t begin = std::max<std::int64_t>(0, -shift.right);
  const std::int64_t end = std::min(width, width - shift.right);
  std::fill(to, to + begin, 0.0F);
  if (shift.mirrored)
    std::reverse_copy(from + (width - shift.right - end), from + (width - shift.right - begin), to + begin);
  else
    std::copy(from + begin + shift.right, from + end + shift.right, to + begin);
  std::fill(to + end, to + width, 0.0F);
}

void move_plane(float* plane, std::int64_t height, std::int64_t width, const Shift& shift, float* row) {
  // Rows are taken in the order in which none is overwritten before it has been read.
  const std::int64_t step = shift.down >= 0 ? 1 : -1;
  for (std::int64_t i = 0; i < height; ++i) {
    const std::int64_t y = step > 0 ? i : height - 1 - i;
    const std::int64_t source = y + shift.down;
    float* to = plane + y * width;
    if (source < 0 || source >= height) {
      std::fill(to, to + width, 0.0F);
      continue;
    }
    move_row(plane + source * width, row, width, shift);
    std::copy(row, row + width, to);
  }
}

}  // namespace

void check_augmentation(const Augmentation& how, const DataSpec& spec) {
  if (!how.any()) return;
  if (spec.vocabulary > 0 || spec.shape.size() != 3)
    throw user_error("data.augment: this data is no pictures (channels, height, width); leave augment out");
  const auto side = static_cast<std::uint64_t>(std::min(spec.shape[1], spec.shape[2]));
  if (how.crop >= side)
    throw user_error("data.augment.crop: found {}, but a picture is {} x {}; shift by less than a side",
                     how.crop, spec.shape[1], spec.shape[2]);
}

void augment(const Augmentation& how, const DataSpec& spec, std::size_t count, float* features,
             Random& random, std::vector<float>& row) {
  FEDLOOM_CHECK(spec.shape.size() == 3, "augmenting examples of {} dimensions", spec.shape.size());
  row.resize(static_cast<std::size_t>(spec.shape[2]));
  for (std::size_t i = 0; i < count; ++i) {
    const Shift shift = draw(how, random);
    for (std::int64_t c = 0; c < spec.shape[0]; ++c, features += spec.shape[1] * spec.shape[2])
      move_plane(features, spec.shape[1], spec.shape[2], shift, row.data());
  }
}

}  // namespace fedloom
