// Picking rows out of a stream that arrives in any pieces.
#include "datasets/kept_rows.hpp"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fedloom {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Four rows of three bytes, 0 .. 11, in pieces of `piece` bytes.
std::vector<std::uint8_t> sieved(const KeptRows& keep, std::size_t piece) {
  std::vector<std::uint8_t> stream(12);
  std::iota(stream.begin(), stream.end(), std::uint8_t{0});
  RowSieve sieve(keep, 3);
  for (std::size_t at = 0; at < stream.size(); at += piece)
    sieve.take(std::span(stream).subspan(at, std::min(piece, stream.size() - at)));
  return sieve.release();
}

TEST(KeptRows, AreSortedAndOnce) {
  EXPECT_THAT(KeptRows::of({7, 2, 7, 0}).listed(), ElementsAre(0, 2, 7));
  EXPECT_FALSE(KeptRows::of({0}).is_all());
  EXPECT_TRUE(KeptRows::all().is_all());
  EXPECT_TRUE(KeptRows::unread().is_unread());
  EXPECT_FALSE(KeptRows::none().is_unread());
  EXPECT_THAT(KeptRows::none().listed(), IsEmpty());
}

TEST(RowSieve, TheSizeOfThePiecesDoesNotMatter) {
  for (std::size_t piece = 1; piece <= 12; ++piece) {
    SCOPED_TRACE(piece);
    EXPECT_EQ(sieved(KeptRows::all(), piece).size(), 12U);
    EXPECT_THAT(sieved(KeptRows::none(), piece), IsEmpty());
    EXPECT_THAT(sieved(KeptRows::of({3}), piece), ElementsAre(9, 10, 11));
    EXPECT_THAT(sieved(KeptRows::of({2, 1}), piece), ElementsAre(3, 4, 5, 6, 7, 8));
    EXPECT_THAT(sieved(KeptRows::of({0, 2, 9}), piece), ElementsAre(0, 1, 2, 6, 7, 8));
  }
}

TEST(RowSieve, ALyingWidthReservesNothing) {
  RowSieve sieve(KeptRows::of({0, 1, 2, 3}), std::size_t{1} << 40);
  sieve.take(std::vector<std::uint8_t>{1, 2, 3});
  const std::vector<std::uint8_t> kept = sieve.release();
  EXPECT_THAT(kept, ElementsAre(1, 2, 3));
  EXPECT_LT(kept.capacity(), 1000U);
}

}  // namespace
}  // namespace fedloom
