// Hashes by purpose: XXH3 for fingerprints and checksums (fast, not cryptographic), SHA-256 for what is
// published (model_hash, events_hash, data files).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace fedloom {

/// XXH3 64-bit of the bytes.
std::uint64_t hash64(std::span<const std::byte> bytes);
std::uint64_t hash64(std::string_view text);

/// Incremental SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// Hex digest of everything so far; the state goes on, so more may follow.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::span<const std::byte> bytes);
/// SHA-256 over the little-endian bits of the floats: the model_hash of the run summary.
std::string sha256_hex(std::span<const float> values);

/// The first 64 bits of the SHA-256 of some numbers: a seed that tells nothing of those it was made of.
std::uint64_t mixed(std::initializer_list<std::uint64_t> numbers);

}  // namespace fedloom
