// The file form of named tensors: it reads back to the bit, and every altered or shortened byte is noticed.
#include "core/tensor_file.hpp"

#include <bit>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace fedloom {
namespace {

using ::testing::HasSubstr;

TensorMap sample() {
  TensorMap tensors;
  tensors["control"] = {{2, 3}, {1.0F, -2.0F, 3.5F, 0.0F, -0.0F, 1e-40F}};
  tensors["round"] = Tensor::scalar(7.0F);
  tensors["nothing"] = {{0, 4}, {}};
  return tensors;
}

std::string error_of(std::string_view bytes) {
  try {
    tensors_from_bytes(bytes, "state.bin");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

// A body with the checksum that belongs to it, as a file by somebody who means harm would have.
std::string sealed(std::string body) {
  const std::uint64_t sum = hash64(body);
  body.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return body;
}

template <class T>
void put(std::string& body, T value) {
  body.append(reinterpret_cast<const char*>(&value), sizeof value);
}

TEST(TensorFile, ReadsBackToTheBit) {
  TensorMap tensors = sample();
  EXPECT_EQ(tensors_from_bytes(tensors_to_bytes(tensors), "state.bin"), tensors);
  EXPECT_TRUE(tensors_from_bytes(tensors_to_bytes({}), "state.bin").empty());
  tensors["nan"] = Tensor::scalar(std::numeric_limits<float>::quiet_NaN());
  const Tensor nan = tensors_from_bytes(tensors_to_bytes(tensors), "state.bin").at("nan");
  EXPECT_EQ(std::bit_cast<std::uint32_t>(nan.data[0]), std::bit_cast<std::uint32_t>(tensors["nan"].data[0]));
}

TEST(TensorFile, EqualMapsAreEqualBytes) {
  EXPECT_EQ(tensors_to_bytes(sample()), tensors_to_bytes(sample()));
}

TEST(TensorFile, EveryShorterFileIsRefused) {
  const std::string bytes = tensors_to_bytes(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THAT(error_of(std::string_view(bytes).substr(0, size)), HasSubstr("state.bin: ")) << size;
}

TEST(TensorFile, EveryAlteredByteIsRefused) {
  const std::string bytes = tensors_to_bytes(sample());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string altered = bytes;
    altered[i] = static_cast<char>(altered[i] ^ 0x40);
    EXPECT_NE(error_of(altered), "no error") << i;
  }
}

// The checksum is right, but the counts promise more than there is.
TEST(TensorFile, CountsAreNotBelieved) {
  std::string name_too_long = "FLTENS01";
  put<std::uint64_t>(name_too_long, 1);
  put<std::uint64_t>(name_too_long, std::numeric_limits<std::uint64_t>::max());
  EXPECT_THAT(error_of(sealed(name_too_long)), HasSubstr("cut short"));

  for (const std::uint64_t floats :
       {std::uint64_t{3}, std::uint64_t{5}, std::uint64_t{1} << 62, (std::uint64_t{1} << 62) + 1}) {
    std::string body = "FLTENS01";
    put<std::uint64_t>(body, 1);
    put<std::uint64_t>(body, 1);
    body += "w";
    put<std::uint64_t>(body, 1);
    put<std::int64_t>(body, 4);
    put<std::uint64_t>(body, floats);
    body.append(16, '\0');
    EXPECT_NE(error_of(sealed(body)), "no error") << floats;
  }
}

}  // namespace
}  // namespace fedloom
