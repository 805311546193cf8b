// What a channel carries: a small number, a short text of bytes and large runs of bytes. It means nothing
// here; the codec gives it meaning.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/blob.hpp"

namespace fedloom {

/// `type` and `head` belong to the codec. `blobs` travel without being copied or looked into and arrive
/// 64-byte aligned. Blobs that arrive in one message share one allocation: keeping one keeps all.
struct Message {
  std::uint16_t type = 0;
  std::string head;
  std::vector<Blob> blobs;
};

/// Bytes of head and blobs.
inline std::uint64_t payload_size(const Message& message) {
  std::uint64_t total = message.head.size();
  for (const Blob& blob : message.blobs) total += blob.size();
  return total;
}

}  // namespace fedloom
