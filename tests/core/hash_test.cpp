// SHA-256 against the vectors of FIPS 180-4 (NIST's "abc" and two-block examples), XXH3 against the value its
// specification gives for the empty input; and what the rest relies on: increments do not matter.
#include "core/hash.hpp"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, MatchesThePublishedVectors) {
  Sha256 hash;
  EXPECT_EQ(hash.hex(), kNothing);
  hash.update("abc");
  EXPECT_EQ(hash.hex(), kAbc);
  Sha256 two_blocks;
  two_blocks.update("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
  EXPECT_EQ(two_blocks.hex(), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, TheDigestOfAPartDoesNotDisturbTheRest) {
  Sha256 hash;
  hash.update("a");
  EXPECT_NE(hash.hex(), kAbc);
  hash.update("bc");
  EXPECT_EQ(hash.hex(), kAbc);
  EXPECT_EQ(hash.hex(), kAbc);
}

TEST(Sha256, MovesTakeTheStateAlong) {
  Sha256 first;
  first.update("ab");
  Sha256 second = std::move(first);
  second.update("c");
  Sha256 third;
  third = std::move(second);
  EXPECT_EQ(third.hex(), kAbc);
}

// The model hash is over bits, so zeros of different sign differ although they are equal numbers.
TEST(Sha256, OfFloatsIsOverTheirBits) {
  const std::vector<float> values = {1.0F, -2.5F};
  const std::array<unsigned char, 8> bits = {0x00, 0x00, 0x80, 0x3f,
                                             0x00, 0x00, 0x20, 0xc0};  // little-endian
  EXPECT_EQ(sha256_hex(std::span<const float>(values)), sha256_hex(std::as_bytes(std::span(bits))));
  const std::vector<float> plus = {0.0F};
  const std::vector<float> minus = {-0.0F};
  EXPECT_NE(sha256_hex(std::span<const float>(plus)), sha256_hex(std::span<const float>(minus)));
}

TEST(Hash64, MatchesThePublishedValueAndTellsTextsApart) {
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2ULL);  // XXH3_64bits of nothing, seed 0
  EXPECT_EQ(hash64("fedloom"), hash64(std::as_bytes(std::span("fedloom", 7))));
  EXPECT_NE(hash64("fedloom"), hash64("fedlooM"));
}

}  // namespace
}  // namespace fedloom
