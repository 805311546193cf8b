// Texts of one or more sources, without their labels, whose hidden tokens are to be told: what an encoder is
// pretrained on. The task is datasets/masked_tokens.hpp; which texts, and how they are cut, is here.
#include <numeric>

#include "core/error.hpp"
#include "datasets/data_source.hpp"
#include "datasets/masked_tokens.hpp"
#include "datasets/split.hpp"
#include "datasets/text_encoder.hpp"
#include "datasets/token_examples.hpp"

namespace fedloom {
namespace {

struct MaskedSettings {
  std::vector<ComponentSpec> texts;
  MaskingRule rule;
  std::int64_t shortest = 4;
  double test_share = 0.05;
  TokenSettings tokens;
  template <class Visitor>
  void visit(Visitor& v) {
    v("texts", texts,
      "the sources whose training texts are read, e.g. [sst2, trec]; of their settings only those count that "
      "say which texts these are. An example's label is the number of its source");
    v("share", rule.share, "share of a text's tokens that are to be told, at least one", between(0.001, 1));
    v("hidden", rule.hidden, "share of those that are hidden", between(0, 1));
    v("random", rule.random, "share of those in whose place a random token stands; the rest is left as it is",
      between(0, 1));
    v("shortest", shortest, "texts, and ends of cut texts, of fewer tokens are left out", at_least(1));
    v("test_share", test_share, "share of the texts that is the test set, the same for every seed",
      between(0, 0.9));
    tokens.visit(v);
  }
};

/// The texts of all sources, one after the other.
struct Corpus {
  std::vector<std::string> texts;
  std::vector<std::int32_t> sources;  // of each
};

class MaskedTexts final : public DataSource {
 public:
  explicit MaskedTexts(MaskedSettings settings) : settings_(std::move(settings)) {
    if (settings_.rule.hidden + settings_.rule.random > 1.0)
      throw user_error(
          "data.source: hidden ({}) and random ({}) are shares of the same tokens, at most 1 in all",
          settings_.rule.hidden, settings_.rule.random);
  }

  SplitExamples load(const std::string& data_dir, const KeptFeatures&) const override {
    const Corpus corpus = read(data_dir);
    const auto [train, test] = divide(corpus);
    auto vocabulary = named_vocabulary(settings_.tokens, data_dir);
    if (!vocabulary) vocabulary = count_vocabulary(settings_.tokens, train.texts);
    if (vocabulary->size() <= Vocabulary::kFirst)
      throw user_error("data.source: no token is in the vocabulary; is min_count ({}) too large?",
                       settings_.tokens.min_count);
    const TextEncoder encoder(settings_.tokens, std::move(*vocabulary));
    auto training = windows(train, encoder);
    if (training->size() == 0)
      throw user_error("data.source: no text has `shortest` ({}) tokens", settings_.shortest);
    auto testing = windows(test, encoder);
    return split_of(training, testing->size() > 0 ? testing : nullptr);
  }

  SplitExamples load_folder(const std::string& folder) const override {
    throw user_error("{}: masked_texts joins whole sources and is no client's own; pretrain in one place",
                     folder);
  }

 private:
  Corpus read(const std::string& data_dir) const {
    Corpus corpus;
    std::int32_t number = 0;
    for (auto& texts : texts_of(settings_.texts, data_dir, "texts")) {
      corpus.sources.insert(corpus.sources.end(), texts.size(), number++);
      std::move(texts.begin(), texts.end(), std::back_inserter(corpus.texts));
    }
    return corpus;
  }

  /// Whole texts, so that no part of a test text is trained on.
  std::pair<Corpus, Corpus> divide(const Corpus& corpus) const {
    std::vector<std::uint32_t> all(corpus.texts.size());
    std::iota(all.begin(), all.end(), std::uint32_t{0});
    Random random = split_random(0, SplitTask::test);
    const auto count = static_cast<std::size_t>(settings_.test_share * static_cast<double>(all.size()));
    const auto [test, train] = take_random(all, count, random);
    const auto part = [&corpus](const std::vector<std::uint32_t>& indices) {
      Corpus chosen;
      for (const std::uint32_t i : indices) {
        chosen.texts.push_back(corpus.texts[i]);
        chosen.sources.push_back(corpus.sources[i]);
      }
      return chosen;
    };
    return {part(train), part(test)};
  }

  /// Every text in pieces of `length` tokens, the last one shorter, those left out that hold nothing to tell.
  std::shared_ptr<const MaskedTokens> windows(const Corpus& corpus, const TextEncoder& encoder) const {
    const auto length = static_cast<std::size_t>(settings_.tokens.length);
    const auto shortest = static_cast<std::size_t>(settings_.shortest);
    const auto examples =
        std::make_shared<TokenExamples>(DataSpec{.shape = {settings_.tokens.length},
                                                 .classes = static_cast<std::int64_t>(settings_.texts.size()),
                                                 .vocabulary = encoder.vocabulary().size(),
                                                 .vocabulary_id = encoder.vocabulary().fingerprint()});
    std::vector<std::int32_t> tokens;
    for (std::size_t i = 0; i < corpus.texts.size(); ++i) {
      encoder.encode(corpus.texts[i], SIZE_MAX, tokens);
      for (std::size_t begin = 0; begin < tokens.size(); begin += length) {
        const std::span window = std::span(tokens).subspan(begin, std::min(length, tokens.size() - begin));
        const bool tells = std::any_of(window.begin(), window.end(),
                                       [](std::int32_t token) { return token >= Vocabulary::kFirst; });
        if (window.size() >= shortest && tells) examples->add(window, corpus.sources[i]);
      }
    }
    return std::make_shared<MaskedTokens>(examples, settings_.rule);
  }

  MaskedSettings settings_;
};

const Registration<DatasetRegistry, MaskedSettings> kMaskedTexts{
    {"masked_texts",
     "texts of one or more sources with hidden tokens, which are the task: pretraining of an encoder",
     "Devlin, Chang, Lee, Toutanova: BERT: Pre-training of Deep Bidirectional Transformers for Language "
     "Understanding, NAACL 2019"},
    [](const MaskedSettings& settings) { return std::make_unique<MaskedTexts>(settings); }};

}  // namespace
}  // namespace fedloom
