// Any bytes as an IDX file, plain or packed. An array that is accepted holds exactly what its sizes say.
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.hpp"
#include "datasets/idx.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fedloom;
  try {
    constexpr std::uint64_t kLimit = 1 << 20;  // a packed input may unpack to this and no more
    ByteSource source = ByteSource::over(std::as_bytes(std::span(data, size)), "fuzz.idx", kLimit);
    const IdxArray array = read_idx(source);
    std::uint64_t count = 1;
    for (const std::uint32_t extent : array.sizes) count *= extent;
    FEDLOOM_CHECK(!array.sizes.empty() && count == array.values.size(), "{} values for {}",
                  array.values.size(), count);
  } catch (const UserError&) {
  }
  return 0;
}
