// The published picture sets of the catalogue: MNIST, Fashion-MNIST, CIFAR-10. They read what
// `fedloom data get` stored (or any folder of the same layout); they never download.
#include <filesystem>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/cifar_binary.hpp"
#include "datasets/data_source.hpp"
#include "datasets/idx.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

constexpr std::int64_t kClasses = 10;

struct PublishedSettings {
  bool normalise = true;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("normalize", "normalise");
    v("normalise", normalise, "shift and scale pixels to mean 0 and deviation 1 over the set; false: [0, 1]");
  }
};

/// The stored file of a set; a user error that says how to get it when it is missing.
std::string stored_file(const std::string& folder, const std::string& file, const std::string& set) {
  std::string found = find_packed((std::filesystem::path(folder) / file).string());
  if (found.empty())
    throw user_error(
        "{}: {} (plain, .gz or .xz) is not in {}; run `fedloom data get {}`, or let FEDLOOM_DATA name "
        "a folder with {}/{}",
        set, file, folder, set, set, file);
  return found;
}

bool is_in(const std::string& folder, const std::string& file) {
  return !find_packed((std::filesystem::path(folder) / file).string()).empty();
}

/// MNIST and the sets that copy its files. A client's own folder may do without the test part.
class MnistLike final : public DataSource {
 public:
  MnistLike(std::string set, Normalisation normalisation)
      : set_(std::move(set)), normalisation_(std::move(normalisation)) {}
  SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const override {
    const std::string folder = (std::filesystem::path(data_dir) / set_).string();
    return split_of(part(folder, "train", keep.train), part(folder, "t10k", keep.test));
  }
  SplitExamples load_folder(const std::string& folder) const override {
    const bool tested = is_in(folder, "t10k-images-idx3-ubyte");
    return split_of(part(folder, "train", KeptRows::all()),
                    tested ? part(folder, "t10k", KeptRows::all()) : nullptr);
  }

 private:
  std::shared_ptr<const Examples> part(const std::string& folder, const std::string& prefix,
                                       const KeptRows& keep) const {
    return load_idx({stored_file(folder, prefix + "-images-idx3-ubyte", set_),
                     stored_file(folder, prefix + "-labels-idx1-ubyte", set_), ""},
                    kClasses, normalisation_, keep);
  }

  std::string set_;
  Normalisation normalisation_;
};

/// A client's own folder may hold some of the batches, and may do without the test part.
class Cifar10 final : public DataSource {
 public:
  explicit Cifar10(Normalisation normalisation) : normalisation_(std::move(normalisation)) {}
  SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const override {
    const std::string folder = (std::filesystem::path(data_dir) / "cifar-10").string();
    return read(folder, {1, 2, 3, 4, 5}, true, keep);
  }
  SplitExamples load_folder(const std::string& folder) const override {
    std::vector<int> batches;
    for (int b = 1; b <= 5; ++b)
      if (is_in(folder, batch_name(b))) batches.push_back(b);
    if (batches.empty()) batches.push_back(1);  // whose absence is then the error
    return read(folder, batches, is_in(folder, kTestBatch), {});
  }

 private:
  static constexpr const char* kTestBatch = "test_batch.bin";
  static std::string batch_name(int batch) { return fmt::format("data_batch_{}.bin", batch); }

  SplitExamples read(const std::string& folder, const std::vector<int>& batches, bool tested,
                     const KeptFeatures& keep) const {
    std::vector<std::string> files;
    for (const int b : batches) files.push_back(stored_file(folder, batch_name(b), "cifar-10"));
    auto train = load_cifar_binary(files, kClasses, normalisation_, keep.train);
    if (!tested) return split_of(train, nullptr);
    return split_of(train, load_cifar_binary({stored_file(folder, kTestBatch, "cifar-10")}, kClasses,
                                             normalisation_, keep.test));
  }

  Normalisation normalisation_;
};

// Means and deviations over the training pixels, as everybody quotes them.
const Registration<DatasetRegistry, PublishedSettings> kMnist{
    {"mnist", "handwritten digits, 28 x 28, 60,000 to train and 10,000 to test",
     "LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proc. IEEE, "
     "1998"},
    [](const PublishedSettings& settings) {
      return std::make_unique<MnistLike>(
          "mnist", settings.normalise ? Normalisation{{0.1307}, {0.3081}} : Normalisation{});
    }};

const Registration<DatasetRegistry, PublishedSettings> kFashionMnist{
    {"fashion-mnist", "articles of clothing, 28 x 28, 60,000 to train and 10,000 to test",
     "Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
     "Algorithms, "
     "arXiv 1708.07747, 2017"},
    [](const PublishedSettings& settings) {
      return std::make_unique<MnistLike>(
          "fashion-mnist", settings.normalise ? Normalisation{{0.2860}, {0.3530}} : Normalisation{});
    }};

const Registration<DatasetRegistry, PublishedSettings> kCifar10{
    {"cifar-10", "small colour photographs, 3 x 32 x 32, 50,000 to train and 10,000 to test",
     "Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009"},
    [](const PublishedSettings& settings) {
      return std::make_unique<Cifar10>(
          settings.normalise ? Normalisation{{0.49140, 0.48216, 0.44653}, {0.24703, 0.24349, 0.26159}}
                             : Normalisation{});
    }};

}  // namespace
}  // namespace fedloom
