// XXH3 from libxxhash and SHA-256 from OpenSSL's libcrypto.
#include "core/hash.hpp"

#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include "core/error.hpp"

namespace fedloom {

std::uint64_t hash64(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }
std::uint64_t hash64(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() { FEDLOOM_CHECK(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1, "SHA-256 unavailable"); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

void Sha256::update(std::string_view text) { EVP_DigestUpdate(state_->context, text.data(), text.size()); }

std::string Sha256::hex() const {
  State copy;
  EVP_MD_CTX_copy_ex(copy.context, state_->context);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_DigestFinal_ex(copy.context, digest.data(), &length);
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

std::string sha256_hex(std::span<const float> values) { return sha256_hex(std::as_bytes(values)); }

std::uint64_t mixed(std::initializer_list<std::uint64_t> numbers) {
  const std::string hex = sha256_hex(std::as_bytes(std::span(numbers.begin(), numbers.size())));
  return std::stoull(hex.substr(0, 16), nullptr, 16);
}

}  // namespace fedloom
