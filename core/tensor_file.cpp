// The file form of named tensors.
#include "core/tensor_file.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace fedloom {

namespace {

constexpr std::string_view kMagic = "FLTENS01";

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

class Cursor {
 public:
  Cursor(std::string_view bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  template <class T>
  T take() {
    T value;
    std::memcpy(&value, take_bytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view take_bytes(std::uint64_t size) {
    if (size > bytes_.size()) throw user_error("{}: the file is cut short", source_);
    const std::string_view taken = bytes_.substr(0, static_cast<std::size_t>(size));
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  std::size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
  const std::string& source_;
};

// Whether the extents multiply out to `count`, decided without overflow on the way.
bool multiplies_to(const std::vector<std::int64_t>& shape, std::uint64_t count) {
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent < 0; })) return false;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return count == 0;
  std::uint64_t product = 1;
  for (const std::int64_t extent : shape) {
    if (product > count / static_cast<std::uint64_t>(extent)) return false;
    product *= static_cast<std::uint64_t>(extent);
  }
  return product == count;
}

}  // namespace

std::string tensors_to_bytes(const TensorMap& tensors) {
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) views.push_back({name, tensor.shape, tensor.data});
  std::string out;
  append_tensors(out, views);
  return out;
}

void append_tensors(std::string& out, const std::vector<TensorView>& tensors) {
  const std::size_t start = out.size();
  std::size_t size = kMagic.size() + 2 * sizeof(std::uint64_t);
  for (const TensorView& tensor : tensors)
    size += tensor.name.size() + 8 * (3 + tensor.shape.size()) + tensor.values.size_bytes();
  out.reserve(start + size + sizeof(std::uint64_t));
  out += kMagic;
  put<std::uint64_t>(out, tensors.size());
  for (const TensorView& tensor : tensors) {
    put<std::uint64_t>(out, tensor.name.size());
    out += tensor.name;
    put<std::uint64_t>(out, tensor.shape.size());
    for (const std::int64_t extent : tensor.shape) put(out, extent);
    put<std::uint64_t>(out, tensor.values.size());
    out.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size_bytes());
  }
  put(out, hash64(std::string_view(out).substr(start)));
}

TensorMap tensors_from_bytes(std::string_view bytes, const std::string& source) {
  if (bytes.size() < kMagic.size() + 16 || !bytes.starts_with(kMagic))
    throw user_error("{}: not a file of named tensors, or cut short", source);
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(std::uint64_t));
  std::uint64_t stored = 0;
  std::memcpy(&stored, bytes.data() + body.size(), sizeof stored);
  if (stored != hash64(body))
    throw user_error("{}: the checksum does not match; the file is damaged", source);
  Cursor cursor(body.substr(kMagic.size()), source);
  TensorMap tensors;
  const auto count = cursor.take<std::uint64_t>();
  for (std::uint64_t t = 0; t < count; ++t) {
    const std::string name(cursor.take_bytes(cursor.take<std::uint64_t>()));
    Tensor tensor;
    const auto rank = cursor.take<std::uint64_t>();
    for (std::uint64_t d = 0; d < rank; ++d) tensor.shape.push_back(cursor.take<std::int64_t>());
    const auto floats = cursor.take<std::uint64_t>();
    if (floats > cursor.left() / sizeof(float)) throw user_error("{}: the file is cut short", source);
    if (!multiplies_to(tensor.shape, floats))
      throw user_error("{}: tensor '{}' holds {} values, which is not its shape ({})", source, name, floats,
                       fmt::join(tensor.shape, ", "));
    const std::string_view raw = cursor.take_bytes(floats * sizeof(float));
    tensor.data.resize(static_cast<std::size_t>(floats));
    if (!raw.empty()) std::memcpy(tensor.data.data(), raw.data(), raw.size());
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

}  // namespace fedloom
