// Round trips, half-width floats, and every way a file can be wrong.
#include "models/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "core/random.hpp"
#include "models/load_weights.hpp"

namespace fedloom {
namespace {

using ::testing::HasSubstr;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fedloom-safetensors-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_;
};

std::shared_ptr<const Layout> layout() {
  Layout::Builder slices;
  slices.add("conv1.weight", {2, 1, 3, 3});
  slices.add("conv1.bias", {2});
  slices.add("scale", {});
  return slices.build();
}

ParameterVector filled() {
  ParameterVector parameters(layout());
  Random random(5, Stream::init);
  for (float& value : parameters.values()) value = static_cast<float>(random.normal());
  return parameters;
}

// A file with this header and `data` zero bytes after it.
std::string file_of(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data, '\0');
}

std::string refusal(const std::string& bytes) {
  try {
    (void)SafetensorsFile::parse(bytes, "w.safetensors");
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

std::string entry(const std::string& shape, std::size_t begin, std::size_t end,
                  const std::string& type = "F32") {
  return fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", type, shape, begin, end);
}

TEST(Safetensors, RoundTripKeepsBitsShapesOrderAndMetadata) {
  const TemporaryFolder folder;
  const ParameterVector before = filled();
  for (const WriteMode mode : {WriteMode::atomic, WriteMode::direct}) {
    write_safetensors(folder.file("w.safetensors"), before, {{"model", "cnn"}, {"note", "\"quoted\" ü"}},
                      mode);
    const SafetensorsFile file = SafetensorsFile::read(folder.file("w.safetensors"));
    EXPECT_EQ(file.names(), (std::vector<std::string>{"conv1.bias", "conv1.weight", "scale"}));
    EXPECT_EQ(file.shape("conv1.weight"), (std::vector<std::int64_t>{2, 1, 3, 3}));
    EXPECT_EQ(file.metadata().at("note"), "\"quoted\" ü");
    ParameterVector after(layout());
    load_weights(file, after.layout(), after.values());
    EXPECT_EQ(std::memcmp(after.values().data(), before.values().data(), before.values().size_bytes()), 0);
  }
  EXPECT_EQ(folder.entries(), 1U) << "no temporary file is left";
}

TEST(Safetensors, DataStartsAtAMultipleOfEight) {
  const TemporaryFolder folder;
  write_safetensors(folder.file("w"), filled());
  std::ifstream in(folder.file("w"), std::ios::binary);
  std::uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), sizeof length);
  EXPECT_EQ(length % 8, 0U);
}

TEST(Safetensors, AtomicWriteLeavesTheOldFileWhenItFails) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_safetensors(folder.file("missing/w"), filled()), UserError);
  EXPECT_THROW(write_safetensors(folder.file("missing/w"), filled(), {}, WriteMode::direct), UserError);
  EXPECT_THROW((void)SafetensorsFile::read(folder.file("missing/w")), UserError);
}

TEST(Safetensors, ReadsHalfWidthFloats) {
  // binary16: 1.5, -2, largest 65504, smallest subnormal 2^-24, infinity. bfloat16 is the upper half of a
  // float.
  const std::uint16_t half[] = {0x3E00, 0xC000, 0x7BFF, 0x0001, 0x7C00, 0x8000};
  const std::uint16_t brain[] = {0x3FC0, 0xC000};
  const double wide[] = {0.1};
  std::string bytes = file_of(fmt::format(R"({{"b":{},"d":{},"h":{}}})", entry("[2]", 12, 16, "BF16"),
                                          entry("[]", 16, 24, "F64"), entry("[2,3]", 0, 12, "F16")),
                              0);
  bytes.append(reinterpret_cast<const char*>(half), sizeof half);
  bytes.append(reinterpret_cast<const char*>(brain), sizeof brain);
  bytes.append(reinterpret_cast<const char*>(wide), sizeof wide);
  const SafetensorsFile file = SafetensorsFile::parse(bytes, "half");
  std::vector<float> h(6);
  file.copy_to("h", h);
  EXPECT_EQ(h[0], 1.5F);
  EXPECT_EQ(h[1], -2.0F);
  EXPECT_EQ(h[2], 65504.0F);
  EXPECT_EQ(h[3], 0x1.0p-24F);
  EXPECT_TRUE(std::isinf(h[4]));
  EXPECT_TRUE(h[5] == 0.0F && std::signbit(h[5]));
  std::vector<float> b(2);
  file.copy_to("b", b);
  EXPECT_EQ(b, (std::vector<float>{1.5F, -2.0F}));
  std::vector<float> d(1);
  file.copy_to("d", d);
  EXPECT_EQ(d[0], 0.1F);
}

TEST(Safetensors, RefusesEveryPrefixOfAFile) {
  const TemporaryFolder folder;
  write_safetensors(folder.file("w"), filled(), {{"a", "b"}});
  std::ifstream in(folder.file("w"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t length = 0; length < bytes.size(); ++length)
    ASSERT_NE(refusal(bytes.substr(0, length)), "accepted") << length;
  EXPECT_EQ(refusal(bytes), "accepted");
  EXPECT_THAT(refusal(bytes + "x"), HasSubstr("1 bytes of data belong to no tensor"));
}

TEST(Safetensors, SurvivesEveryFlippedHeaderByte) {
  const std::string good = file_of(fmt::format(R"({{"a":{}}})", entry("[1]", 0, 4)), 4);
  for (std::size_t i = 0; i + 4 < good.size(); ++i)
    for (const int flip : {0x01, 0x20, 0x80, 0xFF}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      (void)refusal(bad);  // accepted (a renamed tensor) or refused, never a crash
    }
}

TEST(Safetensors, SaysWhatIsWrong) {
  EXPECT_THAT(refusal("PK"), HasSubstr("w.safetensors: is 2 bytes long"));
  EXPECT_THAT(refusal(std::string(8, '\xFF')), HasSubstr("announces a header of"));
  EXPECT_THAT(refusal(file_of("not json", 0)), HasSubstr("not JSON"));
  EXPECT_THAT(refusal(file_of("[1]", 0)), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal(file_of(std::string(100000, '['), 0)), HasSubstr("nests deeper"));
  EXPECT_THAT(refusal(file_of(R"({"a":{"shape":[]}})", 0)), HasSubstr("lacks 'dtype'"));
  EXPECT_THAT(refusal(file_of(R"({"a":7})", 0)), HasSubstr("lacks 'dtype'"));
  EXPECT_THAT(refusal(file_of(R"({"__metadata__":{"a":1}})", 0)), HasSubstr("not text"));
  const auto one = [](const std::string& text, std::size_t data) {
    return refusal(file_of("{\"a\":" + text + "}", data));
  };
  EXPECT_THAT(one(entry("[1]", 0, 4, "F31"), 4), HasSubstr("unknown dtype \"F31\""));
  EXPECT_THAT(one(entry("[2]", 0, 4), 4), HasSubstr("needs 8 bytes, but has 4"));
  EXPECT_THAT(one(entry("[1]", 4, 0), 4), HasSubstr("claims bytes 4 to 0"));
  EXPECT_THAT(one(entry("[1]", 0, 4), 2), HasSubstr("of 2 bytes of data"));
  EXPECT_THAT(one(entry("[-1]", 0, 4), 4), HasSubstr("whole number"));
  EXPECT_THAT(one(entry("[1.5]", 0, 4), 4), HasSubstr("whole number"));
  EXPECT_THAT(one(entry("3", 0, 4), 4), HasSubstr("not a list"));
  EXPECT_THAT(one(entry("[4294967296,4294967296]", 0, 4), 4), HasSubstr("larger than any memory"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", 4), HasSubstr("[begin, end]"));
  EXPECT_THAT(refusal(file_of(fmt::format(R"({{"a":{0},"a":{0}}})", entry("[1]", 0, 4)), 4)),
              HasSubstr("twice"));
  EXPECT_THAT(
      refusal(file_of(fmt::format(R"({{"a":{},"b":{}}})", entry("[2]", 0, 8), entry("[1]", 4, 8)), 8)),
      HasSubstr("must not overlap"));
  EXPECT_THAT(
      refusal(file_of(fmt::format(R"({{"a":{},"b":{}}})", entry("[1]", 0, 4), entry("[1]", 8, 12)), 12)),
      HasSubstr("leave holes"));
  EXPECT_EQ(one(entry("[0,5]", 0, 0), 0), "accepted");
}

TEST(Safetensors, ATensorOfWholeNumbersIsNoWeight) {
  const auto file = SafetensorsFile::parse(
      file_of(fmt::format(R"({{"steps":{}}})", entry("[1]", 0, 4, "I32")), 4), "w.safetensors");
  float value = 0.0F;
  try {
    file.copy_to("steps", {&value, 1});
    ADD_FAILURE() << "accepted";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("tensor 'steps' has dtype I32"));
  }
}

TEST(Safetensors, ReadsPublishedWeights) {
  const char* folder = std::getenv("FEDLOOM_DATA");
  const std::string file =
      folder == nullptr ? "" : std::string(folder) + "/weights/resnet20-cifar10.safetensors";
  if (folder == nullptr || !std::filesystem::exists(file))
    GTEST_SKIP() << "FEDLOOM_DATA does not hold weights/resnet20-cifar10.safetensors";
  const SafetensorsFile weights = SafetensorsFile::read(file);
  EXPECT_EQ(weights.shape("conv1.weight"), (std::vector<std::int64_t>{16, 3, 3, 3}));
  EXPECT_EQ(weights.metadata().at("format"), "pt");
}

}  // namespace
}  // namespace fedloom
