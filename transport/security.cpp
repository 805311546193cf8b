// Keys as libzmq makes and writes them.
#include "transport/security.hpp"

#include <array>

#include <zmq.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kText = 40;
constexpr std::size_t kBytes = 32;

}  // namespace

KeyPair make_key_pair() {
  std::array<char, kText + 1> public_key{};
  std::array<char, kText + 1> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0)
    throw user_error("keys cannot be made: this libzmq was built without CURVE (libsodium)");
  return {public_key.data(), secret_key.data()};
}

std::string public_key_of(const std::string& secret_key) {
  std::array<char, kText + 1> public_key{};
  if (!is_key(secret_key) || zmq_curve_public(public_key.data(), secret_key.c_str()) != 0)
    throw user_error("not a secret key: it has 40 characters of Z85, as `fedloom keygen` writes them");
  return public_key.data();
}

bool is_key(std::string_view text) {
  std::array<std::uint8_t, kBytes> bytes{};
  return text.size() == kText && zmq_z85_decode(bytes.data(), std::string(text).c_str()) != nullptr;
}

}  // namespace fedloom
