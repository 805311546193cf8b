// PACS records: domains as natural clients, domains held out, shares of each domain, damaged files; and the
// real set where FEDLOOM_DATA has it.
#include <cstdlib>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/catalogue.hpp"
#include "datasets/federation.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::Bytes;
using samples::error_of;
using samples::Folder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

DataConfig parse(const std::string& yaml) {
  return read_config<DataConfig>(ConfigNode::from_text(yaml, "exp.yaml"));
}

/// `count` records for each domain of `domains`; pixel bytes are 10 * domain + number, labels number mod 7.
Bytes records(const std::vector<int>& domains, int count) {
  Bytes bytes;
  for (const int domain : domains)
    for (int i = 0; i < count; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(domain));
      bytes.push_back(static_cast<std::uint8_t>(i % 7));
      bytes.insert(bytes.end(), 3072, static_cast<std::uint8_t>(10 * domain + i));
    }
  return bytes;
}

std::set<std::uint32_t> groups_of(const ExampleView& view) {
  std::set<std::uint32_t> groups;
  for (const std::uint32_t i : view.indices) groups.insert(*view.examples->group(i));
  return groups;
}

TEST(Pacs, EveryDomainGivesItsShareToTheTest) {
  const Folder folder;
  const std::string file = folder.write("r.bin.gz", gzip(records({2, 0, 1, 3}, 10)));
  const auto data = load_federated_data(
      parse("source: {name: pacs, file: " + file + ", test_share: 0.3, normalise: false}"), 1, "");
  EXPECT_EQ(data->spec(), (DataSpec{{3, 32, 32}, 7, 0}));
  ASSERT_EQ(data->clients(), 4U);
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(data->example_count(k), 7U);
    EXPECT_THAT(groups_of(data->client(k)), ElementsAre(k));
  }
  EXPECT_EQ(data->test().size(), 12U);
  EXPECT_THAT(groups_of(data->test()), ElementsAre(0, 1, 2, 3));
  // Client 0 is the photographs, whose records are the second ten of the file: pixels 0..9 of 255.
  const ExampleView photos = data->client(0);
  std::vector<float> row(3072);
  std::int32_t label = -1;
  photos.examples->gather(std::span(photos.indices).first(1), row.data(), &label);
  EXPECT_EQ(photos.indices[0] / 10, 1U);
  EXPECT_EQ(label, static_cast<std::int32_t>(photos.indices[0] % 10 % 7));
  EXPECT_NEAR(static_cast<double>(row[3071]), static_cast<double>(photos.indices[0] % 10) / 255.0, 1e-7);
}

TEST(Pacs, OneClientForEachDomainIsTestedOnItsOwn) {
  const Folder folder;
  const std::string file = folder.write("r.bin", records({2, 0, 1, 3}, 10));
  const auto data = load_federated_data(
      parse("{source: {name: pacs, file: " + file + ", test_share: 0.3}, group_test: true}"), 1, "");
  ASSERT_EQ(data->clients(), 4U);
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(data->example_count(k), 7U);
    EXPECT_EQ(data->client_test(k).size(), 3U);
    EXPECT_THAT(groups_of(data->client_test(k)), ElementsAre(k));
  }
}

TEST(Pacs, ClientsOfADomainShareItsTest) {
  const Folder folder;
  const std::string file = folder.write("r.bin", records({2, 0, 1, 3}, 70));
  const auto config = parse(
      "{source: {name: pacs, file: " + file +
      ", test_share: 0.2}, partition: {name: natural_dirichlet, clients_per_group: 5, min_examples: 2}, "
      "group_test: true}");
  const auto data = load_federated_data(config, 1, "");
  ASSERT_EQ(data->clients(), 20U);
  std::set<std::uint32_t> tested;
  for (std::size_t k = 0; k < 20; ++k) {
    EXPECT_THAT(groups_of(data->client(k)), ElementsAre(k / 5));
    const ExampleView own = data->client_test(k);
    EXPECT_THAT(groups_of(own), ElementsAre(k / 5));
    EXPECT_EQ(own.size(), k % 5 < 4 ? 3U : 2U);  // 14 of 70 among five
    tested.insert(own.indices.begin(), own.indices.end());
  }
  // All of the common test set, each example once.
  EXPECT_EQ(tested, std::set<std::uint32_t>(data->test().indices.begin(), data->test().indices.end()));
  EXPECT_EQ(tested.size(), 56U);
  // A worker that evaluates clients holds their parts, a deployed client its own.
  EXPECT_TRUE(load_federated_data(config, 1, "", DataHolder::worker(true))->client_test(7).held());
  const auto one = load_federated_data(config, 1, "", DataHolder::client(7, true));
  EXPECT_TRUE(one->client_test(7).held());
  EXPECT_FALSE(one->client_test(12).held());
}

// What tuning decides by is never the test set, client by client either.
TEST(Pacs, WhileTuningEachIsEvaluatedOnItsOwnValidation) {
  const Folder folder;
  const std::string file = folder.write("r.bin", records({2, 0, 1, 3}, 70));
  for (const char* group_test : {"true", "false"}) {
    DataConfig config = parse("{source: {name: pacs, file: " + file +
                              ", test_share: 0.2}, validation: 0.25, group_test: " + group_test + "}");
    config.tuning = true;
    const auto data = load_federated_data(config, 1, "", DataHolder::worker(true));
    const std::set<std::uint32_t> validation(data->validation().indices.begin(),
                                             data->validation().indices.end());
    std::set<std::uint32_t> seen;
    for (std::size_t k = 0; k < 4; ++k) {
      const ExampleView own = data->client_test(k);
      if (own.size() > 0) {
        EXPECT_THAT(groups_of(own), ElementsAre(k));
      }
      const ExampleView& view = data->evaluation_view(own);
      EXPECT_TRUE(view.held());
      seen.insert(view.indices.begin(), view.indices.end());
    }
    EXPECT_EQ(seen, validation);
  }
}

TEST(Pacs, TestsByGroupSayWhatDoesNotFit) {
  const Folder folder;
  const std::string file = folder.write("r.bin", records({0, 1, 2, 3}, 10));
  const auto refusal = [&](const std::string& source, const std::string& more) {
    const std::string yaml =
        "{source: {name: pacs, file: " + file + source + "}, group_test: true" + more + "}";
    return error_of([&] { load_federated_data(parse(yaml), 1, ""); });
  };
  EXPECT_THAT(refusal("", ", client_test: 0.1"), HasSubstr("leave one out"));
  EXPECT_THAT(refusal(", test_domains: [photo]", ""),
              HasSubstr("client 0 gets no example of its groups to be evaluated on"));
  const std::string table = folder.write("t.csv", "1,0\n2,1\n3,0\n4,1\n");
  const auto csv = [&](const std::string& test) {
    return error_of([&] {
      load_federated_data(
          parse("{source: {name: csv, train: " + table + test + "}, clients: 2, group_test: true}"), 1, "");
    });
  };
  EXPECT_THAT(csv(", test_share: 0.5"), HasSubstr("does not say which domain or person"));
  EXPECT_THAT(csv(", test: " + table), HasSubstr("is not part of the store"));
}

TEST(Pacs, HeldOutDomainsAreTheTest) {
  const Folder folder;
  const std::string file = folder.write("r.bin", records({0, 1, 2, 3}, 3));
  const auto data = load_federated_data(
      parse("source: {name: pacs, file: " + file + ", test_domains: [sketch, photo]}"), 1, "");
  ASSERT_EQ(data->clients(), 2U);
  EXPECT_THAT(groups_of(data->client(0)), ElementsAre(1));
  EXPECT_THAT(groups_of(data->client(1)), ElementsAre(2));
  EXPECT_THAT(groups_of(data->test()), ElementsAre(0, 3));
  EXPECT_EQ(data->test().size(), 6U);
}

TEST(Pacs, AWorkerHoldsWhatClientsTrainOn) {
  const Folder folder;
  const std::string file = folder.write("r.bin", records({0, 1, 2, 3}, 4));
  const auto config = parse("source: {name: pacs, file: " + file + ", test_domains: [cartoon]}");
  const auto data = load_federated_data(config, 1, "", DataHolder::client(1, false));
  EXPECT_TRUE(data->client(1).held());
  EXPECT_FALSE(data->client(0).held());
  EXPECT_FALSE(data->test().held());
  EXPECT_TRUE(load_federated_data(config, 1, "", DataHolder::centre())->test().held());
}

TEST(Pacs, SaysWhatIsWrongWithAFile) {
  const Folder folder;
  const auto error = [&](const Bytes& bytes, const std::string& more = "") {
    const std::string file = folder.write("r.bin", bytes);
    return error_of(
        [&] { load_federated_data(parse("source: {name: pacs, file: " + file + more + "}"), 1, ""); });
  };
  Bytes cut = records({0, 1}, 2);
  cut.resize(cut.size() - 74);
  EXPECT_THAT(error(cut), HasSubstr("record 3 is cut short: 3000 of 3074 bytes"));
  EXPECT_THAT(error({}), HasSubstr("holds no records of 3074 bytes"));
  EXPECT_THAT(error(records({0, 4}, 1)), HasSubstr("domain 4 of record 1 is outside 0..3"));
  Bytes labels = records({0}, 2);
  labels[3074 + 1] = 7;
  EXPECT_THAT(error(labels), HasSubstr("label 7 of record 1 is outside 0..6"));
  EXPECT_THAT(error(records({0}, 2), ", test_domains: [photo]"),
              HasSubstr("test_domains leaves nothing to train on"));
  EXPECT_THAT(error(records({0}, 2), ", test_domains: [photos]"), HasSubstr("photo"));
  EXPECT_THAT(error(records({0}, 2), ", normalise: false, std: 2"), HasSubstr("leave normalise out"));
  EXPECT_THAT(error_of([&] { load_federated_data(parse("source: pacs"), 1, folder.path()); }),
              HasSubstr("pacs_32x32.bin (plain, .gz or .xz) is not in " + folder.path() + "/pacs-32x32"));
}

TEST(Pacs, TheRealSetHasItsDomains) {
  const char* folder = std::getenv("FEDLOOM_DATA");
  if (folder == nullptr) GTEST_SKIP() << "FEDLOOM_DATA is not set";
  if (!is_stored(catalogue_entry("pacs"), folder)) GTEST_SKIP() << "pacs is not in " << folder;
  const auto data =
      load_federated_data(parse("source: {name: pacs, test_share: 0}"), 1, folder, DataHolder::nobody());
  std::vector<std::size_t> counts;
  for (std::size_t k = 0; k < data->clients(); ++k) counts.push_back(data->example_count(k));
  EXPECT_THAT(counts, ElementsAre(1670, 2048, 2344, 3929));
}

}  // namespace
}  // namespace fedloom
