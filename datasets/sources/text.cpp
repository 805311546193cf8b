// Anybody's labelled texts: CSV or TSV with a label column and one or more text columns, or lines that begin
// with their label. The format is datasets/text_table.hpp; here are its settings.
#include <filesystem>

#include "core/error.hpp"
#include "datasets/data_source.hpp"
#include "datasets/text_examples.hpp"

namespace fedloom {
namespace {

constexpr std::uint64_t kMostText = std::uint64_t{2} << 30;

struct TextSettings {
  std::string train;
  std::string test;
  std::string delimiter = "auto";
  TextTableOptions table;
  ClassSettings classes;
  double test_share = 0.1;
  TokenSettings tokens;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("path", "train");
    v("train", train, "file of training rows (plain, .gz or .xz)");
    v("test", test, "file of test rows; left out: test_share of the training rows");
    v("delimiter", delimiter,
      "between columns; auto: tab for .tsv, else comma; space: the first space ends the label and the rest "
      "of the "
      "line is the text",
      one_of({"auto", "comma", "tab", "semicolon", "space"}));
    v("quotes", table.quotes,
      "whether a field may stand in double quotes; auto: no between tabs, where quotes are plain text",
      one_of({"auto", "yes", "no"}));
    v("header", table.header,
      "whether the first line names the columns; auto: when columns are chosen by name",
      one_of({"auto", "yes", "no"}));
    v("label", table.label, "the label column: its name, its number from 0, or last");
    v("text", table.text, "the columns of the text, joined by a space: names, numbers from 0, or last");
    v("client", table.client, "the column that says whose row it is: name or number from 0; \"\": none");
    v("escapes", table.escapes, "\\n, \\t and \\\\ in a text stand for line end, tab and backslash");
    v("classes", classes.classes, "number of classes; 0: as many as the training labels show",
      between(0, 1e6));
    v("labels", classes.labels,
      "the classes by name, when labels are words; left out: those of the training rows, sorted");
    v("test_share", test_share, "part of the training rows that is the test set where no test file is given",
      between(0, 0.9));
    tokens.visit(v);
  }
};

char delimiter_of(const std::string& name) {
  if (name == "comma") return ',';
  if (name == "tab") return '\t';
  if (name == "semicolon") return ';';
  return name == "space" ? ' ' : '\0';
}

class TextSource final : public DataSource {
 public:
  explicit TextSource(TextSettings settings) : settings_(std::move(settings)) {
    settings_.table.delimiter = delimiter_of(settings_.delimiter);
  }

  SplitExamples load(const std::string& data_dir, const KeptFeatures&) const override {
    return read(locate(settings_.train, data_dir, "train"),
                settings_.test.empty() ? "" : locate(settings_.test, data_dir, "test"),
                named_vocabulary(settings_.tokens, data_dir));
  }

  std::optional<std::vector<std::string>> texts(const std::string& data_dir) const override {
    return training_texts(table(locate(settings_.train, data_dir, "train")),
                          settings_.test.empty() ? settings_.test_share : 0.0);
  }

  SplitExamples load_folder(const std::string& folder) const override {
    if (settings_.classes.classes == 0 && settings_.classes.labels.empty())
      throw user_error(
          "data.source: a client may not hold every class, so give classes (their number) or labels "
          "(their names)");
    Vocabulary vocabulary = client_vocabulary(settings_.tokens, folder);
    const std::string train = table_in(folder, "train");
    if (train.empty())
      throw user_error("{}: there is no train.tsv, train.csv or train.txt (plain, .gz or .xz)", folder);
    return read(train, table_in(folder, "test"), std::move(vocabulary));
  }

 private:
  static std::string table_in(const std::string& folder, const std::string& stem) {
    for (const char* ending : {".tsv", ".csv", ".txt"})
      if (auto found = find_packed((std::filesystem::path(folder) / (stem + ending)).string());
          !found.empty())
        return found;
    return "";
  }

  TextTable table(const std::string& file) const {
    ByteSource source = ByteSource::open(file, kMostText);
    return read_text_table(source, settings_.table);
  }

  SplitExamples read(const std::string& train_file, const std::string& test_file,
                     std::optional<Vocabulary> vocabulary) const {
    const TextTable train = table(train_file);
    if (test_file.empty())
      return encode_texts(train, nullptr, settings_.test_share, settings_.classes, settings_.tokens,
                          std::move(vocabulary));
    const TextTable test = table(test_file);
    return encode_texts(train, &test, 0, settings_.classes, settings_.tokens, std::move(vocabulary));
  }

  TextSettings settings_;
};

const Registration<DatasetRegistry, TextSettings> kText{
    {"text",
     "your own labelled texts (CSV, TSV, or a label in front of each line), perhaps with a client column",
     ""},
    [](const TextSettings& settings) { return std::make_unique<TextSource>(settings); }};

}  // namespace
}  // namespace fedloom
