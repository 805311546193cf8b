// Anybody's IDX files: images (or rows of features) and labels as bytes, optionally a client id for each.
// The format is datasets/idx.hpp; here are its settings and the split into training and test.
#include <filesystem>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/data_source.hpp"
#include "datasets/idx.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

struct IdxSettings {
  std::string train_images;
  std::string train_labels;
  std::string train_clients;
  std::string test_images;
  std::string test_labels;
  std::int64_t classes = 0;
  std::vector<std::uint64_t> labels;
  std::vector<double> mean{0.0};
  std::vector<double> deviation{1.0};
  double test_share = 0.1;
  template <class Visitor>
  void visit(Visitor& v) {
    v("train_images", train_images, "IDX file of training images (plain, .gz or .xz)");
    v("train_labels", train_labels, "IDX file of training labels");
    v("train_clients", train_clients,
      "IDX file of client ids (bytes, so at most 256 clients) of the training images, for the natural "
      "partition; partition.file takes any number");
    v("test_images", test_images, "IDX file of test images; left out: test_share of the training images");
    v("test_labels", test_labels, "IDX file of test labels");
    v("classes", classes, "number of classes; 0: as many as the training labels show", between(0, 256));
    v("labels", labels, "the label bytes that are class 0, 1 …; left out: a byte is its class",
      between(0, 255));
    v("mean", mean, "subtracted from pixels in [0, 1]; one number or one for each channel");
    v("deviation", deviation, "pixels are divided by it; one number or one for each channel", above(0));
    v("test_share", test_share,
      "part of the training images that is the test set where no test files are given", between(0, 0.9));
  }
};

class IdxSource final : public DataSource {
 public:
  explicit IdxSource(const IdxSettings& settings)
      : settings_(settings), labels_(settings.labels.begin(), settings.labels.end()) {
    refuse_twice(settings.labels);
    if (!labels_.empty() && settings_.classes == 0)
      settings_.classes = static_cast<std::int64_t>(labels_.size());
    if (!labels_.empty() && settings_.classes < static_cast<std::int64_t>(labels_.size()))
      throw user_error("data.source.classes: {}, and labels names {}", settings_.classes, labels_.size());
  }

  SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const override {
    IdxFiles train{locate(settings_.train_images, data_dir, "train_images"),
                   locate(settings_.train_labels, data_dir, "train_labels"), ""};
    if (!settings_.train_clients.empty())
      train.groups = locate(settings_.train_clients, data_dir, "train_clients");
    IdxFiles test;
    if (!settings_.test_images.empty())
      test = {locate(settings_.test_images, data_dir, "test_images"),
              locate(settings_.test_labels, data_dir, "test_labels"), ""};
    return read(train, test, keep);
  }

  SplitExamples load_folder(const std::string& folder) const override {
    if (settings_.classes == 0)
      throw user_error("data.source.classes: a client may not hold every class, so give their number");
    const IdxFiles train = pair(folder, {"train-images-idx3-ubyte", "images-idx3-ubyte"},
                                {"train-labels-idx1-ubyte", "labels-idx1-ubyte"});
    if (train.images.empty() || train.labels.empty())
      throw user_error(
          "{}: there are no IDX files called train-images-idx3-ubyte and train-labels-idx1-ubyte "
          "(plain, .gz or .xz)",
          folder);
    return read(train,
                pair(folder, {"t10k-images-idx3-ubyte", "test-images-idx3-ubyte"},
                     {"t10k-labels-idx1-ubyte", "test-labels-idx1-ubyte"}),
                {});
  }

 private:
  static std::string first_of(const std::string& folder, const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (auto found = find_packed((std::filesystem::path(folder) / name).string()); !found.empty())
        return found;
    return "";
  }
  static IdxFiles pair(const std::string& folder, const std::vector<std::string>& images,
                       const std::vector<std::string>& labels) {
    return {first_of(folder, images), first_of(folder, labels), ""};
  }
  SplitExamples read(const IdxFiles& train, const IdxFiles& test, const KeptFeatures& keep) const {
    const Normalisation normalisation{settings_.mean, settings_.deviation};
    auto training = load_idx(train, settings_.classes, normalisation, keep.train, labels_);
    if (!test.images.empty())
      return split_of(training, load_idx(test, training->spec().classes, normalisation, keep.test, labels_));
    SplitExamples split = split_of(training, nullptr);
    carve_test(split, settings_.test_share);
    return split;
  }

  IdxSettings settings_;
  std::vector<std::uint8_t> labels_;  // bytes of class 0, 1 …
};

const Registration<DatasetRegistry, IdxSettings> kIdx{
    {"idx", "your own IDX files of images and labels", ""},
    [](const IdxSettings& settings) { return std::make_unique<IdxSource>(settings); }};

}  // namespace
}  // namespace fedloom
