// Unpacking, limits and every kind of damage.
#include "datasets/byte_source.hpp"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::Bytes;
using samples::error_of;
using samples::Folder;
using ::testing::HasSubstr;

Bytes pattern(std::size_t size) {
  Bytes content(size);
  for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<std::uint8_t>(i * i + i / 7);
  return content;
}

Bytes read_whole(const Bytes& packed, std::uint64_t limit = ByteSource::kDefaultLimit) {
  ByteSource source = ByteSource::over(samples::view(packed), "sample", limit);
  return samples::bytes(source.read_all());
}

TEST(ByteSource, UnpacksWhateverTheNameSays) {
  const Folder folder;
  const Bytes content = pattern(700'000);  // more than one chunk
  const std::pair<const char*, Bytes> files[] = {{"plain", content},
                                                 {"gzip", gzip(content)},
                                                 {"xz", samples::xz(content)},
                                                 {"xz", samples::xz(content, true)}};
  for (const auto& [packing, packed] : files) {
    ByteSource source = ByteSource::open(folder.write("file.bin", packed));
    EXPECT_STREQ(source.packing(), packing);
    EXPECT_EQ(samples::bytes(source.read_all()), content);
    EXPECT_TRUE(source.at_end());
  }
}

TEST(ByteSource, ReadsInPiecesWithLookAhead) {
  const Bytes content = pattern(1000);
  const Bytes packed = gzip(content);
  ByteSource source = ByteSource::over(samples::view(packed), "sample");
  Bytes all;
  while (!source.at_end()) {
    Bytes piece(7);
    const std::size_t count = source.read(std::as_writable_bytes(std::span(piece)));
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
  EXPECT_EQ(all, content);
}

TEST(ByteSource, PassesOnWhatWasAskedForAndNoMore) {
  const Bytes content = pattern(600'000);  // more than one piece
  const Bytes packed = gzip(content);
  ByteSource source = ByteSource::over(samples::view(packed), "sample");
  Bytes all;
  const auto take = [&](std::span<const std::uint8_t> piece) {
    all.insert(all.end(), piece.begin(), piece.end());
  };
  source.pass(0, "the data", take);
  EXPECT_TRUE(all.empty());
  source.pass(599'999, "the data", take);
  EXPECT_EQ(all, Bytes(content.begin(), content.end() - 1));
  EXPECT_THAT(error_of([&] { source.pass(2, "the data", take); }),
              HasSubstr("sample: the data is cut short: 1 of 2 bytes"));
}

TEST(ByteSource, JoinsGzipMembers) {
  const Bytes two = samples::joined({gzip(samples::bytes("one ")), gzip(samples::bytes("two"))});
  EXPECT_EQ(read_whole(two), samples::bytes("one two"));
}

TEST(ByteSource, EmptyFilesAreEmpty) {
  EXPECT_TRUE(read_whole({}).empty());
  EXPECT_TRUE(read_whole(gzip({})).empty());
  EXPECT_TRUE(read_whole(samples::xz({})).empty());
}

TEST(ByteSource, RefusesEveryTruncation) {
  const Bytes content = pattern(300);
  for (const Bytes& packed : {gzip(content), samples::xz(content)})
    for (std::size_t size = 6; size < packed.size(); ++size) {
      const Bytes part(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_THAT(error_of([&] { read_whole(part); }), HasSubstr("cut short"))
          << size << " of " << packed.size();
    }
}

TEST(ByteSource, NoBitOfAPackedStreamMayFlip) {
  const Bytes content = pattern(200);
  for (const Bytes& packed : {gzip(content), samples::xz(content)})
    for (std::size_t i = 0; i < packed.size(); ++i) {
      Bytes damaged = packed;
      damaged[i] ^= 0x10;
      // The gzip header has fields nobody checks (time, system); whatever is accepted must be right. A broken
      // magic makes it a plain file, which its reader judges.
      Bytes out;
      const bool accepted = error_of([&] { out = read_whole(damaged); }) == "no error";
      EXPECT_TRUE(!accepted || out == content || out == damaged) << i;
    }
}

TEST(ByteSource, RefusesBytesBehindTheStream) {
  for (const Bytes& packed : {gzip(pattern(50)), samples::xz(pattern(50))}) {
    const Bytes longer = samples::joined({packed, samples::bytes("junk")});
    EXPECT_THAT(error_of([&] { read_whole(longer); }), HasSubstr("sample: "));
  }
}

TEST(ByteSource, StopsAtTheLimit) {
  const Bytes bomb(5'000'000, 0);
  for (const Bytes& packed : {bomb, gzip(bomb), samples::xz(bomb)}) {
    EXPECT_THAT(error_of([&] { read_whole(packed, 1'000'000); }),
                HasSubstr("unpacks to more than 1000000 bytes"));
    EXPECT_EQ(read_whole(packed, 5'000'000).size(), 5'000'000U);
  }
}

TEST(ByteSource, NamesMissingFilesAndFolders) {
  const Folder folder;
  EXPECT_THAT(error_of([&] { ByteSource::open(folder.path() + "/nothing"); }),
              HasSubstr("nothing: cannot be opened"));
  EXPECT_THAT(error_of([&] { ByteSource::open(folder.path()); }), HasSubstr("is a folder"));
}

TEST(ByteSource, SaysWhatIsCutShort) {
  const Bytes content = pattern(10);
  ByteSource source = ByteSource::over(samples::view(content), "sample");
  std::vector<std::uint8_t> out;
  EXPECT_THAT(error_of([&] { source.append(out, 1'000'000'000, "the data"); }),
              HasSubstr("sample: the data is cut short: 10 of 1000000000 bytes"));
}

TEST(FindPacked, PrefersPlainThenGzThenXz) {
  const Folder folder;
  const std::string stem = folder.path() + "/a";
  EXPECT_EQ(find_packed(stem), "");
  folder.write("a.xz", "x");
  EXPECT_EQ(find_packed(stem), stem + ".xz");
  folder.write("a.gz", "x");
  EXPECT_EQ(find_packed(stem), stem + ".gz");
  folder.write("a", "x");
  EXPECT_EQ(find_packed(stem), stem);
}

}  // namespace
}  // namespace fedloom
