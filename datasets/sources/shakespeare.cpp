// Plays by speaker, as LEAF's Shakespeare task: given 80 characters of what somebody says, say the next one.
// S. Caldas et al., "LEAF: A Benchmark for Federated Settings", arXiv 1812.01097, 2018. Differs from LEAF in
// that a speaker is the same person in every play, and that speeches keep their line ends.
#include "core/error.hpp"
#include "datasets/alphabet.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/catalogue.hpp"
#include "datasets/character_windows.hpp"
#include "datasets/data_source.hpp"
#include "datasets/speeches.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

constexpr std::uint64_t kMostText = std::uint64_t{1} << 30;

struct ShakespeareSettings {
  std::string file;
  std::uint64_t length = 80;
  std::uint64_t stride = 1;
  std::uint64_t min_chars = 1000;
  double test_share = 0.2;
  std::string alphabet = "file";
  template <class Visitor>
  void visit(Visitor& v) {
    v("file", file,
      "speeches between blank lines, the first line \"NAME:\" (plain, .gz or .xz); \"\": "
      "tinyshakespeare/input.txt "
      "of the data folder");
    v("length", length, "characters of a window, whose next one is the label", between(1, 65536));
    v("stride", stride, "characters from one window to the next; 1 as in LEAF", between(1, 1e6));
    v("min_chars", min_chars, "people who say fewer characters are left out");
    v("test_share", test_share,
      "the last part of what everybody says is the test set; no window reaches from one part into the other",
      between(0, 0.9));
    v("alphabet", alphabet,
      "the characters: those of the file, or the 80 of leaf (others count as a space), which deployed "
      "clients need",
      one_of({"file", "leaf"}));
  }
};

class ShakespeareSource final : public DataSource {
 public:
  explicit ShakespeareSource(const ShakespeareSettings& settings) : settings_(settings) {}

  SplitExamples load(const std::string& data_dir, const KeptFeatures&) const override {
    return read(file_in(data_dir));
  }
  SplitExamples load_folder(const std::string& folder) const override {
    if (settings_.alphabet != "leaf")
      throw user_error(
          "data.source.alphabet: a client does not know the characters of the others; set it to leaf");
    return read(stored_file("shakespeare", folder, "input.txt"));
  }

  std::optional<std::vector<std::string>> texts(const std::string& data_dir) const override {
    const std::string file = file_in(data_dir);
    std::vector<std::string> said;
    for (const Speaker& speaker : read_speakers(ByteSource::open(file, kMostText).read_all(), file))
      if (speaker.text.size() >= settings_.min_chars)
        said.push_back(speaker.text.substr(0, speaker.text.size() - held_out(speaker)));
    return said;
  }

 private:
  std::string file_in(const std::string& data_dir) const {
    if (!settings_.file.empty()) return locate(settings_.file, data_dir, "file");
    return stored_file("shakespeare", catalogue_entry("shakespeare").folder(data_dir), "input.txt");
  }
  /// Characters at the end of what somebody says that are for the test set.
  std::uint32_t held_out(const Speaker& speaker) const {
    return static_cast<std::uint32_t>(settings_.test_share * static_cast<double>(speaker.text.size()));
  }

  SplitExamples read(const std::string& file) const {
    const std::string text = ByteSource::open(file, kMostText).read_all();
    const Alphabet alphabet = settings_.alphabet == "leaf" ? Alphabet::leaf() : Alphabet::of(text);
    auto numbers = std::make_shared<std::vector<std::uint8_t>>();
    std::vector<TextSegment> train;
    std::vector<TextSegment> test;
    std::uint32_t group = 0;
    for (const Speaker& speaker : read_speakers(text, file)) {
      if (speaker.text.size() < settings_.min_chars) continue;
      const auto begin = static_cast<std::uint32_t>(numbers->size());
      for (const char c : speaker.text) numbers->push_back(alphabet.number(c));
      const auto end = static_cast<std::uint32_t>(numbers->size());
      const std::uint32_t tested = held_out(speaker);
      train.push_back({begin, end - tested, group});
      test.push_back({end - tested, end, group});
      ++group;
    }
    const WindowForm form{settings_.length, settings_.stride, alphabet.size()};
    auto training = std::make_shared<CharacterWindows>(numbers, std::move(train), form);
    if (training->size() == 0)
      throw user_error("{}: nobody says min_chars ({}) characters and more than {} of them to train on", file,
                       settings_.min_chars, settings_.length);
    auto testing = std::make_shared<CharacterWindows>(numbers, std::move(test), form);
    return split_of(training, testing->size() > 0 ? testing : nullptr);
  }

  ShakespeareSettings settings_;
};

const Registration<DatasetRegistry, ShakespeareSettings> kShakespeare{
    {"shakespeare", "plays by speaker: 80 characters of what somebody says, the label is the next one",
     "Caldas et al.: LEAF: A Benchmark for Federated Settings, arXiv 1812.01097, 2018; text: Karpathy: The "
     "Unreasonable Effectiveness of Recurrent Neural Networks, 2015"},
    [](const ShakespeareSettings& settings) { return std::make_unique<ShakespeareSource>(settings); }};

}  // namespace
}  // namespace fedloom
