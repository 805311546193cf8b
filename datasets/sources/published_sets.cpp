// The published picture sets of the catalogue: MNIST, Fashion-MNIST, USPS, CIFAR-10. They read what
// `fedloom data get` stored (or any folder of the same layout); they never download.
#include <filesystem>

#include "datasets/byte_source.hpp"
#include "datasets/catalogue.hpp"
#include "datasets/cifar_binary.hpp"
#include "datasets/data_source.hpp"
#include "datasets/idx.hpp"
#include "datasets/normalise_settings.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

constexpr std::int64_t kClasses = 10;

bool is_in(const std::string& folder, const std::string& file) {
  return !find_packed((std::filesystem::path(folder) / file).string()).empty();
}

/// How the files of a set begin: PREFIX-images-idx3-ubyte, PREFIX-labels-idx1-ubyte.
struct Prefixes {
  std::string train = "train";
  std::string test = "t10k";
};

/// MNIST and the sets that copy its files. A client's own folder may do without the test part.
class MnistLike final : public DataSource {
 public:
  MnistLike(std::string set, Normalisation normalisation, Prefixes prefixes = {})
      : set_(std::move(set)), normalisation_(std::move(normalisation)), prefixes_(std::move(prefixes)) {}
  SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const override {
    const std::string folder = catalogue_entry(set_).folder(data_dir);
    return split_of(part(folder, prefixes_.train, keep.train), part(folder, prefixes_.test, keep.test));
  }
  SplitExamples load_folder(const std::string& folder) const override {
    const bool tested = is_in(folder, prefixes_.test + "-images-idx3-ubyte");
    return split_of(part(folder, prefixes_.train, KeptRows::all()),
                    tested ? part(folder, prefixes_.test, KeptRows::all()) : nullptr);
  }

 private:
  std::shared_ptr<const Examples> part(const std::string& folder, const std::string& prefix,
                                       const KeptRows& keep) const {
    return load_idx({stored_file(set_, folder, prefix + "-images-idx3-ubyte"),
                     stored_file(set_, folder, prefix + "-labels-idx1-ubyte"), ""},
                    kClasses, normalisation_, keep);
  }

  std::string set_;
  Normalisation normalisation_;
  Prefixes prefixes_;
};

/// A client's own folder may hold some of the batches, and may do without the test part.
class Cifar10 final : public DataSource {
 public:
  explicit Cifar10(Normalisation normalisation) : normalisation_(std::move(normalisation)) {}
  SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const override {
    const std::string folder = catalogue_entry("cifar-10").folder(data_dir);
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
    for (const int b : batches) files.push_back(stored_file("cifar-10", folder, batch_name(b)));
    auto train = load_cifar_binary(files, kClasses, normalisation_, keep.train);
    if (!tested) return split_of(train, nullptr);
    return split_of(train, load_cifar_binary({stored_file("cifar-10", folder, kTestBatch)}, kClasses,
                                             normalisation_, keep.test));
  }

  Normalisation normalisation_;
};

// Means and deviations over the training pixels, as everybody quotes them.
const Registration<DatasetRegistry, NormaliseSettings> kMnist{
    {"mnist", "handwritten digits, 28 x 28, 60,000 to train and 10,000 to test",
     "LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proc. IEEE, "
     "1998"},
    [](const NormaliseSettings& settings) {
      return std::make_unique<MnistLike>("mnist", settings.over({{0.1307}, {0.3081}}));
    }};

const Registration<DatasetRegistry, NormaliseSettings> kFashionMnist{
    {"fashion-mnist", "articles of clothing, 28 x 28, 60,000 to train and 10,000 to test",
     "Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
     "Algorithms, "
     "arXiv 1708.07747, 2017"},
    [](const NormaliseSettings& settings) {
      return std::make_unique<MnistLike>("fashion-mnist", settings.over({{0.2860}, {0.3530}}));
    }};

const Registration<DatasetRegistry, NormaliseSettings> kUsps{
    {"usps", "handwritten digits of envelopes, 16 x 16, 7,291 to train and 2,007 to test",
     "Hull: A Database for Handwritten Text Recognition Research, IEEE Trans. PAMI 16(5), 1994"},
    [](const NormaliseSettings& settings) {
      return std::make_unique<MnistLike>("usps", settings.over({{0.2545}, {0.3846}}),
                                         Prefixes{"usps-train", "usps-test"});
    }};

const Registration<DatasetRegistry, NormaliseSettings> kCifar10{
    {"cifar-10", "small colour photographs, 3 x 32 x 32, 50,000 to train and 10,000 to test",
     "Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009"},
    [](const NormaliseSettings& settings) {
      return std::make_unique<Cifar10>(
          settings.over({{0.49140, 0.48216, 0.44653}, {0.24703, 0.24349, 0.26159}}));
    }};

}  // namespace
}  // namespace fedloom
