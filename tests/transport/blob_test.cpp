// Blobs: who may write, what is shared, when memory goes.
#include "core/blob.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

TEST(Blob, AllocatedMemoryIsAlignedAndWritableUntilShared) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{5} << 20U}) {
    Blob blob = Blob::allocate(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blob.data()) % Blob::kAlignment, 0U);
    std::ranges::fill(blob.writable(), std::byte{7});
    const Blob shared = blob;
    EXPECT_EQ(shared.bytes().back(), std::byte{7});
    EXPECT_DEATH(blob.writable(), "written to while 2 hold it");
  }
  EXPECT_TRUE(Blob::allocate(0).empty());
  EXPECT_TRUE(Blob::allocate(0).writable().empty());
}

TEST(Blob, ViewsKeepTheirOwnerAlive) {
  auto owner = std::make_shared<FloatBuffer>(FloatBuffer{1, 2, 3, 4});
  const std::weak_ptr<FloatBuffer> watched = owner;
  Blob blob = Blob::view(owner, *owner);
  EXPECT_EQ(static_cast<const void*>(blob.data()), owner->data());
  owner.reset();
  ASSERT_FALSE(watched.expired());
  Blob part = blob.slice(4, 8);
  EXPECT_DEATH(part.writable(), "only views the memory of another");
  blob = {};
  ASSERT_FALSE(watched.expired());
  EXPECT_EQ(part.as<float>()[0], 2.0F);
  EXPECT_EQ(part.as<float>().size(), 2U);
  part = {};
  EXPECT_TRUE(watched.expired());
}

TEST(Blob, TakesAFloatBufferOverWithoutCopying) {
  FloatBuffer values{1, 2, 3};
  const float* place = values.data();
  const Blob blob = Blob::from(std::move(values));
  EXPECT_EQ(blob.as<float>().data(), place);
  EXPECT_EQ(blob.size(), 12U);
}

TEST(Blob, TypedViewsNeedWholeElementsInPlace) {
  const Blob blob = Blob::allocate(24);
  EXPECT_TRUE(blob.holds<std::int64_t>());
  EXPECT_EQ(blob.as<std::int64_t>().size(), 3U);
  EXPECT_FALSE(blob.slice(0, 10).holds<float>());
  EXPECT_FALSE(blob.slice(2, 8).holds<float>());
  EXPECT_DEATH(blob.slice(0, 10).as<float>(), "no array of 4-byte values");
  EXPECT_DEATH(blob.slice(20, 5), "slice");
}

TEST(Blob, CopiesAreApart) {
  const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  const Blob blob = Blob::copy_of(bytes);
  EXPECT_TRUE(std::ranges::equal(blob.bytes(), bytes));
  EXPECT_NE(blob.data(), bytes.data());
}

}  // namespace
}  // namespace fedloom
