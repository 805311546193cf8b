// Anybody's files in the record form of CIFAR-10 or CIFAR-100.
// The published CIFAR-10 itself, with its checks, is published_sets.cpp.
#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "datasets/cifar_binary.hpp"
#include "datasets/data_source.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

struct CifarBinarySettings {
  std::vector<std::string> train;
  std::vector<std::string> test;
  std::int64_t classes = 10;
  std::vector<double> mean{0.0};
  std::vector<double> deviation{1.0};
  double test_share = 0.1;
  std::uint64_t label_bytes = 1;
  template <class Visitor>
  void visit(Visitor& v) {
    v("train", train, "files of training records (plain, .gz or .xz)");
    v("test", test, "files of test records; left out: test_share of the training records");
    v("classes", classes, "number of classes", between(2, 256));
    v("mean", mean, "subtracted from pixels in [0, 1]; one number or one for each channel");
    v("deviation", deviation, "pixels are divided by it; one number or one for each channel", above(0));
    v("test_share", test_share,
      "part of the training records that is the test set where no test files are given", between(0, 0.9));
    v("label_bytes", label_bytes,
      "bytes before the pixels, of which the last is the label: 1 in CIFAR-10, 2 in CIFAR-100 (coarse and "
      "fine)",
      between(1, 16));
  }
};

class CifarBinarySource final : public DataSource {
 public:
  explicit CifarBinarySource(const CifarBinarySettings& settings) : settings_(settings) {}

  SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const override {
    if (settings_.train.empty()) throw user_error("data.source.train: give at least one file");
    return read(located(settings_.train, data_dir, "train"), located(settings_.test, data_dir, "test"), keep);
  }

  SplitExamples load_folder(const std::string& folder) const override {
    std::vector<std::string> train;
    std::vector<std::string> test;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (name.find(".bin") == std::string::npos || name.front() == '.') continue;
      (name.rfind("test", 0) == 0 ? test : train).push_back(entry.path().string());
    }
    if (train.empty())
      throw user_error(
          "{}: there are no files of records (*.bin, *.bin.gz, *.bin.xz; test*.bin are for testing)", folder);
    std::sort(train.begin(), train.end());
    std::sort(test.begin(), test.end());
    return read(train, test, {});
  }

 private:
  static std::vector<std::string> located(const std::vector<std::string>& files, const std::string& data_dir,
                                          const char* key) {
    std::vector<std::string> found;
    for (const std::string& file : files) found.push_back(locate(file, data_dir, key));
    return found;
  }
  SplitExamples read(const std::vector<std::string>& train, const std::vector<std::string>& test,
                     const KeptFeatures& keep) const {
    const Normalisation normalisation{settings_.mean, settings_.deviation};
    auto training =
        load_cifar_binary(train, settings_.classes, normalisation, keep.train, settings_.label_bytes);
    if (!test.empty())
      return split_of(training, load_cifar_binary(test, settings_.classes, normalisation, keep.test,
                                                  settings_.label_bytes));
    SplitExamples split = split_of(training, nullptr);
    carve_test(split, settings_.test_share);
    return split;
  }

  CifarBinarySettings settings_;
};

const Registration<DatasetRegistry, CifarBinarySettings> kCifarBinary{
    {"cifar-binary", "your own files of records: a label byte (CIFAR-100: two) and 3 x 32 x 32 pixels", ""},
    [](const CifarBinarySettings& settings) { return std::make_unique<CifarBinarySource>(settings); }};

}  // namespace
}  // namespace fedloom
