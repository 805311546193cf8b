// Every holder has the partition that everyone has, and of the pictures what it needs: the same bits as in a
// full load. Over IDX files, plain and packed, and over CIFAR records.
#include "datasets/data_holder.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/federation.hpp"
#include "datasets/image_examples.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::Bytes;
using samples::error_of;
using samples::Folder;
using samples::idx;
using ::testing::HasSubstr;

constexpr std::uint32_t kTrain = 200;
constexpr std::uint32_t kTest = 40;
constexpr std::size_t kClients = 6;

/// Bytes that differ from row to row.
Bytes pixels(std::size_t count, std::size_t width) {
  Bytes all(count * width);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i * 37 + i / width * 11);
  return all;
}

Bytes classes(std::size_t count) {
  Bytes all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<std::uint8_t>(i * 7 % 4);
  return all;
}

Bytes records(std::size_t first, std::size_t count) {
  const Bytes images = pixels(first + count, 3072);
  const Bytes labels = classes(first + count);
  Bytes all;
  for (std::size_t i = first; i < first + count; ++i) {
    all.push_back(labels[i]);
    all.insert(all.end(), images.begin() + static_cast<std::ptrdiff_t>(i * 3072),
               images.begin() + static_cast<std::ptrdiff_t>((i + 1) * 3072));
  }
  return all;
}

/// A form in which the same kind of set is on disk.
struct Form {
  const char* name;
  std::string source;     // settings of the data.source
  const char* last_file;  // the file with the last training images
  std::function<void(const Folder&)> write;
};

void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

void write_idx(const Folder& folder, const std::function<Bytes(const Bytes&)>& pack) {
  folder.write("im", pack(idx({kTrain, 5, 3}, pixels(kTrain, 15))));
  folder.write("la", pack(idx({kTrain}, classes(kTrain))));
  folder.write("tim", pack(idx({kTest, 5, 3}, pixels(kTest, 15))));
  folder.write("tla", pack(idx({kTest}, classes(kTest))));
}

const char* const kIdx =
    "name: idx, train_images: im, train_labels: la, test_images: tim, test_labels: tla, classes: 4";

std::vector<Form> forms() {
  const auto cifar = [](const Folder& folder) {
    folder.write("a", records(0, 90));
    folder.write("b", gzip(records(90, 30)));
    folder.write("c", records(120, 80));
    folder.write("t", records(0, kTest));
  };
  return {
      {"IdxPlain", kIdx, "im",
       [](const Folder& folder) { write_idx(folder, [](const Bytes& file) { return file; }); }},
      {"IdxGzip", kIdx, "im",
       [](const Folder& folder) { write_idx(folder, [](const Bytes& file) { return gzip(file); }); }},
      {"IdxTestFromTrain", "name: idx, train_images: im, train_labels: la, test_share: 0.2", "im",
       [](const Folder& folder) { write_idx(folder, [](const Bytes& file) { return samples::xz(file); }); }},
      {"Cifar", "name: cifar-binary, train: [a, b, c], test: [t], classes: 4", "c", cifar},
      {"CifarTestFromTrain", "name: cifar-binary, train: [a, b, c], classes: 4", "c", cifar},
  };
}

const std::vector<std::pair<const char*, DataHolder>> kHolders{
    {"everyone", DataHolder::everyone()},
    {"nobody", DataHolder::nobody()},
    {"centre", DataHolder::centre()},
    {"worker", DataHolder::worker(false)},
    {"evaluating worker", DataHolder::worker(true)},
    {"client", DataHolder::client(2, false)},
    {"evaluating client", DataHolder::client(2, true)},
};

const std::vector<std::string> kParts{
    "",
    ", validation: 0.1",
    ", client_test: 0.2",
    ", validation: 0.2, client_test: 0.01",
    ", train_limit: 50, test_limit: 7",
};

std::vector<float> features_of(const ExampleView& view) {
  std::vector<float> features(view.size() * static_cast<std::size_t>(view.examples->spec().width()));
  std::vector<std::int32_t> labels(view.size());
  view.examples->gather(view.indices, features.data(), labels.data());
  return features;
}

void expect_same(const ExampleView& found, const ExampleView& expected) {
  EXPECT_EQ(found.indices, expected.indices);
  for (const std::uint32_t i : found.indices) {
    ASSERT_EQ(found.examples->label(i), expected.examples->label(i));
    ASSERT_EQ(found.examples->group(i), expected.examples->group(i));
  }
}

class Holders : public ::testing::TestWithParam<Form> {
 protected:
  Holders() { GetParam().write(folder_); }

  std::shared_ptr<const FederatedData> load(const DataHolder& holder, const std::string& more = "") const {
    const std::string text =
        fmt::format("{{source: {{{}}}, partition: iid, clients: {}{}}}", GetParam().source, kClients, more);
    return load_federated_data(read_config<DataConfig>(ConfigNode::from_text(text, "exp.yaml")), 3,
                               folder_.path(), holder);
  }

  Folder folder_;
};

TEST_P(Holders, ThePartitionIsTheSameForAll) {
  for (const std::string& parts : kParts) {
    const auto all = load(DataHolder::everyone(), parts);
    for (const auto& [name, holder] : kHolders) {
      SCOPED_TRACE(name + parts);
      const auto data = load(holder, parts);
      ASSERT_EQ(data->clients(), kClients);
      EXPECT_EQ(data->spec(), all->spec());
      for (std::size_t k = 0; k < kClients; ++k) {
        EXPECT_EQ(data->example_count(k), all->example_count(k));
        expect_same(data->client(k), all->client(k));
        expect_same(data->client_test(k), all->client_test(k));
      }
      expect_same(data->validation(), all->validation());
      expect_same(data->test(), all->test());
    }
  }
}

TEST_P(Holders, WhatIsHeldHasTheBitsOfAFullLoad) {
  for (const std::string& parts : kParts) {
    const auto all = load(DataHolder::everyone(), parts);
    for (const auto& [name, holder] : kHolders) {
      SCOPED_TRACE(name + parts);
      const auto data = load(holder, parts);
      std::size_t needs = 0;
      holder.each_need(*data, [&](const ExampleView& part) {
        ++needs;
        EXPECT_TRUE(part.held());
        const bool training = part.examples == data->client(0).examples;
        const auto& store = training ? all->client(0).examples : all->test().examples;
        EXPECT_EQ(features_of(part), features_of({store, part.indices}));
      });
      EXPECT_EQ(needs > 0, std::string(name) != "nobody");
      EXPECT_LE(data->memory_bytes(), all->memory_bytes() + 4 * (kTrain + kTest));
    }
  }
}

TEST_P(Holders, OthersHoldOnlyTheirOwn) {
  const auto nobody = load(DataHolder::nobody(), kParts[1]);
  EXPECT_FALSE(nobody->client(0).held());
  EXPECT_FALSE(nobody->test().held());

  const auto centre = load(DataHolder::centre(), kParts[1]);
  EXPECT_TRUE(centre->validation().held());
  EXPECT_TRUE(centre->test().held());
  for (std::size_t k = 0; k < kClients; ++k)
    for (const std::uint32_t i : centre->client(k).indices)
      EXPECT_FALSE(centre->client(k).examples->holds(i));

  const auto client = load(DataHolder::client(2, false), kParts[2]);
  EXPECT_TRUE(client->client(2).held());
  EXPECT_TRUE(client->client_test(2).held());
  EXPECT_FALSE(client->client(1).held());
  EXPECT_FALSE(client->test().held());
  EXPECT_LT(client->memory_bytes(), load(DataHolder::everyone())->memory_bytes());
}

// The law of FederatedData::evaluation_view: the common test set stands in for a missing one.
TEST_P(Holders, TheCommonTestSetIsHeldExactlyWhereItIsEvaluatedOn) {
  const auto holds_test = [&](const DataHolder& holder, const std::string& parts) {
    return load(holder, parts)->test().held();
  };
  EXPECT_TRUE(holds_test(DataHolder::worker(true), ""));
  // A worker holds the whole training store, and with it a test part that was cut from it.
  const auto data = load(DataHolder::nobody());
  const bool of_train = data->test().examples == data->client(0).examples;
  EXPECT_EQ(holds_test(DataHolder::worker(true), ", client_test: 0.2"), of_train);
  EXPECT_EQ(holds_test(DataHolder::worker(false), ""), of_train);
  EXPECT_TRUE(holds_test(DataHolder::client(2, true), ""));
  EXPECT_FALSE(holds_test(DataHolder::client(2, true), ", client_test: 0.2"));
  // 0.01 of about 30 examples is none, so nobody has a test set of its own.
  EXPECT_TRUE(holds_test(DataHolder::worker(true), ", client_test: 0.01"));
  EXPECT_TRUE(holds_test(DataHolder::client(2, true), ", client_test: 0.01"));
}

TEST_P(Holders, CutImagesAreAnErrorForAll) {
  const std::string file = folder_.path() + "/" + GetParam().last_file;
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 9);
  for (const auto& [name, holder] : kHolders) {
    if (std::string(name) == "nobody") continue;
    EXPECT_THAT(error_of([&, holder = holder] { load(holder); }), HasSubstr("cut short")) << name;
  }
}

TEST_P(Holders, BytesBehindTheImagesAreAnErrorForAll) {
  const std::string file = folder_.path() + "/" + GetParam().last_file;
  std::ofstream(file, std::ios::app) << "more";
  for (const auto& [name, holder] : kHolders) {
    if (std::string(name) == "nobody") continue;
    EXPECT_NE(error_of([&, holder = holder] { load(holder); }), "no error") << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Holders, ::testing::ValuesIn(forms()),
                         [](const auto& form) { return std::string(form.param.name); });

TEST(DataHolder, AClientThatIsNotThereNeedsNothing) {
  const auto data = load_federated_data({}, 1, "");
  std::size_t needs = 0;
  DataHolder::client(data->clients(), true).each_need(*data, [&](const ExampleView&) { ++needs; });
  EXPECT_EQ(needs, 0U);
}

}  // namespace
}  // namespace fedloom
