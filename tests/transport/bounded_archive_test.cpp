// The checked archive: a length that lies neither allocates nor reads beyond the bytes that are there.
#include "transport/bounded_archive.hpp"

#include <cstring>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

// Counts how many of itself exist: what a lying count would have made before anything was read.
struct Counted {
  static inline std::size_t made = 0;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  Counted() { ++made; }
  Counted(Counted&&) = default;
  Counted& operator=(Counted&&) = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(a, b);
  }
};

TEST(BoundedArchive, ALyingCountMakesNoMoreThanTheBytesHold) {
  std::string bytes(1000, '\0');
  const std::uint64_t count = bytes.size();
  std::memcpy(bytes.data(), &count, sizeof count);
  for (const std::uint64_t lie :
       {std::uint64_t{992}, std::uint64_t{993}, ~std::uint64_t{0}, std::uint64_t{1} << 61U}) {
    std::memcpy(bytes.data(), &lie, sizeof lie);
    std::vector<Counted> values;
    Counted::made = 0;
    ByteReader reader(bytes);
    EXPECT_THROW(reader(values), MalformedBytes);
    EXPECT_LE(Counted::made, 992U / 16 + 1);
  }
}

TEST(BoundedArchive, LyingLengthsOfTextsAndNumbersAllocateNothing) {
  for (const std::uint64_t lie : {std::uint64_t{9}, ~std::uint64_t{0}, std::uint64_t{1} << 61U}) {
    std::string bytes(16, '\0');
    std::memcpy(bytes.data(), &lie, sizeof lie);
    std::string text;
    std::vector<std::int64_t> numbers;
    std::map<std::string, double> map;
    EXPECT_THROW(ByteReader{bytes}(text), MalformedBytes);
    EXPECT_THROW(ByteReader{bytes}(numbers), MalformedBytes);
    EXPECT_THROW(ByteReader{bytes}(map), MalformedBytes);
  }
}

}  // namespace
}  // namespace fedloom
