// Writing of safetensors files.
// Reading, with its many checks, is safetensors.cpp.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/file.hpp"
#include "models/safetensors.hpp"

namespace fedloom {

namespace {

// Length and JSON, padded with blanks so that the data starts at a multiple of 8 bytes.
std::string header_of(const Layout& layout, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  for (const Slice& slice : layout.slices())
    header[slice.name] = {
        {"dtype", "F32"},
        {"shape", slice.shape},
        {"data_offsets", {slice.offset * sizeof(float), (slice.offset + slice.size) * sizeof(float)}}};
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + text;
}

}  // namespace

void write_safetensors(const std::string& file, const ParameterVector& parameters,
                       const std::map<std::string, std::string>& metadata, WriteMode mode) {
  std::string bytes = header_of(parameters.layout(), metadata);
  const std::size_t header = bytes.size();
  bytes.resize(header + parameters.values().size_bytes());
  std::memcpy(bytes.data() + header, parameters.values().data(), parameters.values().size_bytes());
  if (mode == WriteMode::atomic) {
    write_file_atomically(file, bytes, true);
    return;
  }
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw user_error("{}: cannot be written: {}", file, std::strerror(errno));
}

}  // namespace fedloom
