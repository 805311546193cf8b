// The input of a fuzzer as a script: numbers and runs of bytes, until it is at its end. Past it come zeros
// and empty runs, so that every input is a script.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace fedloom::testing {

class Script {
 public:
  explicit Script(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool ended() const { return bytes_.empty(); }
  template <class T>
  T number() {
    T value{};
    const std::size_t size = std::min(sizeof value, bytes_.size());
    if (size > 0) std::memcpy(&value, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return value;
  }
  std::span<const std::byte> run(std::size_t size) {
    const auto taken = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace fedloom::testing
