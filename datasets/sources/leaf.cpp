// LEAF's own files: folders train/ and test/ with one or more .json each, as its tools write them. Users are
// the natural clients. FEMNIST and the synthetic set are rows of numbers, Shakespeare is next characters. S.
// Caldas et al., "LEAF: A Benchmark for Federated Settings", arXiv 1812.01097, 2018.
#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/character_windows.hpp"
#include "datasets/data_source.hpp"
#include "datasets/leaf_json.hpp"
#include "datasets/split.hpp"
#include "datasets/table_examples.hpp"

namespace fedloom {
namespace {

namespace fs = std::filesystem;

struct LeafSettings {
  std::string folder;
  std::vector<std::int64_t> shape;
  std::int64_t classes = 0;
  double test_share = 0.1;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("path", "folder");
    v("folder", folder,
      "folder with train/*.json and test/*.json (plain, .gz or .xz), or with *.json of training data only; "
      "as it "
      "stands or below the data folder");
    v("shape", shape,
      "form of one example of numbers: [channels, height, width], [1, 28, 28] for FEMNIST; left out: plain "
      "features",
      between(1, 1e6));
    v("classes", classes, "number of classes; 0: as many as the labels show (texts have 80)",
      between(0, 1e6));
    v("test_share", test_share,
      "part of the training examples that is the test set where there is no test folder", between(0, 0.9));
  }
};

std::vector<std::string> json_files(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    for (const std::string packing : {".gz", ".xz"})
      if (name.ends_with(packing)) name.resize(name.size() - packing.size());
    if (name.ends_with(".json") && name.front() != '.') files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class LeafSource final : public DataSource {
 public:
  explicit LeafSource(const LeafSettings& settings) : settings_(settings) {}

  SplitExamples load(const std::string& data_dir, const KeptFeatures&) const override {
    if (settings_.folder.empty()) throw user_error("data.source.folder: give the folder of the LEAF files");
    std::error_code error;
    const fs::path below = fs::path(data_dir) / settings_.folder;
    if (fs::is_directory(settings_.folder, error)) return read(settings_.folder, settings_.classes);
    if (fs::is_directory(below, error)) return read(below, settings_.classes);
    throw user_error("data.source.folder: there is no folder '{}', neither here nor in {}", settings_.folder,
                     data_dir);
  }

  SplitExamples load_folder(const std::string& folder) const override {
    return read(folder, settings_.classes > 0 ? settings_.classes : -1);
  }

 private:
  /// `classes` 0: as many as the labels show; -1: that is not allowed.
  SplitExamples read(const fs::path& folder, std::int64_t classes) const {
    LeafUsers users;
    std::vector<std::string> files = json_files(folder / "train");
    if (files.empty()) files = json_files(folder);
    if (files.empty())
      throw user_error("{}: there are no *.json files in it or in its folder train/", folder.string());
    LeafPart train = part(files, users);
    LeafPart test = part(json_files(folder / "test"), users);
    if (train.rows() == 0) throw user_error("{}: nobody has training examples", folder.string());
    if (test.rows() > 0 && (test.is_text != train.is_text || test.width != train.width))
      throw user_error("{}: the test examples have {} {}, the training examples {} {}", folder.string(),
                       test.width, unit(test), train.width, unit(train));
    if (train.is_text) return split(windows(train), test.rows() > 0 ? windows(test) : nullptr);
    if (classes < 0)
      throw user_error("data.source.classes: a client may not hold every class, so give their number");
    const DataSpec spec = spec_of(train, test, classes, folder.string());
    return split(table(spec, std::move(train)), test.rows() > 0 ? table(spec, std::move(test)) : nullptr);
  }

  static const char* unit(const LeafPart& part) { return part.is_text ? "characters" : "numbers"; }

  static LeafPart part(const std::vector<std::string>& files, LeafUsers& users) {
    LeafPart part;
    for (const std::string& file : files) {
      const std::string json = ByteSource::open(file).read_all();
      read_leaf_json(json, file, users, part);
    }
    return part;
  }

  DataSpec spec_of(const LeafPart& train, const LeafPart& test, std::int64_t classes,
                   const std::string& folder) const {
    DataSpec spec{settings_.shape, classes, 0};
    if (spec.shape.empty()) spec.shape = {static_cast<std::int64_t>(train.width)};
    if (spec.width() != static_cast<std::int64_t>(train.width))
      throw user_error("data.source.shape: {} values, but the examples of {} have {}", spec.width(), folder,
                       train.width);
    std::int32_t largest = 0;
    for (const LeafPart* part : {&train, &test})
      for (const std::int32_t label : part->labels) largest = std::max(largest, label);
    if (spec.classes == 0) spec.classes = largest + 1;
    if (largest >= spec.classes)
      throw user_error("{}: the label {} is outside 0..{}", folder, largest, spec.classes - 1);
    return spec;
  }

  static std::shared_ptr<const Examples> table(const DataSpec& spec, LeafPart part) {
    return std::make_shared<TableExamples>(spec, std::move(part.features), std::move(part.labels),
                                           std::move(part.groups));
  }

  /// Each text with its next character is a segment of one window.
  static std::shared_ptr<const Examples> windows(const LeafPart& part) {
    const std::size_t row = part.width + 1;
    std::vector<TextSegment> segments;
    for (std::size_t i = 0; i < part.rows(); ++i)
      segments.push_back(
          {static_cast<std::uint32_t>(i * row), static_cast<std::uint32_t>((i + 1) * row), part.groups[i]});
    return std::make_shared<CharacterWindows>(std::make_shared<std::vector<std::uint8_t>>(part.characters),
                                              std::move(segments),
                                              WindowForm{part.width, 1, Alphabet::leaf().size()});
  }

  SplitExamples split(std::shared_ptr<const Examples> train, std::shared_ptr<const Examples> test) const {
    const bool tested = test != nullptr;
    SplitExamples split = split_of(std::move(train), std::move(test));
    if (!tested) carve_test(split, settings_.test_share);
    return split;
  }

  LeafSettings settings_;
};

const Registration<DatasetRegistry, LeafSettings> kLeaf{
    {"leaf", "LEAF's json files (FEMNIST, Shakespeare, synthetic ...), whose users are the natural clients",
     "Caldas et al.: LEAF: A Benchmark for Federated Settings, arXiv 1812.01097, 2018"},
    [](const LeafSettings& settings) { return std::make_unique<LeafSource>(settings); }};

}  // namespace
}  // namespace fedloom
