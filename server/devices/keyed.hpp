// Randomness of devices whose key has a number of 64 bits (a slot of time, a draw) where a task number
// has 32. Up to 2^32 it is the key (seed, stream, client, number) itself.
#pragma once

#include <cstdint>

#include "core/ids.hpp"
#include "core/random.hpp"

namespace fedloom {

inline Random keyed(std::uint64_t seed, Stream stream, ClientId client, std::uint64_t number) {
  return Random(seed ^ ((number >> 32) * 0x9E3779B97F4A7C15ULL), stream, client,
                static_cast<std::uint32_t>(number));
}

}  // namespace fedloom
