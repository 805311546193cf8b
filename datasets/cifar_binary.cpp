// Reading of CIFAR records; each file on its own thread, since xz unpacks slower than a disk reads.
#include "datasets/cifar_binary.hpp"

#include <future>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kPixels = 3 * 32 * 32;

struct Records {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;
};

Records read_records(const std::string& file, std::int64_t classes) {
  ByteSource source = ByteSource::open(file);
  Records records;
  std::vector<std::uint8_t> record(1 + kPixels);
  while (!source.at_end()) {
    source.read_exactly(std::as_writable_bytes(std::span(record)), "the last CIFAR record");
    if (record[0] >= classes)
      throw user_error("{}: label {} of record {} is outside 0..{}", file, record[0], records.labels.size(),
                       classes - 1);
    records.labels.push_back(record[0]);
    records.pixels.insert(records.pixels.end(), record.begin() + 1, record.end());
  }
  if (records.labels.empty()) throw user_error("{}: holds no CIFAR records", file);
  return records;
}

}  // namespace

std::shared_ptr<const ImageExamples> load_cifar_binary(const std::vector<std::string>& files,
                                                       std::int64_t classes,
                                                       const Normalisation& normalisation) {
  if (files.empty()) throw user_error("no CIFAR files are named; give at least one");
  std::vector<std::future<Records>> parts;
  for (const std::string& file : files)
    parts.push_back(std::async(std::launch::async, read_records, file, classes));
  std::vector<Records> read;
  std::size_t count = 0;
  for (auto& part : parts) count += read.emplace_back(part.get()).labels.size();
  Records all;
  all.pixels.reserve(count * kPixels);
  all.labels.reserve(count);
  for (Records& records : read) {
    all.pixels.insert(all.pixels.end(), records.pixels.begin(), records.pixels.end());
    all.labels.insert(all.labels.end(), records.labels.begin(), records.labels.end());
    records = {};
  }
  return std::make_shared<ImageExamples>(DataSpec{{3, 32, 32}, classes, 0}, std::move(all.pixels),
                                         std::move(all.labels), std::vector<std::uint8_t>{}, normalisation,
                                         files.front());
}

}  // namespace fedloom
