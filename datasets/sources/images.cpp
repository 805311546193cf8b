// Anybody's pictures: a folder for each class with PNG files in it (datasets/picture_folder.hpp). Here are
// the settings and the split into training and test.
#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "datasets/data_source.hpp"
#include "datasets/picture_folder.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

struct ImagesSettings {
  std::string train;
  std::string test;
  std::vector<std::string> labels;
  std::vector<std::uint64_t> shape{3, 32, 32};
  std::vector<double> mean{0.0};
  std::vector<double> deviation{1.0};
  double test_share = 0.1;
  template <class Visitor>
  void visit(Visitor& v) {
    v("train", train, "folder of training pictures; as it stands or below the data folder");
    v("test", test, "folder of test pictures; left out: test_share of the training pictures");
    v("labels", labels,
      "names of the folders in the order of the classes; left out: those of the training pictures, sorted");
    v("shape", shape,
      "form of an example: [channels, height, width], 1 channel for grey and 3 for RGB. Pictures of other "
      "sizes are "
      "brought to it by means over areas",
      between(1, 4096));
    v("mean", mean, "subtracted from pixels in [0, 1]; one number or one for each channel");
    v("deviation", deviation, "pixels are divided by it; one number or one for each channel", above(0));
    v("test_share", test_share,
      "part of the training pictures that is the test set where no test folder is given", between(0, 0.9));
  }
};

class ImagesSource final : public DataSource {
 public:
  explicit ImagesSource(const ImagesSettings& settings)
      : settings_(settings), shape_(settings.shape.begin(), settings.shape.end()) {
    if (shape_.size() != 3 || (shape_[0] != 1 && shape_[0] != 3))
      throw user_error("data.source.shape: give [channels, height, width] with 1 or 3 channels");
    if (settings.labels.size() > 256)
      throw user_error("data.source.labels: {} classes; at most 256", settings.labels.size());
    refuse_twice(settings.labels);
  }

  SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const override {
    const std::string train = folder_of(settings_.train, data_dir, "train");
    const std::string test = settings_.test.empty() ? "" : folder_of(settings_.test, data_dir, "test");
    const auto labels = settings_.labels.empty() ? class_folders(train) : settings_.labels;
    if (labels.size() > 256) throw user_error("{}: {} folders; at most 256 classes", train, labels.size());
    return read(train, test, labels, keep);
  }

  SplitExamples load_folder(const std::string& folder) const override {
    if (settings_.labels.empty())
      throw user_error("data.source.labels: a client may not hold every class, so name the folders of all");
    const std::filesystem::path root(folder);
    // Unless it is a class: there are sets with a class of trains.
    const bool parted =
        std::filesystem::is_directory(root / "train") &&
        std::find(settings_.labels.begin(), settings_.labels.end(), "train") == settings_.labels.end();
    const std::string test = (root / "test").string();
    return read(parted ? (root / "train").string() : folder,
                parted && std::filesystem::is_directory(test) ? test : "", settings_.labels, {});
  }

 private:
  static std::string folder_of(const std::string& path, const std::string& data_dir, const char* key) {
    if (path.empty()) throw user_error("data.source.{}: give the folder of the pictures", key);
    for (const std::filesystem::path& place :
         {std::filesystem::path(path), std::filesystem::path(data_dir) / path})
      if (std::filesystem::is_directory(place)) return place.string();
    throw user_error("data.source.{}: there is no folder {} here or in {}", key, path, data_dir);
  }
  SplitExamples read(const std::string& train, const std::string& test,
                     const std::vector<std::string>& labels, const KeptFeatures& keep) const {
    const Normalisation normalisation{settings_.mean, settings_.deviation};
    auto training = load_picture_folder(train, labels, shape_, normalisation, keep.train);
    if (!test.empty())
      return split_of(training, load_picture_folder(test, labels, shape_, normalisation, keep.test));
    SplitExamples split = split_of(training, nullptr);
    carve_test(split, settings_.test_share);
    return split;
  }

  ImagesSettings settings_;
  std::vector<std::size_t> shape_;
};

const Registration<DatasetRegistry, ImagesSettings> kImages{
    {"images", "your own PNG pictures, a folder for each class", ""},
    [](const ImagesSettings& settings) { return std::make_unique<ImagesSource>(settings); }};

}  // namespace
}  // namespace fedloom
