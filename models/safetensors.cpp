// Parsing and checking of safetensors, and conversion of half-width floats.
#include "models/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/file.hpp"

namespace fedloom {

namespace {

static_assert(std::endian::native == std::endian::little,
              "tensor bytes are little-endian and are copied as they are");

using Json = nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kLargestHeader = 100'000'000;  // the format's own limit
constexpr int kDeepestHeader = 3;                    // header, entry, shape

// Bytes per element of every type that the format knows; 0 for others.
std::size_t type_size(std::string_view type) {
  static constexpr std::pair<std::string_view, std::size_t> kTypes[] = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},     {"I32", 4},     {"I16", 2}, {"I8", 1},
      {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"BOOL", 1}};
  for (const auto& [name, size] : kTypes)
    if (name == type) return size;
  return 0;
}

float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

// IEEE 754 binary16.
float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1FU;
  const std::uint32_t fraction = bits & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1.0p-24F;  // zero and subnormals
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide =
      exponent == 31 ? 255U : exponent + 112U;  // bias 15 to 127; infinity and NaN stay
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

template <class Stored, class Convert>
void convert(const char* from, std::span<float> values, Convert to_float) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, from + i * sizeof stored, sizeof stored);
    values[i] = to_float(stored);
  }
}

// JSON keeps the last of two equal keys and nests without end; both are refused while it is read.
Json parse_json(std::string_view text, const std::string& source) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kDeepestHeader)
      throw user_error("{}: the header nests deeper than a safetensors header can", source);
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      throw user_error("{}: the header has '{}' twice", source, value.get<std::string>());
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    throw user_error("{}: the header is not JSON, so this is no safetensors file ({})", source, error.what());
  }
}

// A whole number that is not negative; UserError otherwise.
std::uint64_t whole_number(const Json& value, const std::string& source, const std::string& name) {
  if (!value.is_number_unsigned())
    throw user_error("{}: tensor '{}' has {} where a whole number belongs", source, name, value.dump());
  return value.get<std::uint64_t>();
}

const Json& member(const Json& object, const char* key, const std::string& source, const std::string& name) {
  if (!object.is_object() || !object.contains(key))
    throw user_error("{}: tensor '{}' lacks '{}'; it needs dtype, shape and data_offsets", source, name, key);
  return object.at(key);
}

// Bytes of a tensor; refuses extents whose product does not fit.
std::uint64_t byte_count(const std::vector<std::int64_t>& shape, std::size_t element,
                         const std::string& source, const std::string& name) {
  std::uint64_t bytes = element;
  for (const std::int64_t extent : shape)
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes))
      throw user_error("{}: tensor '{}' of shape ({}) is larger than any memory", source, name,
                       fmt::join(shape, ", "));
  return bytes;
}

std::vector<std::int64_t> shape_of(const Json& value, const std::string& source, const std::string& name) {
  constexpr std::uint64_t kLargestExtent = std::uint64_t{1} << 62;
  if (!value.is_array()) throw user_error("{}: the shape of tensor '{}' is not a list", source, name);
  std::vector<std::int64_t> shape;
  for (const Json& item : value) {
    const std::uint64_t extent = whole_number(item, source, name);
    if (extent > kLargestExtent)
      throw user_error("{}: tensor '{}' has an extent of {}", source, name, extent);
    shape.push_back(static_cast<std::int64_t>(extent));
  }
  return shape;
}

}  // namespace

SafetensorsFile SafetensorsFile::read(const std::string& file) { return parse(read_file(file), file); }

SafetensorsFile SafetensorsFile::parse(std::string bytes, const std::string& source) {
  SafetensorsFile result;
  result.source_ = source;
  result.bytes_ = std::move(bytes);
  const std::size_t data_begin = result.parse_header();

  // Ranges must cover the data exactly: no overlap, no hole, nothing after the last.
  std::vector<std::pair<std::size_t, const std::string*>> starts;
  for (const auto& [name, entry] : result.entries_)
    if (entry.end > entry.begin) starts.emplace_back(entry.begin, &name);
  std::sort(starts.begin(), starts.end());
  std::size_t covered = data_begin;
  for (const auto& [begin, name] : starts) {
    if (begin != covered)
      throw user_error(
          "{}: the data of tensor '{}' starts at byte {} where byte {} is next; tensors must not "
          "overlap or leave holes",
          source, *name, begin - data_begin, covered - data_begin);
    covered = result.entries_.at(*name).end;
  }
  if (covered != result.bytes_.size())
    throw user_error("{}: {} bytes of data belong to no tensor", source, result.bytes_.size() - covered);
  return result;
}

// Fills entries_ and metadata_; returns where the data begins.
std::size_t SafetensorsFile::parse_header() {
  if (bytes_.size() < kLengthBytes)
    throw user_error("{}: is {} bytes long, too short for a safetensors file", source_, bytes_.size());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes_.data(), kLengthBytes);
  if (length > kLargestHeader || length > bytes_.size() - kLengthBytes)
    throw user_error(
        "{}: announces a header of {} bytes, but {} follow (at most {} are allowed); the file is cut "
        "short or is no safetensors file",
        source_, length, bytes_.size() - kLengthBytes, kLargestHeader);
  const std::size_t data_begin = kLengthBytes + length;
  const std::size_t data_size = bytes_.size() - data_begin;
  const Json header = parse_json(std::string_view(bytes_).substr(kLengthBytes, length), source_);
  if (!header.is_object()) throw user_error("{}: the header is not a JSON object", source_);

  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) throw user_error("{}: __metadata__ is not a map of text", source_);
      for (const auto& [key, text] : value.items()) {
        if (!text.is_string()) throw user_error("{}: __metadata__ '{}' is not text", source_, key);
        metadata_.emplace(key, text.get<std::string>());
      }
      continue;
    }
    const Json& type = member(value, "dtype", source_, name);
    const Json& offsets = member(value, "data_offsets", source_, name);
    if (!type.is_string() || type_size(type.get<std::string>()) == 0)
      throw user_error("{}: tensor '{}' has the unknown dtype {}", source_, name, type.dump());
    if (!offsets.is_array() || offsets.size() != 2)
      throw user_error("{}: data_offsets of tensor '{}' are not [begin, end]", source_, name);
    Entry entry{type.get<std::string>(), shape_of(member(value, "shape", source_, name), source_, name)};
    const std::uint64_t begin = whole_number(offsets[0], source_, name);
    const std::uint64_t end = whole_number(offsets[1], source_, name);
    if (begin > end || end > data_size)
      throw user_error(
          "{}: tensor '{}' claims bytes {} to {} of {} bytes of data; the file is cut short or damaged",
          source_, name, begin, end, data_size);
    const std::uint64_t needed = byte_count(entry.shape, type_size(entry.type), source_, name);
    if (end - begin != needed)
      throw user_error("{}: tensor '{}' of shape ({}) and dtype {} needs {} bytes, but has {}", source_, name,
                       fmt::join(entry.shape, ", "), entry.type, needed, end - begin);
    entry.begin = data_begin + begin;
    entry.end = data_begin + end;
    entries_.emplace(name, std::move(entry));
  }
  return data_begin;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const SafetensorsFile::Entry& SafetensorsFile::entry(std::string_view name) const {
  const auto it = entries_.find(name);
  if (it != entries_.end()) return it->second;
  const std::string guess = nearest(name, names());
  throw user_error("{}: has no tensor called '{}'{}", source_, name,
                   guess.empty() ? "" : fmt::format("; did you mean '{}'?", guess));
}

const std::vector<std::int64_t>& SafetensorsFile::shape(std::string_view name) const {
  return entry(name).shape;
}

void SafetensorsFile::copy_to(std::string_view name, std::span<float> values) const {
  const Entry& found = entry(name);
  FEDLOOM_CHECK(values.size() == element_count(found.shape), "{} floats for tensor '{}' of shape ({})",
                values.size(), name, fmt::join(found.shape, ", "));
  const char* from = bytes_.data() + found.begin;
  if (found.type == "F32")
    convert<float>(from, values, [](float value) { return value; });
  else if (found.type == "F64")
    convert<double>(from, values, [](double value) { return static_cast<float>(value); });
  else if (found.type == "F16")
    convert<std::uint16_t>(from, values, from_f16);
  else if (found.type == "BF16")
    convert<std::uint16_t>(from, values, from_bf16);
  else
    throw user_error("{}: tensor '{}' has dtype {}; weights must be F32, F16, BF16 or F64", source_, name,
                     found.type);
}

}  // namespace fedloom
