// Event files byte by byte: CRC-32C against RFC 3720 B.4, framing and protobuf against a reader written here
// from the published formats.
#include "experiments/sinks/tensorboard.hpp"

#include <bit>
#include <cstring>
#include <map>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

using tensorboard::crc32c;
using tensorboard::masked_crc32c;

TEST(TensorBoard, Crc32cKnownAnswers) {
  std::string up(32, '\0');
  std::iota(up.begin(), up.end(), '\0');
  const std::string down(up.rbegin(), up.rend());
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(up), 0x46DD794EU);
  EXPECT_EQ(crc32c(down), 0x113FDB5CU);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  // Rotating 0xE3069283 right by 15 gives 0x2507C60D; adding 0xA282EAD8 gives 0xC78AB0E5.
  EXPECT_EQ(masked_crc32c("123456789"), 0xC78AB0E5U);
}

template <class T>
T take(std::string_view& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
}

// Field number -> value; numbers as their bits, messages and text as bytes. Each field occurs once here.
struct Fields {
  std::map<std::uint64_t, std::uint64_t> numbers;
  std::map<std::uint64_t, std::string> texts;
};

Fields decode(std::string_view bytes) {
  Fields fields;
  while (!bytes.empty()) {
    const std::uint64_t key = take_varint(bytes);
    switch (key & 7) {
      case 0: fields.numbers[key >> 3] = take_varint(bytes); break;
      case 1: fields.numbers[key >> 3] = take<std::uint64_t>(bytes); break;
      case 5: fields.numbers[key >> 3] = take<std::uint32_t>(bytes); break;
      default: {
        const std::uint64_t size = take_varint(bytes);
        fields.texts[key >> 3] = bytes.substr(0, size);
        bytes.remove_prefix(size);
      }
    }
  }
  return fields;
}

std::vector<Fields> records_of(const std::string& file) {
  const std::string content = read_file(file);
  std::string_view bytes = content;
  std::vector<Fields> records;
  while (!bytes.empty()) {
    const std::string_view length_bytes = bytes.substr(0, 8);
    const auto length = take<std::uint64_t>(bytes);
    EXPECT_EQ(take<std::uint32_t>(bytes), masked_crc32c(length_bytes));
    const std::string_view data = bytes.substr(0, length);
    bytes.remove_prefix(length);
    EXPECT_EQ(take<std::uint32_t>(bytes), masked_crc32c(data));
    records.push_back(decode(data));
  }
  return records;
}

// (tag, step) -> value
std::map<std::pair<std::string, std::uint64_t>, float> scalars_of(const std::string& file) {
  std::map<std::pair<std::string, std::uint64_t>, float> scalars;
  for (const Fields& event : records_of(file)) {
    if (!event.texts.contains(5)) continue;
    const Fields value = decode(decode(event.texts.at(5)).texts.at(1));
    scalars[{value.texts.at(1), event.numbers.at(2)}] =
        std::bit_cast<float>(static_cast<std::uint32_t>(value.numbers.at(2)));
  }
  return scalars;
}

TEST(TensorBoard, BeginsWithTheFileVersion) {
  const TempFolder folder;
  const TensorBoardSink sink(folder / "tb", [] { return 1.5; });
  EXPECT_EQ(sink.file(), folder / "tb/events.out.tfevents.0000000001.fedloom.0");
  const std::vector<Fields> records = records_of(sink.file());
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].texts.at(3), "brain.Event:2");
  EXPECT_EQ(std::bit_cast<double>(records[0].numbers.at(1)), 1.5);
}

TEST(TensorBoard, WritesAScalarPerMeasurement) {
  const TempFolder folder;
  TensorBoardSink sink(folder / "tb", [] { return 1.7e9; });
  FakeFederation{.rounds = 300}.tell_all([&](const FederationEvent& event) { sink.on(event); });
  sink.on(MachineEvent(MachineState{300, 1.0, 600, 0, 0, 5, 7}));
  sink.on(Evaluated{301, 301, 301, "task 2", std::nan(""), 0.25, 1});
  sink.finish();
  auto scalars = scalars_of(sink.file());
  EXPECT_FLOAT_EQ(scalars.at({"test/accuracy", 4}), static_cast<float>(FakeFederation::accuracy(4)));
  EXPECT_FLOAT_EQ(scalars.at({"validation/loss", 4}), static_cast<float>(FakeFederation::loss(4)));
  EXPECT_FLOAT_EQ(scalars.at({"train/loss", 3}), static_cast<float>(FakeFederation::loss(3)));
  EXPECT_FLOAT_EQ(scalars.at({"bytes/up", 4}), 700.0F);
  EXPECT_FLOAT_EQ(scalars.at({"bytes/down", 300}), 60'000.0F);  // step 300 needs a varint of two bytes
  EXPECT_FLOAT_EQ(scalars.at({"clients/accepted", 3}), 1.0F);
  EXPECT_FLOAT_EQ(scalars.at({"clients/dropped", 3}), 1.0F);
  EXPECT_FLOAT_EQ(scalars.at({"strategy/drift", 2}), 0.5F);
  EXPECT_FLOAT_EQ(scalars.at({"clients/accuracy_mean", 8}),
                  static_cast<float>(FakeFederation::accuracy(8) * 7 / 8));
  EXPECT_FLOAT_EQ(scalars.at({"machine/resident_bytes", 300}), 7.0F);
  EXPECT_FLOAT_EQ(scalars.at({"task 2/accuracy", 301}), 0.25F);
  EXPECT_FALSE(scalars.contains({"task 2/loss", 301}));  // not a number: no point
}

TEST(TensorBoard, AResumedRunMarksWhereItGoesOn) {
  const TempFolder folder;
  const auto clock = [] { return 1.0; };
  const TensorBoardSink first(folder / "tb", clock);
  TensorBoardSink second(folder / "tb", clock, WindowId{7});
  EXPECT_NE(first.file(), second.file());
  EXPECT_LT(first.file(), second.file());  // read in this order
  second.restore(WindowClosed{7, 7, 7, 1, 0, 0, 0, 0, 10, 20, 0.0, {}});
  second.on(WindowClosed{8, 8, 8, 1, 0, 0, 0, 0, 1, 2, 0.0, {}});
  second.finish();
  const std::vector<Fields> records = records_of(second.file());
  EXPECT_EQ(records[1].numbers.at(2), 8U);                      // steps from 8 on are written anew
  EXPECT_EQ(decode(records[1].texts.at(7)).numbers.at(1), 1U);  // SessionLog START
  EXPECT_FLOAT_EQ(scalars_of(second.file()).at({"bytes/up", 8}), 11.0F);
}

}  // namespace
}  // namespace fedloom
