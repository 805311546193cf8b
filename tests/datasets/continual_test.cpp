// Sequences of stages over small IDX files: what each stage holds, under which labels, and for whom. Pixel j
// of image i is (7 i + j) mod 256, its label i mod 6 and its group i mod 3, so every expectation can be
// worked out.
#include "datasets/continual.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/pooled.hpp"
#include "datasets/stage_rule.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::Bytes;
using samples::error_of;
using samples::Folder;
using samples::idx;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kTrain = 120;
constexpr std::uint32_t kTest = 30;

Bytes pixels(std::uint32_t count, std::uint32_t side) {
  Bytes all;
  for (std::uint32_t i = 0; i < count; ++i)
    for (std::uint32_t j = 0; j < side * side; ++j) all.push_back(static_cast<std::uint8_t>(7 * i + j));
  return all;
}

Bytes remainders(std::uint32_t count, std::uint32_t divisor) {
  Bytes all;
  for (std::uint32_t i = 0; i < count; ++i) all.push_back(static_cast<std::uint8_t>(i % divisor));
  return all;
}

class Continual : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("x", idx({kTrain, 4, 4}, pixels(kTrain, 4)));
    folder_.write("y", idx({kTrain}, remainders(kTrain, 6)));
    folder_.write("g", idx({kTrain}, remainders(kTrain, 3)));
    folder_.write("tx", idx({kTest, 4, 4}, pixels(kTest, 4)));
    folder_.write("ty", idx({kTest}, remainders(kTest, 6)));
    folder_.write("sx", idx({20, 2, 2}, pixels(20, 2)));
    folder_.write("sy", idx({20}, remainders(20, 3)));
    data.source.name = "idx";
    data.source.settings = node("{train_images: x, train_labels: y, test_images: tx, test_labels: ty}");
    data.partition.name = "iid";
    data.clients = 5;
  }
  static ConfigNode node(const std::string& text) { return ConfigNode::from_text(text, "test.yaml"); }
  void stages(const std::string& name, const std::string& settings = "{}") {
    config.stages.name = name;
    config.stages.settings = node(settings);
  }
  std::shared_ptr<const FederatedData> load(std::uint64_t seed = 1,
                                            const DataHolder& holder = DataHolder::everyone()) const {
    return load_continual_data(data, config, seed, folder_.path(), holder);
  }
  std::string error() const {
    return error_of([this] { (void)load(); });
  }

  struct Contents {
    std::vector<std::vector<float>> features;
    std::vector<std::int32_t> labels;
    bool operator==(const Contents&) const = default;
  };
  static Contents contents_of(const ExampleView& view) {
    const auto width = static_cast<std::size_t>(view.examples->spec().width());
    Contents contents;
    for (const std::uint32_t index : view.indices) {
      std::vector<float> row(width);
      std::int32_t label = -1;
      view.examples->gather({&index, 1}, row.data(), &label);
      EXPECT_EQ(view.examples->label(index), label);
      contents.features.push_back(row);
      contents.labels.push_back(label);
    }
    return contents;
  }
  static std::set<std::int32_t> labels_in(const ExampleView& view) {
    std::set<std::int32_t> labels;
    for (const std::uint32_t i : view.indices) labels.insert(view.examples->label(i));
    return labels;
  }
  static std::set<std::int32_t> labels_in(const FederatedData& stage) {
    std::set<std::int32_t> labels;
    for (std::size_t k = 0; k < stage.clients(); ++k)
      for (const std::int32_t label : labels_in(stage.client(k))) labels.insert(label);
    return labels;
  }
  static std::size_t training_examples(const FederatedData& stage) {
    std::size_t count = 0;
    for (std::size_t k = 0; k < stage.clients(); ++k) count += stage.example_count(k);
    return count;
  }

  Folder folder_;
  DataConfig data;
  ContinualConfig config;
};

TEST_F(Continual, PermutationsAreOfFeaturesAndTheSameForAll) {
  stages("permuted", "count: 3");
  const auto all = load();
  ASSERT_EQ(all->stages(), 3U);
  const Contents first = contents_of(all->stage(1).test());
  const Contents second = contents_of(all->stage(2).test());
  const Contents third = contents_of(all->stage(3).test());
  EXPECT_EQ(first.labels, second.labels);
  EXPECT_FLOAT_EQ(first.features[2][5] * 255.0F, 7 * 2 + 5);  // as it is
  EXPECT_NE(first.features, second.features);
  EXPECT_NE(third.features, second.features);
  // Image 0 has 16 different pixels: where each went is the order, and every other image follows it.
  for (const auto& other : {second, third}) {
    std::vector<std::size_t> order;
    for (const float value : other.features[0])
      order.push_back(static_cast<std::size_t>(value * 255.0F + 0.5F));
    for (std::size_t i = 0; i < kTest; ++i)
      for (std::size_t j = 0; j < 16; ++j) ASSERT_EQ(other.features[i][j], first.features[i][order[j]]);
    EXPECT_EQ(std::set(order.begin(), order.end()).size(), 16U);
  }
  // Training examples meet the same order as test examples: the sum over an image stays, its places go along.
  const Contents trained = contents_of(all->stage(2).client(0));
  EXPECT_EQ(trained.labels.size(), kTrain / 5);
}

TEST_F(Continual, FollowsTheSeedAndNothingElse) {
  stages("permuted", "count: 3");
  const Contents once = contents_of(load(4)->stage(3).client(2));
  EXPECT_EQ(contents_of(load(4)->stage(3).client(2)), once);
  EXPECT_NE(contents_of(load(5)->stage(3).client(2)), once);
}

// Spread anew for every stage, like the sampling of clients in the papers.
TEST_F(Continual, StagesAreSpreadByThemselves) {
  stages("permuted", "{count: 2}");
  const auto all = load();
  EXPECT_NE(all->stage(1).client(0).indices, all->stage(2).client(0).indices);
  EXPECT_EQ(training_examples(all->stage(2)), kTrain);
  data.partition.name = "shards";
  data.partition.settings = node("shards_per_client: 1");
  data.clients = 6;
  const auto shards = load();
  for (std::size_t t = 1; t <= 2; ++t)
    for (std::size_t k = 0; k < 6; ++k) EXPECT_EQ(labels_in(shards->stage(t).client(k)).size(), 1U);
}

TEST_F(Continual, ClassesComeAFewAtATime) {
  stages("class_split", "{count: 3, order: [5, 0, 1, 4, 2, 3]}");
  const auto all = load();
  EXPECT_THAT(labels_in(all->stage(1)), ElementsAre(0, 5));
  EXPECT_THAT(labels_in(all->stage(2)), ElementsAre(1, 4));
  EXPECT_THAT(labels_in(all->stage(3).test()), ElementsAre(2, 3));
  EXPECT_EQ(all->spec().classes, 6);
  EXPECT_TRUE(all->spec().heads.empty());
  EXPECT_EQ(training_examples(all->stage(1)), kTrain / 3);
}

TEST_F(Continual, UnevenClassSplitsBeginWithTheLargerStages) {
  stages("class_split", "count: 4");
  const auto all = load();
  EXPECT_THAT(labels_in(all->stage(2)), ElementsAre(2, 3));
  EXPECT_THAT(labels_in(all->stage(4)), ElementsAre(5));
}

// Head by head: class 5 is output 0, class 0 output 1, class 1 output 2 …
TEST_F(Continual, HeadsNumberTheClassesOfTheirStage) {
  stages("class_split", "{count: 3, order: [5, 0, 1, 4, 2, 3]}");
  config.heads = "per_stage";
  const auto all = load();
  EXPECT_THAT(all->spec().heads, ElementsAre(2, 2, 2));
  EXPECT_EQ(all->spec().classes, 6);
  EXPECT_THAT(labels_in(all->stage(1)), ElementsAre(0, 1));
  EXPECT_THAT(labels_in(all->stage(3)), ElementsAre(4, 5));
  const Contents test = contents_of(all->stage(1).test());
  // Test images 0 and 5 come first: class 0 and class 5.
  EXPECT_EQ(test.labels[0], 1);
  EXPECT_EQ(test.labels[1], 0);
  stages("permuted", "count: 3");
  const auto permuted = load();
  EXPECT_EQ(permuted->spec().classes, 18);
  EXPECT_THAT(labels_in(permuted->stage(2)), ElementsAre(6, 7, 8, 9, 10, 11));
}

TEST_F(Continual, OneSetFollowsTheOther) {
  data.clients = 2;
  stages("sets", "then: [{name: idx, train_images: sx, train_labels: sy, test_share: 0.5}]");
  const auto all = load();
  EXPECT_EQ(all->spec().shape, (std::vector<std::int64_t>{1, 4, 4}));
  EXPECT_EQ(all->spec().classes, 6);
  EXPECT_THAT(labels_in(all->stage(2)), ElementsAre(0, 1, 2));
  EXPECT_EQ(training_examples(all->stage(2)), 10U);
  // A 2 x 2 picture is enlarged twice: each pixel is a block of four.
  const Contents small = contents_of(all->stage(2).client(0));
  const std::vector<float>& picture = small.features.front();
  EXPECT_EQ(picture[0], picture[5]);
  EXPECT_EQ(picture[2], picture[7]);
  EXPECT_FLOAT_EQ((picture[2] - picture[0]) * 255.0F, 1.0F);
  EXPECT_FLOAT_EQ((picture[8] - picture[0]) * 255.0F, 2.0F);
  config.heads = "per_stage";
  EXPECT_THAT(load()->spec().heads, ElementsAre(6, 3));
  EXPECT_THAT(labels_in(load()->stage(2)), ElementsAre(6, 7, 8));
}

TEST_F(Continual, PicturesStandInTheMiddleAndChannelsAreRepeated) {
  data.clients = 2;
  stages("sets", "{then: [{name: idx, train_images: sx, train_labels: sy}], form: [3, 5, 9]}");
  const auto all = load();
  const Contents large = contents_of(all->stage(1).test());
  // 4 x 4 into 5 x 9: factor 1, no row above and two columns to the left.
  EXPECT_EQ(large.features[1][1], 0.0F);
  EXPECT_FLOAT_EQ(large.features[1][2] * 255.0F, 7.0F);
  EXPECT_FLOAT_EQ(large.features[1][2 * 45 + 9 + 3] * 255.0F, 7.0F + 5.0F);  // third channel, row 1, column 1
  EXPECT_EQ(large.features[1][4 * 9 + 4], 0.0F);
}

TEST_F(Continual, DomainsComeOneAfterTheOther) {
  data.source.settings = node("{train_images: x, train_labels: y, train_clients: g, test_share: 0.25}");
  stages("domains", "order: [2, 0]");
  const auto all = load();
  ASSERT_EQ(all->stages(), 2U);
  for (std::size_t k = 0; k < 5; ++k)
    for (const std::uint32_t i : all->stage(1).client(k).indices)
      EXPECT_EQ(all->stage(1).client(k).examples->group(i), 2U);
  EXPECT_GT(all->stage(2).test().size(), 0U);
}

// round(0.4 * 5) = 2 clients see a stage, others after the next draw.
TEST_F(Continual, StagesMayBeVisibleToSome) {
  stages("permuted", "count: 6");
  config.visible_to = 0.4;
  const auto all = load();
  std::set<std::vector<std::size_t>> choices;
  for (std::size_t t = 1; t <= 6; ++t) {
    std::vector<std::size_t> seen;
    for (std::size_t k = 0; k < 5; ++k)
      if (all->stage(t).example_count(k) > 0) seen.push_back(k);
    EXPECT_EQ(seen.size(), 2U);
    EXPECT_EQ(training_examples(all->stage(t)), kTrain);
    choices.insert(seen);
  }
  EXPECT_GT(choices.size(), 1U);
}

TEST_F(Continual, AsAWholeItIsTheUnion) {
  stages("class_split", "count: 3");
  data.validation = 0.2;
  const auto all = load();
  EXPECT_EQ(&all->stage(0), all.get());
  std::size_t expected = 0;
  for (std::size_t t = 1; t <= 3; ++t) expected += all->stage(t).example_count(1);
  EXPECT_EQ(all->example_count(1), expected);
  EXPECT_EQ(all->client(1).size(), expected);
  EXPECT_EQ(all->test().size(), kTest);
  EXPECT_EQ(all->validation().size(), kTrain / 5);
  EXPECT_EQ(labels_in(all->test()).size(), 6U);
  Contents joined;
  for (std::size_t t = 1; t <= 3; ++t) {
    const Contents part = contents_of(all->stage(t).client(1));
    joined.features.insert(joined.features.end(), part.features.begin(), part.features.end());
    joined.labels.insert(joined.labels.end(), part.labels.begin(), part.labels.end());
  }
  EXPECT_EQ(contents_of(all->client(1)), joined);
}

TEST_F(Continual, PoolsStageByStage) {
  stages("class_split", "count: 2");
  const auto pooled = pool_clients(load());
  ASSERT_EQ(pooled->stages(), 2U);
  EXPECT_EQ(pooled->stage(2).clients(), 1U);
  EXPECT_EQ(pooled->stage(2).example_count(0), kTrain / 2);
  EXPECT_EQ(pooled->example_count(0), kTrain);
}

// Every role holds what it works with, with the same bits as in a full load.
TEST_F(Continual, RolesHoldWhatTheyNeed) {
  data.validation = 0.1;
  for (const char* rule : {"permuted", "class_split"}) {
    stages(rule, "count: 2");
    const auto full = load();
    const auto worker = load(1, DataHolder::worker(false));
    const auto centre = load(1, DataHolder::centre());
    const auto client = load(1, DataHolder::client(3, false));
    for (std::size_t t = 1; t <= 2; ++t) {
      EXPECT_EQ(contents_of(worker->stage(t).client(4)), contents_of(full->stage(t).client(4)));
      EXPECT_EQ(contents_of(centre->stage(t).test()), contents_of(full->stage(t).test()));
      EXPECT_EQ(contents_of(centre->stage(t).validation()), contents_of(full->stage(t).validation()));
      EXPECT_EQ(contents_of(client->stage(t).client(3)), contents_of(full->stage(t).client(3)));
      EXPECT_FALSE(centre->stage(t).client(0).held());
    }
    EXPECT_LT(client->memory_bytes(), full->memory_bytes());
  }
}

TEST_F(Continual, RoundsAreOneNumberOrAList) {
  stages("permuted", "count: 3");
  config.rounds_per_stage = {7};
  EXPECT_THAT(rounds_of_stages(config), ElementsAre(7, 7, 7));
  config.rounds_per_stage = {7, 8, 9};
  EXPECT_THAT(rounds_of_stages(config), ElementsAre(7, 8, 9));
  config.rounds_per_stage = {7, 8};
  EXPECT_THAT(error_of([&] { (void)rounds_of_stages(config); }), HasSubstr("2 numbers for 3 stages"));
}

TEST_F(Continual, WhatDoesNotFitIsSaid) {
  stages("class_split", "count: 9");
  EXPECT_THAT(error(), HasSubstr("only 6 classes"));
  stages("class_split", "{count: 2, order: [0, 1, 2, 3, 4, 4]}");
  EXPECT_THAT(error(), HasSubstr("each of the 6 classes"));
  stages("domains", "order: [1]");
  EXPECT_THAT(error(), HasSubstr("no training examples of group 1"));
  stages("domains", "order: [1, 1]");
  EXPECT_THAT(error(), HasSubstr("only once"));
  stages("sets", "{then: [{name: idx, train_images: sx, train_labels: sy}], form: [1, 3, 3]}");
  EXPECT_THAT(error(), HasSubstr("do not fit into 1 x 3 x 3"));
  stages("permutated");
  EXPECT_THAT(error(), HasSubstr("did you mean 'permuted'"));
  stages("permuted", "count: 2");
  data.clients = 1000;
  EXPECT_THAT(error(), HasSubstr("stage 1: "));
  folder_.write("words.tsv", "0\ta b c d\n");
  data.source.name = "masked_texts";
  data.source.settings = node("{texts: {name: text, train: words.tsv, test_share: 0}, test_share: 0}");
  EXPECT_THAT(error(), HasSubstr("hidden tokens are no labels"));
  data = {};
  EXPECT_THAT(error(), HasSubstr("brings its own clients"));
}

TEST_F(Continual, IsWrittenOutWithAllSettings) {
  stages("class_split", "count: 3");
  const ConfigNode written = ConfigNode::from_text(resolved_yaml(config), "resolved.yaml");
  EXPECT_EQ(written.child("stages").child("shuffle").text(), "false");
  const auto again = read_config<ContinualConfig>(written);
  EXPECT_EQ(resolved_yaml(again), resolved_yaml(config));
}

}  // namespace
}  // namespace fedloom
