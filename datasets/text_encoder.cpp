// Counting and reading vocabularies, and the walk over the tokens of a text.
#include "datasets/text_encoder.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/data_source.hpp"

namespace fedloom {

namespace {

constexpr std::uint64_t kMostText = std::uint64_t{1} << 30;

Vocabulary read_vocabulary(const std::string& file) {
  const std::string text = ByteSource::open(file, kMostText).read_all();
  std::vector<std::string> tokens;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string token(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!token.empty() && token.back() == '\r') token.pop_back();
    if (token.empty())
      throw user_error("{}:{}:1: an empty token; write one on every line", file, tokens.size() + 1);
    tokens.push_back(std::move(token));
  }
  return {std::move(tokens), file};
}

void count(const TokenSettings& settings, const std::vector<std::string>& texts,
           Vocabulary::Counter& counter) {
  for (const std::string& text : texts) {
    const std::string prepared = settings.prepared(text);
    for (const std::string_view token : split_tokens(prepared, settings.kind())) counter.add(token);
  }
}

Vocabulary finish(const TokenSettings& settings, const Vocabulary::Counter& counter) {
  return counter.finish(static_cast<std::uint64_t>(settings.min_count),
                        static_cast<std::uint64_t>(settings.vocabulary));
}

}  // namespace

Vocabulary count_vocabulary(const TokenSettings& settings, const std::vector<std::string>& texts) {
  Vocabulary::Counter counter;
  count(settings, texts, counter);
  return finish(settings, counter);
}

std::optional<Vocabulary> named_vocabulary(const TokenSettings& settings, const std::string& data_dir) {
  const std::string& file = settings.vocabulary_file;
  if (!file.empty() && !settings.vocabulary_of.empty())
    throw user_error(
        "data.source: vocabulary_file and vocabulary_of both say what the tokens are; leave one out");
  if (!file.empty()) return read_vocabulary(locate(file, data_dir, "vocabulary_file"));
  if (settings.vocabulary_of.empty()) return std::nullopt;
  Vocabulary::Counter counter;
  for (const auto& texts : texts_of(settings.vocabulary_of, data_dir, "vocabulary_of"))
    count(settings, texts, counter);
  return finish(settings, counter);
}

Vocabulary client_vocabulary(const TokenSettings& settings, const std::string& folder) {
  if (settings.vocabulary_file.empty())
    throw user_error(
        "data.source.vocabulary_file: a client cannot count the words of all clients; give a file of the "
        "words, the same for everybody");
  return *named_vocabulary(settings, folder);
}

std::vector<std::vector<std::string>> texts_of(const std::vector<ComponentSpec>& sources,
                                               const std::string& data_dir, const char* key) {
  if (sources.empty())
    throw user_error("data.source.{}: name at least one source of texts, e.g. [sst2, trec]", key);
  std::vector<std::vector<std::string>> all;
  for (const ComponentSpec& spec : sources) {
    const auto source =
        DatasetRegistry::instance().find(spec.name, "data set", spec.where).make(spec.settings);
    auto texts = source->texts(data_dir);
    if (!texts) throw user_error("data.source.{}: {} has no texts; sst2, trec and text have", key, spec.name);
    all.push_back(std::move(*texts));
  }
  return all;
}

void TextEncoder::encode(const std::string& text, std::size_t most, std::vector<std::int32_t>& tokens) const {
  tokens.clear();
  const std::string prepared = settings_.prepared(text);
  for (const std::string_view token : split_tokens(prepared, settings_.kind())) {
    if (tokens.size() == most) return;
    tokens.push_back(vocabulary_.number(token));
  }
}

}  // namespace fedloom
