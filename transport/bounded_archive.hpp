// cereal's binary format with reading that cannot be fooled: every length is compared with the bytes left
// before a container is resized, so a hostile head can neither allocate nor read beyond its own size.
#pragma once

#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <cereal/cereal.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>

namespace fedloom {

/// Appends to a string. Little-endian machines only, which is all we build for (checked below).
class ByteWriter : public cereal::OutputArchive<ByteWriter, cereal::AllowEmptyClassElision> {
 public:
  explicit ByteWriter(std::string& out) : OutputArchive(this), out_(out) {}
  void write(const void* data, std::size_t size) { out_.append(static_cast<const char*>(data), size); }

 private:
  std::string& out_;
};

/// Thrown inside decoding only; callers turn it into Reason::malformed.
struct MalformedBytes : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ByteReader : public cereal::InputArchive<ByteReader, cereal::AllowEmptyClassElision> {
 public:
  explicit ByteReader(std::string_view bytes) : InputArchive(this), bytes_(bytes) {}

  void read(void* data, std::size_t size) {
    if (size > bytes_.size()) throw MalformedBytes("truncated");
    if (size > 0) std::memcpy(data, bytes_.data(), size);
    bytes_.remove_prefix(size);
  }
  /// Every element of a container takes at least one byte, so a larger count is a lie.
  void check_count(std::uint64_t count) const {
    if (count > bytes_.size()) throw MalformedBytes("a length exceeds the message");
  }
  void expect_end() const {
    if (!bytes_.empty()) throw MalformedBytes("trailing bytes");
  }

 private:
  std::string_view bytes_;
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(ByteWriter& archive, const T& value) { archive.write(&value, sizeof value); }

template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(ByteReader& archive, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    // A bool that is neither 0 nor 1 would be undefined behaviour.
    unsigned char byte = 0;
    archive.read(&byte, 1);
    if (byte > 1) throw MalformedBytes("a truth value is 0 or 1");
    value = byte == 1;
  } else {
    archive.read(&value, sizeof value);
  }
}

/// Grows as elements are read: a count alone, whatever it claims, allocates nothing.
template <class T, class Allocator>
requires(!std::is_arithmetic_v<T>) void CEREAL_LOAD_FUNCTION_NAME(ByteReader& archive,
                                                                  std::vector<T, Allocator>& vector) {
  cereal::size_type count = 0;
  archive(cereal::make_size_tag(count));
  vector.clear();
  for (; count > 0; --count) {
    vector.emplace_back();
    archive(vector.back());
  }
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(ByteWriter& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(ByteReader& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(ByteWriter& archive, cereal::SizeTag<T>& tag) {
  archive(static_cast<std::uint64_t>(tag.size));
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(ByteReader& archive, cereal::SizeTag<T>& tag) {
  std::uint64_t count = 0;
  archive(count);
  archive.check_count(count);
  tag.size = static_cast<std::decay_t<T>>(count);
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(ByteWriter& archive, const cereal::BinaryData<T>& data) {
  archive.write(data.data, static_cast<std::size_t>(data.size));
}

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(ByteReader& archive, cereal::BinaryData<T>& data) {
  archive.read(data.data, static_cast<std::size_t>(data.size));
}

}  // namespace fedloom

CEREAL_REGISTER_ARCHIVE(fedloom::ByteWriter)
CEREAL_REGISTER_ARCHIVE(fedloom::ByteReader)
CEREAL_SETUP_ARCHIVE_TRAITS(fedloom::ByteReader, fedloom::ByteWriter)
