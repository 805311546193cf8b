// PACS: one set of seven classes seen as photographs, paintings, cartoons and sketches, so that clients
// differ in what their pictures look like. Read from records of a domain byte, a label byte and 3 x 32 x 32
// pixel bytes, channels first; the domains are the natural clients.
#include <array>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/catalogue.hpp"
#include "datasets/data_source.hpp"
#include "datasets/image_examples.hpp"
#include "datasets/normalise_settings.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kPixels = 3 * 32 * 32;
constexpr std::size_t kHead = 2;  // domain, label
constexpr std::int64_t kClasses = 7;
constexpr std::array<const char*, 4> kDomains{"photo", "art_painting", "cartoon", "sketch"};

struct PacsSettings {
  std::string file;
  std::vector<std::string> test_domains;
  double test_share = 0.2;
  NormaliseSettings pixels;
  template <class Visitor>
  void visit(Visitor& v) {
    v("file", file,
      "file of records (plain, .gz or .xz); \"\": pacs-32x32/pacs_32x32.bin of the data folder");
    v("test_domains", test_domains,
      "the domains that nobody trains on and that are the test set; left out: test_share of every domain",
      one_of({kDomains.begin(), kDomains.end()}));
    v("test_share", test_share, "part of every domain that is the test set where test_domains is left out",
      between(0, 0.9));
    pixels.visit(v);
  }
};

std::shared_ptr<const ImageExamples> read_records(const std::string& file, const Normalisation& normalisation,
                                                  const KeptRows& keep) {
  ByteSource source = ByteSource::open(file);
  RowSieve images(keep, kPixels);
  std::vector<std::uint8_t> labels;
  std::vector<std::uint8_t> domains;
  std::vector<std::uint8_t> record(kHead + kPixels);
  while (!source.at_end()) {
    source.read_exactly(std::as_writable_bytes(std::span(record)),
                        fmt::format("record {}", labels.size()).c_str());
    if (record[0] >= kDomains.size())
      throw user_error("{}: domain {} of record {} is outside 0..{}", file, record[0], labels.size(),
                       kDomains.size() - 1);
    if (record[1] >= kClasses)
      throw user_error("{}: label {} of record {} is outside 0..{}", file, record[1], labels.size(),
                       kClasses - 1);
    domains.push_back(record[0]);
    labels.push_back(record[1]);
    images.take(std::span(record).subspan(kHead));
  }
  if (labels.empty()) throw user_error("{}: holds no records of {} bytes", file, kHead + kPixels);
  const std::size_t count = labels.size();
  return std::make_shared<ImageExamples>(DataSpec{{3, 32, 32}, kClasses, 0},
                                         KeptPixels{count, keep, images.release()}, std::move(labels),
                                         std::move(domains), normalisation, file);
}

class PacsSource final : public DataSource {
 public:
  explicit PacsSource(const PacsSettings& settings)
      // Measured over all four domains.
      : settings_(settings),
        normalisation_(settings.pixels.over({{0.7623, 0.7426, 0.7139}, {0.2848, 0.2947, 0.3250}})) {
    for (const std::string& name : settings_.test_domains)
      for (std::size_t d = 0; d < kDomains.size(); ++d) tested_[d] = tested_[d] || name == kDomains[d];
  }

  SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const override {
    const std::string file =
        settings_.file.empty()
            ? stored_file("pacs", catalogue_entry("pacs").folder(data_dir), "pacs_32x32.bin")
            : locate(settings_.file, data_dir, "file");
    return split(read_records(file, normalisation_, keep.train), file);
  }
  SplitExamples load_folder(const std::string& folder) const override {
    const std::string file = stored_file("pacs", folder, "pacs_32x32.bin");
    return split(read_records(file, normalisation_, KeptRows::all()), file);
  }

 private:
  SplitExamples split(std::shared_ptr<const ImageExamples> images, const std::string& file) const {
    SplitExamples split = split_of(images, nullptr);
    split.train_indices.clear();
    for (std::uint32_t domain = 0; domain < kDomains.size(); ++domain) {
      std::vector<std::uint32_t> mine;
      for (std::uint32_t i = 0; i < images->size(); ++i)
        if (images->group(i) == domain) mine.push_back(i);
      const double share = settings_.test_domains.empty() ? settings_.test_share
                           : tested_[domain]              ? 1.0
                                                          : 0.0;
      // The same ones for every seed: what is tested belongs to the set, not to the experiment.
      Random random = split_random(0, SplitTask::test, domain);
      const auto count = static_cast<std::size_t>(share * static_cast<double>(mine.size()));
      const auto [taken, left] = take_random(mine, count, random);
      split.test.indices.insert(split.test.indices.end(), taken.begin(), taken.end());
      split.train_indices.insert(split.train_indices.end(), left.begin(), left.end());
    }
    if (split.train_indices.empty())
      throw user_error("{}: data.source.test_domains leaves nothing to train on; name fewer domains", file);
    return split;
  }

  PacsSettings settings_;
  Normalisation normalisation_;
  std::array<bool, 4> tested_{};
};

const Registration<DatasetRegistry, PacsSettings> kPacs{
    {"pacs",
     "7 classes as photos, paintings, cartoons and sketches, 3 x 32 x 32; natural clients are the domains",
     "Li, Yang, Song, Hospedales: Deeper, Broader and Artier Domain Generalization, ICCV 2017"},
    [](const PacsSettings& settings) { return std::make_unique<PacsSource>(settings); }};

}  // namespace
}  // namespace fedloom
