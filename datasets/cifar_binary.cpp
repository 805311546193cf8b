// Reading of CIFAR records from several files.
#include "datasets/cifar_binary.hpp"

#include <future>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kPixels = 3 * 32 * 32;

struct Records {
  RowSieve images;
  std::vector<std::uint8_t> labels;

  explicit Records(const KeptRows& keep) : images(keep, kPixels) {}
};

/// What a record holds.
struct RecordForm {
  std::int64_t classes;
  std::size_t label_bytes;
};

/// Adds the records of `file` to those of the files before it.
void read_records(const std::string& file, const RecordForm& form, Records& records) {
  ByteSource source = ByteSource::open(file);
  std::vector<std::uint8_t> record(form.label_bytes + kPixels);
  std::size_t count = 0;
  for (; !source.at_end(); ++count) {
    source.read_exactly(std::as_writable_bytes(std::span(record)), "the last CIFAR record");
    const std::uint8_t label = record[form.label_bytes - 1];
    if (label >= form.classes)
      throw user_error("{}: label {} of record {} is outside 0..{}", file, label, count, form.classes - 1);
    records.labels.push_back(label);
    records.images.take(std::span(record).subspan(form.label_bytes));
  }
  if (count == 0) throw user_error("{}: holds no CIFAR records", file);
}

/// All or no images: the files side by side, since xz unpacks slower than a disk reads.
void read_side_by_side(const std::vector<std::string>& files, const RecordForm& form, const KeptRows& keep,
                       KeptPixels& images, std::vector<std::uint8_t>& labels) {
  std::vector<std::future<Records>> parts;
  for (const std::string& file : files)
    parts.push_back(std::async(std::launch::async, [&] {
      Records records(keep);
      read_records(file, form, records);
      return records;
    }));
  std::vector<Records> read;
  for (auto& part : parts) images.count += read.emplace_back(part.get()).labels.size();
  if (keep.is_all()) images.pixels.reserve(images.count * kPixels);
  labels.reserve(images.count);
  for (Records& records : read) {
    const std::vector<std::uint8_t> pixels = records.images.release();
    images.pixels.insert(images.pixels.end(), pixels.begin(), pixels.end());
    labels.insert(labels.end(), records.labels.begin(), records.labels.end());
  }
}

/// Some images: the files one after another, since the number of a record follows from the files before it.
void read_in_order(const std::vector<std::string>& files, const RecordForm& form, const KeptRows& keep,
                   KeptPixels& images, std::vector<std::uint8_t>& labels) {
  Records records(keep);
  for (const std::string& file : files) read_records(file, form, records);
  images.count = records.labels.size();
  images.pixels = records.images.release();
  labels = std::move(records.labels);
}

}  // namespace

std::shared_ptr<const ImageExamples> load_cifar_binary(const std::vector<std::string>& files,
                                                       std::int64_t classes,
                                                       const Normalisation& normalisation,
                                                       const KeptRows& keep, std::size_t label_bytes) {
  if (files.empty()) throw user_error("no CIFAR files are named; give at least one");
  KeptPixels images{0, keep, {}};
  std::vector<std::uint8_t> labels;
  const auto read = keep.listed().empty() ? read_side_by_side : read_in_order;
  read(files, {classes, label_bytes}, keep, images, labels);
  return std::make_shared<ImageExamples>(DataSpec{{3, 32, 32}, classes, 0}, std::move(images),
                                         std::move(labels), std::vector<std::uint8_t>{}, normalisation,
                                         files.front());
}

}  // namespace fedloom
