// Checks of pooling windows.
#include "models/layers/pool_window.hpp"

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::int64_t kWidest = 15;  // places of a window then fit in a byte

PoolAxis axis(std::int64_t extent, const PoolOptions& options) {
  const std::int64_t stride = options.stride == 0 ? options.kernel : options.stride;
  const std::int64_t windows = (extent + 2 * options.padding - options.kernel) / stride + 1;
  return {static_cast<std::size_t>(extent), static_cast<std::size_t>(windows),
          static_cast<std::size_t>(options.kernel), static_cast<std::size_t>(stride),
          static_cast<std::size_t>(options.padding)};
}

}  // namespace

PoolForm pool_form(const char* kind, const Shape& input, const PoolOptions& options) {
  if (options.kernel < 1 || options.kernel > kWidest || options.stride < 0 || options.padding < 0 ||
      2 * options.padding > options.kernel)
    throw user_error(
        "{}: a kernel of {} with stride {} and padding {}; the kernel is 1 to {}, the padding at most half "
        "of "
        "it",
        kind, options.kernel, options.stride, options.padding, kWidest);
  const std::int64_t smallest = options.kernel - 2 * options.padding;
  if (input.size() != 3 || input[1] < smallest || input[2] < smallest || input[1] < 1 || input[2] < 1)
    throw user_error("{}: windows of {} need (channels, height, width) of at least {} x {}, found {}", kind,
                     options.kernel, smallest, smallest, to_string(input));
  return {axis(input[1], options), axis(input[2], options)};
}

}  // namespace fedloom
