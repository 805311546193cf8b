// From the `data:` part of a file to clients: sources, splits, defaults, a deployed client's own files,
// errors.
#include "datasets/federation.hpp"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/data_source.hpp"
#include "datasets/partitioned_data.hpp"
#include "datasets/split.hpp"
#include "datasets/table_examples.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::Bytes;
using samples::error_of;
using samples::Folder;
using samples::idx;
using ::testing::HasSubstr;

DataConfig parse(const std::string& yaml) {
  return read_config<DataConfig>(ConfigNode::from_text(yaml, "exp.yaml"));
}

/// A table of `rows` rows: feature = row number, class = row mod 4, person = row mod 5.
std::string table(std::size_t rows) {
  std::string text = "x,who,kind\n";
  for (std::size_t i = 0; i < rows; ++i) text += fmt::format("{},p{},{}\n", i, i % 5, i % 4);
  return text;
}

std::set<std::uint32_t> everything(const FederatedData& data) {
  std::set<std::uint32_t> all;
  std::size_t count = 0;
  const auto add = [&](const ExampleView& view) {
    all.insert(view.indices.begin(), view.indices.end());
    count += view.size();
  };
  for (std::size_t k = 0; k < data.clients(); ++k) {
    EXPECT_EQ(data.client(k).size(), data.example_count(k));
    add(data.client(k));
    add(data.client_test(k));
  }
  add(data.validation());
  add(data.test());
  EXPECT_EQ(all.size(), count) << "an example is in two parts";
  return all;
}

TEST(Federation, EveryRowIsInExactlyOnePart) {
  const Folder folder;
  folder.write("t.csv.gz", gzip(samples::bytes(table(200))));
  const auto config = parse(
      "{source: {name: csv, train: t.csv, client: who, test_share: 0.2}, partition: iid, clients: 7, "
      "validation: 0.1, client_test: 0.25}");
  const auto data = load_federated_data(config, 1, folder.path());
  EXPECT_EQ(data->spec(), (DataSpec{{1}, 4, 0}));
  EXPECT_EQ(data->clients(), 7U);
  EXPECT_EQ(data->test().size(), 40U);
  EXPECT_EQ(data->validation().size(), 16U);
  EXPECT_EQ(data->client(0).size() + data->client_test(0).size(), 21U);  // 144 = 7 * 20 + 4
  EXPECT_EQ(data->client_test(0).size(), 5U);
  EXPECT_EQ(everything(*data).size(), 200U);
}

TEST(Federation, SameSeedSameSplitOtherSeedOtherSplitSameTest) {
  const Folder folder;
  const std::string file = folder.write("t.csv", table(100));
  const auto config = parse("{source: {name: csv, train: " + file +
                            ", client: who}, partition: iid, clients: 4, validation: 0.2}");
  const auto a = load_federated_data(config, 1, "");
  const auto b = load_federated_data(config, 1, "");
  const auto c = load_federated_data(config, 2, "");
  EXPECT_EQ(a->client(2).indices, b->client(2).indices);
  EXPECT_NE(a->client(2).indices, c->client(2).indices);
  EXPECT_NE(a->validation().indices, c->validation().indices);
  EXPECT_EQ(a->test().indices, c->test().indices);
}

TEST(Federation, AutoTakesThePeopleOfTheData) {
  const Folder folder;
  const std::string file = folder.write("t.csv", table(100));
  const auto natural =
      load_federated_data(parse("source: {name: csv, train: " + file + ", client: who}"), 1, "");
  EXPECT_EQ(natural->clients(), 5U);
  std::set<std::uint32_t> people;
  const auto view = natural->client(3);
  for (const auto i : view.indices) people.insert(*view.examples->group(i));
  EXPECT_EQ(people.size(), 1U);
  const std::string plain = folder.write("u.csv", "1,0\n2,1\n3,0\n4,1\n");
  EXPECT_EQ(
      load_federated_data(parse("{source: {name: csv, train: " + plain + "}, clients: 2}"), 1, "")->clients(),
      2U);
}

TEST(Federation, SyntheticIsTheDefault) {
  const auto data = load_federated_data({}, 1, "");
  EXPECT_EQ(data->clients(), 30U);
  EXPECT_EQ(data->spec(), (DataSpec{{60}, 10, 0}));
  EXPECT_GT(data->test().size(), 0U);
}

TEST(Federation, LimitsAreRandomSubsets) {
  const Folder folder;
  const std::string file = folder.write("t.csv", table(400));
  const auto data = load_federated_data(
      parse("{source: {name: csv, train: " + file +
            ", client: who}, partition: iid, clients: 2, train_limit: 60, test_limit: 10}"),
      1, "");
  EXPECT_EQ(data->example_count(0) + data->example_count(1), 60U);
  EXPECT_EQ(data->test().size(), 10U);
  const auto view = data->client(0);
  EXPECT_GT(*std::max_element(view.indices.begin(), view.indices.end()), 100U);
}

TEST(Federation, CsvStandardisesOverTrainingRows) {
  const Folder folder;
  const std::string train = folder.write("a.csv", "1,5,0\n3,5,1\n");
  const std::string test = folder.write("b.csv", "5,7,1\n");
  const auto data = load_federated_data(
      parse("{source: {name: csv, train: " + train + ", test: " + test + ", standardise: true}, clients: 1}"),
      1, "");
  float row[2];
  std::int32_t label = 0;
  data->test().examples->gather(data->test().indices, row, &label);
  EXPECT_FLOAT_EQ(row[0], 3.0F);  // (5 - 2) / 1
  EXPECT_FLOAT_EQ(row[1], 2.0F);  // a constant column is only shifted
}

TEST(Federation, IdxFilesWithClients) {
  const Folder folder;
  const std::string images = folder.write("im", idx({4, 1, 2}, Bytes(8, 255)));
  const std::string labels = folder.write("la.xz", samples::xz(idx({4}, {0, 1, 0, 1})));
  folder.write("who", idx({4}, {1, 1, 2, 2}));
  const auto data = load_federated_data(
      parse("source: {name: idx, train_images: im, train_labels: la, train_clients: who, test_share: 0}"), 1,
      folder.path());
  EXPECT_EQ(data->clients(), 2U);
  EXPECT_EQ(data->spec(), (DataSpec{{1, 1, 2}, 2, 0}));
  EXPECT_EQ(data->test().size(), 0U);
}

TEST(Federation, ErrorsSayWhereAndHow) {
  const Folder folder;
  const std::string file = folder.write("t.csv", table(20));
  const auto refusal = [&](const std::string& yaml) {
    return error_of([&] { load_federated_data(parse(yaml), 1, folder.path()); });
  };
  const std::string csv = "source: {name: csv, train: " + file + ", client: who}";
  EXPECT_THAT(refusal("source: mnst"), HasSubstr("no data set is called 'mnst' (did you mean 'mnist'?)"));
  EXPECT_THAT(refusal("source: mnist"), HasSubstr("run `fedloom data get mnist`"));
  EXPECT_THAT(refusal("{" + csv + ", partition: dirichelt}"), HasSubstr("did you mean 'dirichlet'?"));
  EXPECT_THAT(refusal("{" + csv + ", partition: iid, clients: 30}"),
              HasSubstr("30 clients cannot share 18 examples"));
  EXPECT_THAT(refusal("{" + csv + ", partition: {name: dirichlet, beta: 0}}"), HasSubstr("exp.yaml:1:"));
  EXPECT_THAT(refusal("{" + csv + ", partition: {name: dirichlet, bta: 1}}"),
              HasSubstr("did you mean 'beta'?"));
  EXPECT_THAT(refusal("{partition: iid}"), HasSubstr("synthetic brings its own clients"));
  EXPECT_THAT(refusal("{client_test: 0.1}"), HasSubstr("do not apply to synthetic"));
  EXPECT_THAT(refusal("source: {name: csv, train: nothing.csv}"),
              HasSubstr("data.source.train: there is no file 'nothing.csv'"));
  EXPECT_THAT(refusal("source: {name: csv}"), HasSubstr("data.source.train: give the path"));
  EXPECT_THAT(refusal("validation: 1.5"), HasSubstr("out of range"));
}

TEST(Federation, PartsOfDifferentFormAreRefused) {
  const Folder folder;
  const std::string train = folder.write("a.csv", "1,2,0\n3,4,1\n");
  const std::string test = folder.write("b.csv", "1,0\n");
  EXPECT_THAT(error_of([&] {
                load_federated_data(parse("source: {name: csv, train: " + train + ", test: " + test + "}"), 1,
                                    "");
              }),
              HasSubstr("the test part has another form"));
}

TEST(PartitionedData, TakesOnlyStoresOfTheSameSize) {
  const auto store = [](std::size_t rows) {
    return std::make_shared<TableExamples>(DataSpec{{1}, 1, 0}, FloatBuffer(rows, 1.0F),
                                           std::vector<std::int32_t>(rows, 0));
  };
  PartitionedData data(split_of(store(3), store(2)), {{0, 2}, {1}}, 0.0, 1);
  const SplitExamples same = split_of(store(3), store(2));
  data.exchange_stores(same);
  EXPECT_EQ(data.client(0).examples, same.train);
  EXPECT_EQ(data.validation().examples, same.train);
  EXPECT_EQ(data.test().examples, same.test.examples);
  EXPECT_THAT(error_of([&] { data.exchange_stores(split_of(store(3), store(1))); }),
              HasSubstr("had 3 training and 2 test examples, and 3 and 1 when they were read again"));
}

TEST(LocalData, ReadsAClientsOwnFiles) {
  const Folder folder;
  folder.write("train.csv", "1,2\n3,0\n");
  folder.write("test.tsv", "9\t1\n");
  const auto config = parse("source: {name: csv, train: elsewhere.csv, classes: 4}");
  const auto data = load_local_data(config, folder.path(), 2);
  EXPECT_EQ(data->clients(), 3U);
  EXPECT_EQ(data->spec(), (DataSpec{{1}, 4, 0}));
  EXPECT_EQ(data->example_count(2), 2U);
  EXPECT_EQ(data->client_test(2).size(), 1U);
  EXPECT_EQ(data->client(0).size() + data->client_test(1).size(), 0U);
  EXPECT_THAT(error_of([&] { load_local_data(parse("source: {name: csv}"), folder.path(), 0); }),
              HasSubstr("a client may not hold every class"));
  EXPECT_THAT(error_of([&] { load_local_data({}, folder.path(), 0); }),
              HasSubstr("generated and has no files"));
}

TEST(LocalData, ReadsIdxInTheFormOfThePublishedSet) {
  const Folder folder;
  folder.write("train-images-idx3-ubyte.gz", gzip(idx({2, 28, 28}, Bytes(1568, 3))));
  folder.write("train-labels-idx1-ubyte", idx({2}, {9, 1}));
  const auto untested = load_local_data(parse("source: mnist"), folder.path(), 0);
  EXPECT_EQ(untested->example_count(0), 2U);
  EXPECT_EQ(untested->test().size(), 0U);
  EXPECT_THAT(error_of([&] { load_local_data(parse("source: cifar-10"), folder.path(), 0); }),
              HasSubstr("cifar-10: data_batch_1.bin"));
  const auto own =
      load_local_data(parse("source: {name: idx, classes: 10, test_share: 0.5}"), folder.path(), 0);
  EXPECT_EQ(own->spec(), (DataSpec{{1, 28, 28}, 10, 0}));
  EXPECT_EQ(own->example_count(0), 1U);
  EXPECT_EQ(own->test().size(), 1U);
}

TEST(ResolvedYaml, WritesEveryDefaultAndReadsBack) {
  const std::string text =
      resolved_yaml(parse("{source: mnist, partition: {name: dirichlet, alpha: 0.1}, clients: 50}"));
  EXPECT_THAT(text, HasSubstr("source:\n  name: mnist\n  normalise: true\n"));
  EXPECT_THAT(text, HasSubstr("  beta: 0.1\n  min_size: 10\n"));
  EXPECT_EQ(resolved_yaml(parse(text)), text);
  EXPECT_EQ(resolved_yaml(parse(resolved_yaml({}))), resolved_yaml({}));
}

TEST(DatasetRegistry, EveryEntryHasAboutAndResolves) {
  for (const auto& [name, entry] : DatasetRegistry::instance().entries()) {
    EXPECT_FALSE(entry.about.summary.empty()) << name;
    EXPECT_NO_THROW(entry.resolve(ConfigNode())) << name;
  }
  EXPECT_THAT(DatasetRegistry::instance().names(),
              ::testing::IsSupersetOf(
                  {"cifar-10", "cifar-binary", "csv", "fashion-mnist", "idx", "mnist", "synthetic"}));
}

TEST(Split, TakesAndLeavesInOrder) {
  Random random(1, Stream::partition);
  const std::vector<std::uint32_t> from{4, 8, 15, 16, 23, 42};
  for (std::size_t count = 0; count <= from.size(); ++count) {
    const auto [taken, left] = take_random(from, count, random);
    EXPECT_EQ(taken.size(), count);
    EXPECT_TRUE(std::is_sorted(taken.begin(), taken.end()) && std::is_sorted(left.begin(), left.end()));
    std::vector<std::uint32_t> all;
    std::merge(taken.begin(), taken.end(), left.begin(), left.end(), std::back_inserter(all));
    EXPECT_EQ(all, from);
  }
}

}  // namespace
}  // namespace fedloom
