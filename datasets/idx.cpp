// Strict reading of IDX arrays and pairing of images with labels.
#include "datasets/idx.hpp"

#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::uint64_t kMostValues = std::uint64_t{4} << 30;

std::uint32_t big_endian(const std::array<std::uint8_t, 4>& b) {
  return static_cast<std::uint32_t>(b[0]) << 24 | static_cast<std::uint32_t>(b[1]) << 16 |
         static_cast<std::uint32_t>(b[2]) << 8 | static_cast<std::uint32_t>(b[3]);
}

IdxArray read_file(const std::string& file, std::size_t fewest, std::size_t most, const char* what,
                   const KeptRows& keep = KeptRows::all()) {
  ByteSource source = ByteSource::open(file);
  IdxArray array = read_idx(source, keep);
  if (array.sizes.size() < fewest || array.sizes.size() > most)
    throw user_error("{}: has {} dimensions, which are not {}", file, array.sizes.size(), what);
  return array;
}

// (N, H, W) is one channel of pictures, (N, F) are flat features.
std::vector<std::int64_t> example_shape(const std::vector<std::uint32_t>& sizes) {
  std::vector<std::int64_t> shape(sizes.begin() + 1, sizes.end());
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
  return shape;
}

/// The sizes of the array; their product is at most kMostValues.
std::vector<std::uint32_t> read_header(ByteSource& source) {
  std::array<std::uint8_t, 4> word{};
  source.read_exactly(std::as_writable_bytes(std::span(word)), "the IDX header");
  if (word[0] != 0 || word[1] != 0)
    throw user_error("{}: is not an IDX file: it starts with {:02x} {:02x}, not with two zero bytes",
                     source.name(), word[0], word[1]);
  if (word[2] != 0x08)
    throw user_error("{}: IDX values of type 0x{:02x}; only unsigned bytes (0x08) are read", source.name(),
                     word[2]);
  const std::size_t dimensions = word[3];
  if (dimensions < 1 || dimensions > 4)
    throw user_error("{}: IDX array of {} dimensions; 1 to 4 are read", source.name(), dimensions);
  std::vector<std::uint32_t> sizes;
  std::uint64_t total = 1;
  for (std::size_t d = 0; d < dimensions; ++d) {
    source.read_exactly(std::as_writable_bytes(std::span(word)), "the IDX header");
    const std::uint32_t size = sizes.emplace_back(big_endian(word));
    if (size == 0) throw user_error("{}: IDX dimension {} is 0: there is nothing in it", source.name(), d);
    if (size > kMostValues / total)
      throw user_error("{}: the IDX header promises more than {} values", source.name(), kMostValues);
    total *= size;
  }
  return sizes;
}

// Bytes that stand for classes become their numbers.
void number_labels(std::vector<std::uint8_t>& labels, const std::vector<std::uint8_t>& values,
                   const std::string& file) {
  for (std::uint8_t& label : labels) {
    const auto found = std::find(values.begin(), values.end(), label);
    if (found == values.end())
      throw user_error("{}: the label {} is not among data.source.labels: {}", file, label,
                       fmt::join(values, ", "));
    label = static_cast<std::uint8_t>(found - values.begin());
  }
}

}  // namespace

IdxArray read_idx(ByteSource& source, const KeptRows& keep) {
  constexpr const char* kData = "the IDX data";
  IdxArray array{read_header(source), {}};
  if (keep.is_unread()) return array;
  std::uint64_t total = 1;
  for (const std::uint32_t size : array.sizes) total *= size;
  if (keep.is_all()) {
    source.append(array.values, total, kData);
  } else {
    RowSieve sieve(keep, static_cast<std::size_t>(total / array.sizes[0]));
    source.pass(total, kData, [&](std::span<const std::uint8_t> bytes) { sieve.take(bytes); });
    array.values = sieve.release();
  }
  if (!source.at_end())
    throw user_error("{}: there are bytes behind the {} values that the IDX header promises", source.name(),
                     total);
  return array;
}

std::shared_ptr<const ImageExamples> load_idx(const IdxFiles& files, std::int64_t classes,
                                              const Normalisation& normalisation, const KeptRows& keep,
                                              const std::vector<std::uint8_t>& label_values) {
  IdxArray images = read_file(files.images, 2, 4, "images or rows of features", keep);
  IdxArray labels = read_file(files.labels, 1, 1, "labels (one)");
  if (!label_values.empty()) number_labels(labels.values, label_values, files.labels);
  std::vector<std::uint8_t> groups;
  if (!files.groups.empty()) groups = read_file(files.groups, 1, 1, "client ids (one)").values;
  if (classes == 0) classes = *std::max_element(labels.values.begin(), labels.values.end()) + 1;
  return std::make_shared<ImageExamples>(DataSpec{example_shape(images.sizes), classes, 0},
                                         KeptPixels{images.sizes[0], keep, std::move(images.values)},
                                         std::move(labels.values), std::move(groups), normalisation,
                                         fmt::format("{} with {}", files.images, files.labels));
}

}  // namespace fedloom
