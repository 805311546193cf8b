// The published sets of texts in the catalogue: SST-2, TREC, 20 Newsgroups. They read what lies in the data
// folder (or any folder of the same layout); they never download.
#include "core/error.hpp"
#include "datasets/catalogue.hpp"
#include "datasets/data_source.hpp"
#include "datasets/text_examples.hpp"

namespace fedloom {
namespace {

TokenSettings of_length(std::int64_t length) {
  TokenSettings settings;
  settings.length = length;
  return settings;
}

/// The files of a set and how they are read.
struct Form {
  std::string set;
  std::string train_file;
  std::string test_file;
  TextTableOptions table;
  ClassSettings classes;
  bool coarse = false;  // labels end at the first colon
};

/// A client's own folder may do without the test part.
class PublishedTexts final : public DataSource {
 public:
  PublishedTexts(Form form, TokenSettings tokens) : form_(std::move(form)), tokens_(std::move(tokens)) {}

  SplitExamples load(const std::string& data_dir, const KeptFeatures&) const override {
    const std::string folder = catalogue_entry(form_.set).folder(data_dir);
    return read(folder, true, named_vocabulary(tokens_, data_dir));
  }
  SplitExamples load_folder(const std::string& folder) const override {
    const bool tested = !find_packed(folder + "/" + form_.test_file).empty();
    return read(folder, tested, client_vocabulary(tokens_, folder));
  }
  std::optional<std::vector<std::string>> texts(const std::string& data_dir) const override {
    return table(catalogue_entry(form_.set).folder(data_dir), form_.train_file).texts;
  }

 private:
  TextTable table(const std::string& folder, const std::string& file) const {
    ByteSource source = ByteSource::open(stored_file(form_.set, folder, file));
    TextTable table = read_text_table(source, form_.table);
    for (CsvField& label : table.labels) {
      if (!form_.coarse) break;
      const std::size_t colon = label.text.find(':');
      if (colon == std::string::npos)
        throw user_error("{}:{}:{}: the label '{}' is not of the form COARSE:fine", table.file, label.line,
                         label.column, label.text.substr(0, 40));
      label.text.resize(colon);
    }
    return table;
  }

  SplitExamples read(const std::string& folder, bool tested, std::optional<Vocabulary> vocabulary) const {
    const TextTable train = table(folder, form_.train_file);
    if (!tested) return encode_texts(train, nullptr, 0, form_.classes, tokens_, std::move(vocabulary));
    const TextTable test = table(folder, form_.test_file);
    return encode_texts(train, &test, 0, form_.classes, tokens_, std::move(vocabulary));
  }

  Form form_;
  TokenSettings tokens_;
};

struct Sst2Settings {
  std::string test_part = "test";
  TokenSettings tokens = of_length(64);
  template <class Visitor>
  void visit(Visitor& v) {
    v("test_part", test_part, "the part that is the test set: test (1,821 sentences) or dev (872)",
      one_of({"test", "dev"}));
    tokens.visit(v);
  }
};

struct TrecSettings {
  std::string labels = "coarse";
  TokenSettings tokens = of_length(32);
  template <class Visitor>
  void visit(Visitor& v) {
    v("labels", labels,
      "coarse: what is asked for, 6 classes; fine: its kind, as many as the training part shows",
      one_of({"coarse", "fine"}));
    tokens.visit(v);
  }
};

struct NewsSettings {
  TokenSettings tokens = of_length(256);
  template <class Visitor>
  void visit(Visitor& v) {
    tokens.visit(v);
  }
};

TextTableOptions columns(const std::string& label, std::vector<std::string> text) {
  TextTableOptions options;
  options.delimiter = '\t';
  options.header = "yes";
  options.label = label;
  options.text = std::move(text);
  return options;
}

const Registration<DatasetRegistry, Sst2Settings> kSst2{
    {"sst2", "sentences from film reviews, liked or not: 67,349 phrases to train and 1,821 sentences to test",
     "Socher, Perelygin, Wu, Chuang, Manning, Ng, Potts: Recursive Deep Models for Semantic Compositionality "
     "Over "
     "a Sentiment Treebank, EMNLP 2013"},
    [](const Sst2Settings& settings) {
      return std::make_unique<PublishedTexts>(
          Form{"sst2", "train.tsv", settings.test_part + ".tsv", columns("0", {"1"}), {2, {}}, false},
          settings.tokens);
    }};

const Registration<DatasetRegistry, TrecSettings> kTrec{
    {"trec", "questions by what they ask for: about 5,450 to train and 500 to test, 6 classes",
     "Li, Roth: Learning Question Classifiers, COLING 2002"},
    [](const TrecSettings& settings) {
      TextTableOptions options;
      options.delimiter = ' ';
      const bool coarse = settings.labels == "coarse";
      const std::vector<std::string> six{"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"};
      return std::make_unique<PublishedTexts>(Form{"trec",
                                                   "train_5500.label",
                                                   "TREC_10.en.label",
                                                   options,
                                                   {0, coarse ? six : std::vector<std::string>{}},
                                                   coarse},
                                              settings.tokens);
    }};

const Registration<DatasetRegistry, NewsSettings> kNews{
    {"20newsgroups", "posts to 20 news groups, split by date: 11,314 to train and 7,532 to test",
     "Lang: NewsWeeder: Learning to Filter Netnews, ICML 1995"},
    [](const NewsSettings& settings) {
      TextTableOptions options = columns("label", {"subject", "body"});
      options.escapes = true;
      return std::make_unique<PublishedTexts>(
          Form{"20newsgroups", "20news-bydate-train.tsv", "20news-bydate-test.tsv", options, {20, {}}, false},
          settings.tokens);
    }};

}  // namespace
}  // namespace fedloom
