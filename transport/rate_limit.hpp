// What a link may carry per second, kept on average: bytes are charged as they pass, and nobody goes on
// before what was charged is paid for by time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/executor.hpp"

namespace fedloom {

class RateLimit {
 public:
  /// 0: no limit.
  explicit RateLimit(std::uint64_t bytes_per_second) : rate_(static_cast<double>(bytes_per_second)) {}

  void charge(std::uint64_t bytes, Tick now) {
    if (rate_ > 0.0)
      paid_ = std::max(paid_, now) + static_cast<Tick>(static_cast<double>(bytes) / rate_ * kSecond);
  }
  void forgive() { paid_ = 0; }
  /// How long until all is paid for; 0 when it is.
  Tick wait(Tick now) const { return std::max<Tick>(paid_ - now, 0); }
  bool is_set() const { return rate_ > 0.0; }

 private:
  double rate_;
  Tick paid_ = 0;
};

}  // namespace fedloom
