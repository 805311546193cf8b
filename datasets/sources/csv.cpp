// Anybody's table: CSV or TSV with numeric features, a label column and perhaps a client column.
// The format is datasets/csv.hpp; here are its settings and the split into training and test.
#include <cmath>
#include <filesystem>

#include "core/error.hpp"
#include "datasets/csv.hpp"
#include "datasets/data_source.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

constexpr std::uint64_t kMostText = std::uint64_t{2} << 30;

struct CsvSettings {
  std::string train;
  std::string test;
  std::string delimiter = "auto";
  std::string header = "auto";
  std::string label = "last";
  std::string client;
  std::int64_t classes = 0;
  std::vector<std::string> labels;
  bool standardise = false;
  double test_share = 0.1;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("path", "train");
    v.alias("standardize", "standardise");
    v("train", train, "file of training rows (plain, .gz or .xz)");
    v("test", test, "file of test rows; left out: test_share of the training rows");
    v("delimiter", delimiter, "auto: tab for .tsv, else comma",
      one_of({"auto", "comma", "tab", "semicolon", "space"}));
    v("header", header, "whether the first line names the columns; auto: when it is not numbers",
      one_of({"auto", "yes", "no"}));
    v("label", label, "the label column: its name, its number from 0, or last");
    v("client", client, "the column that says whose row it is: name or number from 0; \"\": none");
    v("classes", classes, "number of classes; 0: as many as the training labels show", between(0, 1e6));
    v("labels", labels,
      "the classes by name, when labels are words; left out: those of the training rows, sorted");
    v("standardise", standardise, "give every feature mean 0 and deviation 1 over the training rows");
    v("test_share", test_share, "part of the training rows that is the test set where no test file is given",
      between(0, 0.9));
  }
};

char delimiter_of(const std::string& name) {
  if (name == "comma") return ',';
  if (name == "tab") return '\t';
  if (name == "semicolon") return ';';
  return name == "space" ? ' ' : '\0';
}

struct Columns {
  std::vector<double> mean;
  std::vector<double> deviation;
};

Columns measure(const CsvTable& table) {
  Columns columns{std::vector<double>(table.width, 0.0), std::vector<double>(table.width, 0.0)};
  const double rows = static_cast<double>(table.rows());
  for (std::size_t i = 0; i < table.features.size(); ++i)
    columns.mean[i % table.width] += static_cast<double>(table.features[i]) / rows;
  for (std::size_t i = 0; i < table.features.size(); ++i) {
    const double off = static_cast<double>(table.features[i]) - columns.mean[i % table.width];
    columns.deviation[i % table.width] += off * off / rows;
  }
  // A constant column carries nothing; it becomes 0.
  for (double& d : columns.deviation) d = d > 0 ? std::sqrt(d) : 1.0;
  return columns;
}

void standardise(CsvTable& table, const Columns& columns) {
  for (std::size_t i = 0; i < table.features.size(); ++i) {
    const std::size_t c = i % table.width;
    const double value = (static_cast<double>(table.features[i]) - columns.mean[c]) / columns.deviation[c];
    table.features[i] = static_cast<float>(value);
  }
}

class CsvSource final : public DataSource {
 public:
  explicit CsvSource(const CsvSettings& settings) : settings_(settings) {}

  SplitExamples load(const std::string& data_dir, const KeptFeatures&) const override {
    return read(locate(settings_.train, data_dir, "train"),
                settings_.test.empty() ? "" : locate(settings_.test, data_dir, "test"));
  }

  SplitExamples load_folder(const std::string& folder) const override {
    if (settings_.classes == 0 && settings_.labels.empty())
      throw user_error(
          "data.source: a client may not hold every class, so give classes (their number) or labels "
          "(their names)");
    if (settings_.standardise)
      throw user_error(
          "data.source.standardise: a client cannot know the mean over all clients; prepare its file "
          "instead");
    const std::string train = table_in(folder, "train");
    if (train.empty()) throw user_error("{}: there is no train.csv or train.tsv (plain, .gz or .xz)", folder);
    return read(train, table_in(folder, "test"));
  }

 private:
  static std::string table_in(const std::string& folder, const std::string& stem) {
    for (const char* ending : {".csv", ".tsv"})
      if (auto found = find_packed((std::filesystem::path(folder) / (stem + ending)).string());
          !found.empty())
        return found;
    return "";
  }

  SplitExamples read(const std::string& train_file, const std::string& test_file) const {
    CsvOptions options{delimiter_of(settings_.delimiter), settings_.header, settings_.label, settings_.client,
                       settings_.classes};
    ByteSource source = ByteSource::open(train_file, kMostText);
    CsvTable train = read_csv(source, options, settings_.labels);
    const Columns columns = settings_.standardise ? measure(train) : Columns{};
    const auto names = train.label_names;
    const auto features = train.feature_names;
    options.classes = train.classes;
    if (settings_.standardise) standardise(train, columns);
    auto training = to_examples(std::move(train));
    if (!test_file.empty()) {
      ByteSource test_source = ByteSource::open(test_file, kMostText);
      CsvTable test = read_csv(test_source, options, names);
      if (!features.empty() && !test.feature_names.empty() && features != test.feature_names)
        throw user_error("{}: its feature columns are {}; {} has {}; give both the same in the same order",
                         test_file, fmt::join(test.feature_names, ", "), train_file,
                         fmt::join(features, ", "));
      if (settings_.standardise && test.width == columns.mean.size()) standardise(test, columns);
      return split_of(training, to_examples(std::move(test)));
    }
    SplitExamples split = split_of(training, nullptr);
    carve_test(split, settings_.test_share);
    return split;
  }

  CsvSettings settings_;
};

const Registration<DatasetRegistry, CsvSettings> kCsv{
    {"csv", "your own table of numbers with a label column and perhaps a client column (CSV or TSV)", ""},
    [](const CsvSettings& settings) { return std::make_unique<CsvSource>(settings); }};

}  // namespace
}  // namespace fedloom
