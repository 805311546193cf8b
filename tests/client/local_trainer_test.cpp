// One task on one client: the same update from any trainer, thread and history; kept state by version;
// whatever goes wrong is in the update.
#include "client/local_trainer.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include <gtest/gtest.h>

#include "datasets/table_examples.hpp"
#include "tests/support/quadratic_world.hpp"

namespace fedloom::testing {
namespace {

const std::vector<std::size_t> kSizes = {5, 1, 0, 12, 30};

Task make_task(ClientId client, std::uint32_t number = 1, std::uint32_t kept = 0) {
  Task task;
  task.id = {client, number};
  task.kept_version = kept;
  task.recipe = {.epochs = 3, .batch_size = 4, .learning_rate = 0.1};
  return task;
}

SharedVectors shared_model(float value, std::size_t size = 3) {
  SharedVectors shared;
  shared["model"] = Payload::from("model", Tensor::vector(FloatBuffer(size, value)));
  shared["control"] = Payload::from("control", Tensor::vector(FloatBuffer(size, 0.125F)));
  return shared;
}

void expect_same(const Update& a, const Update& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.examples, b.examples);
  EXPECT_EQ(a.steps, b.steps);
  EXPECT_EQ(a.loss_sum, b.loss_sum);
  ASSERT_EQ(a.slots.size(), b.slots.size());
  for (std::size_t i = 0; i < a.slots.size(); ++i)
    EXPECT_TRUE(std::ranges::equal(a.slots[i].data.bytes(), b.slots[i].data.bytes())) << a.slots[i].name;
}

TEST(LocalTrainer, ReportsWhatItMade) {
  const auto world = quadratic_world("scaffold", "{}", 3, kSizes);
  LocalTrainer trainer(world);
  const Update update = trainer.run(make_task(3), shared_model(0.5F));
  ASSERT_EQ(update.reason, Reason::none) << update.error;
  EXPECT_EQ(update.examples, 12U);
  EXPECT_EQ(update.steps, 9U);  // 3 epochs of 4 + 4 + 4
  EXPECT_EQ(update.loss_count, 36U);
  ASSERT_EQ(update.reports.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(update.reports[i].name, update.slots[i].name);
    EXPECT_EQ(update.reports[i].size, 3U);
    EXPECT_TRUE(update.reports[i].finite);
    float largest = 0.0F;
    for (const float value : update.slots[i].values()) largest = std::max(largest, std::abs(value));
    EXPECT_EQ(update.reports[i].largest, largest);
    EXPECT_GT(largest, 0.0F);
  }
}

// Plain SGD on one example: y moves towards b by 1 - (1 - rate a)^steps of the way.
TEST(LocalTrainer, TrainsAsTheRecipeSays) {
  const auto world = quadratic_world("fedavg", "{}", 3, kSizes);
  LocalTrainer trainer(world);
  Task task = make_task(1);
  task.recipe = {.steps = 10, .batch_size = 1, .learning_rate = 0.2};
  const Update update = trainer.run(task, shared_model(0.5F));
  FloatBuffer row(4);
  std::int32_t label = 0;
  const ExampleView view = world->data->client(1);
  view.examples->gather(view.indices, row.data(), &label);
  const double way = 1.0 - std::pow(1.0 - 0.2 * static_cast<double>(row[0]), 10);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(static_cast<double>(update.slot("delta")->values()[i]),
                way * (static_cast<double>(row[1 + i]) - 0.5), 1e-6);
}

TEST(LocalTrainer, NothingLeaksFromTaskToTask) {
  for (const std::string algorithm : {"fedavg", "fedprox", "scaffold", "local_only", "fedadam"}) {
    SCOPED_TRACE(algorithm);
    const auto world = quadratic_world(algorithm, "{}", 3, kSizes);
    std::map<ClientId, Update> fresh;
    for (ClientId client = 0; client < kSizes.size(); ++client)
      fresh[client] = LocalTrainer(world).run(make_task(client), shared_model(0.5F));
    // One trainer for all, in another order, each several times, with tasks that fail and other sizes
    // between.
    LocalTrainer reused(world);
    Random random(1, Stream::sampling);
    for (int i = 0; i < 60; ++i) {
      const ClientId client = random.below(kSizes.size());
      expect_same(reused.run(make_task(client), shared_model(0.5F)), fresh.at(client));
      if (i % 3 == 0) reused.run(make_task(4, 9), shared_model(-7.0F));
      if (i % 5 == 0) reused.run(make_task(99), shared_model(1.0F));
      if (i % 7 == 0) reused.evaluate(0, 0, shared_model(3.0F));
    }
  }
}

TEST(LocalTrainer, ThreadsMakeTheSameUpdates) {
  const auto world = quadratic_world("scaffold", "{}", 3, kSizes);
  std::vector<Update> expected;
  for (ClientId client = 0; client < kSizes.size(); ++client)
    expected.push_back(LocalTrainer(world).run(make_task(client), shared_model(0.5F)));
  std::vector<std::vector<Update>> made(4);
  {
    std::vector<std::jthread> threads;
    for (auto& updates : made)
      threads.emplace_back([&world, &updates] {
        LocalTrainer trainer(world);
        for (ClientId client = 0; client < kSizes.size(); ++client)
          updates.push_back(trainer.run(make_task(client), shared_model(0.5F)));
      });
  }
  for (const auto& updates : made)
    for (std::size_t i = 0; i < updates.size(); ++i) expect_same(updates[i], expected[i]);
}

TEST(LocalTrainer, ATaskNumberIsAnotherShuffle) {
  const auto world = quadratic_world("fedavg", "{}", 3, kSizes);
  LocalTrainer trainer(world);
  const Update one = trainer.run(make_task(4, 1), shared_model(0.5F));
  const Update two = trainer.run(make_task(4, 2), shared_model(0.5F));
  EXPECT_FALSE(std::ranges::equal(one.slots[0].data.bytes(), two.slots[0].data.bytes()));
}

TEST(LocalTrainer, AnEmptyClientAnswersWithNothing) {
  const auto world = quadratic_world("fedavg", "{}", 3, kSizes);
  const Update update = LocalTrainer(world).run(make_task(2), shared_model(0.5F));
  EXPECT_EQ(update.reason, Reason::none);
  EXPECT_EQ(update.examples, 0U);
  EXPECT_EQ(update.steps, 0U);
  EXPECT_EQ(update.reports[0].largest, 0.0F);
}

TEST(LocalTrainer, StateIsOfTheVersionTheTaskNames) {
  const auto world = quadratic_world("local_only", "{}", 3, kSizes);
  LocalTrainer trainer(world);
  trainer.run(make_task(0, 1, 0), {});
  const TensorMap first = world->store->load(0, 1);
  trainer.run(make_task(0, 2, 1), {});
  const TensorMap second = world->store->load(0, 2);
  EXPECT_NE(first, second);
  // Task 2 was not accepted: task 3 starts from 1 again, and by another shuffle.
  trainer.run(make_task(0, 3, 1), {});
  EXPECT_NE(world->store->load(0, 3), second);
  // The same task once more, as after a worker's death: the same state, and version 1 as it was.
  trainer.run(make_task(0, 2, 1), {});
  EXPECT_EQ(world->store->load(0, 2), second);
  EXPECT_EQ(world->store->load(0, 1), first);
}

TEST(LocalTrainer, StatelessAlgorithmsKeepNothing) {
  const auto world = quadratic_world("fedavg", "{}", 3, kSizes);
  LocalTrainer(world).run(make_task(0, 1), shared_model(1.0F));
  EXPECT_THROW(world->store->load(0, 1), UserError);
}

void expect_failed(const Update& update, const std::string& word) {
  EXPECT_EQ(update.reason, Reason::failed);
  EXPECT_NE(update.error.find(word), std::string::npos) << update.error;
  EXPECT_TRUE(update.slots.empty());
}

TEST(LocalTrainer, WhatGoesWrongIsInTheUpdate) {
  const auto world = quadratic_world("scaffold", "{}", 3, kSizes);
  LocalTrainer trainer(world);
  expect_failed(trainer.run(make_task(0, 5, 4), shared_model(1.0F)), "no state of task 4");
  expect_failed(trainer.run(make_task(77), shared_model(1.0F)), "client 77");
  expect_failed(trainer.run(make_task(0), shared_model(1.0F, 4)), "4 floats");
  SharedVectors odd = shared_model(1.0F);
  odd["control"] = Payload::from("control", Tensor::vector(FloatBuffer(2)));
  expect_failed(trainer.run(make_task(0), odd), "2 floats");
  Task no_batch = make_task(0);
  no_batch.recipe.batch_size = 0;
  expect_failed(trainer.run(no_batch, shared_model(1.0F)), "batch_size 0");
  Task no_rate = make_task(0);
  no_rate.recipe.learning_rate = std::numeric_limits<double>::quiet_NaN();
  expect_failed(trainer.run(no_rate, shared_model(1.0F)), "learning rate");
  EXPECT_EQ(trainer.run(make_task(0), shared_model(1.0F)).reason, Reason::none);
}

TEST(LocalTrainer, RefusesARecipeThatNoExperimentCanMean) {
  const auto world = quadratic_world("fedavg", "{}", 3, kSizes);
  LocalTrainer trainer(world);
  const auto refused = [&](const std::function<void(Recipe&)>& spoil, const std::string& text) {
    Task task = make_task(0);
    spoil(task.recipe);
    expect_failed(trainer.run(task, shared_model(1.0F)), text);
  };
  const double infinity = std::numeric_limits<double>::infinity();
  refused([](Recipe& r) { r.epochs = std::numeric_limits<std::int64_t>::max(); }, "epochs");
  refused([](Recipe& r) { r.clip_norm = -1.0; }, "clip_norm -1");
  refused([&](Recipe& r) { r.clip_norm = infinity; }, "clip_norm inf");
  refused([](Recipe& r) { r.rank = -1; }, "rank -1");
  refused([](Recipe& r) { r.rank = 2; }, "alpha 0");
  refused(
      [&](Recipe& r) {
        r.rank = 2;
        r.alpha = infinity;
      },
      "alpha inf");
  refused([](Recipe& r) { r.micro_batch = -2; }, "micro_batch -2");
  refused([](Recipe& r) { r.schedule.warmup = -3; }, "warmup -3");
  refused([](Recipe& r) { r.schedule.every = 0; }, "every 0");
  refused([&](Recipe& r) { r.schedule.gamma = infinity; }, "gamma inf");
  refused([&](Recipe& r) { r.schedule.min_lr = infinity; }, "min_lr inf");
  EXPECT_EQ(trainer.run(make_task(0), shared_model(1.0F)).reason, Reason::none);
}

// What SCAFFOLD infers from where a client ends needs steps of one length along the gradient.
TEST(LocalTrainer, ScaffoldRefusesClippingAndSchedulesWithinATask) {
  const auto world = quadratic_world("scaffold", "{}", 3, kSizes);
  LocalTrainer trainer(world);
  SharedVectors shared = shared_model(1.0F);
  shared["control"] = Payload::from("control", Tensor::vector(FloatBuffer(3)));
  Task task = make_task(0);
  EXPECT_EQ(trainer.run(task, shared).reason, Reason::none);
  task.recipe.clip_norm = 1.0;
  expect_failed(trainer.run(task, shared), "clip_norm");
  task.recipe.clip_norm = 0.0;
  task.recipe.schedule.warmup = 1;
  expect_failed(trainer.run(task, shared), "schedule");
}

TEST(LocalTrainer, DivergenceIsReportedNotHidden) {
  const auto world = quadratic_world("fedavg", "{}", 3, kSizes);
  Task task = make_task(4);
  task.recipe = {.epochs = 40, .batch_size = 1, .learning_rate = 1e6};
  const Update update = LocalTrainer(world).run(task, shared_model(1.0F));
  EXPECT_EQ(update.reason, Reason::none);
  EXPECT_FALSE(update.reports[0].finite);
}

/// A deployed client's process: of two examples, one for each client, only client 0's is in memory.
class OneClientsData : public QuadraticFederation {
 public:
  OneClientsData() : QuadraticFederation(3, {1, 1}), test_{examples_, {1}} {}
  ExampleView client(std::size_t k) const override { return {examples_, {static_cast<std::uint32_t>(k)}}; }
  const ExampleView& test() const override { return test_; }

 private:
  struct HalfHeld : QuadraticExamples {
    using QuadraticExamples::QuadraticExamples;
    bool holds(std::size_t i) const override { return i == 0; }
  };
  std::shared_ptr<const Examples> examples_ =
      std::make_shared<HalfHeld>(std::vector<std::vector<float>>(2, {1.0F, 0.0F, 0.0F, 0.0F}));
  ExampleView test_;
};

TEST(LocalTrainer, WhatIsNotInMemoryIsAnErrorOfTheAsker) {
  auto world = std::make_shared<LocalWorld>(*quadratic_world("fedavg", "{}", 3, {1, 1}));
  world->data = std::make_shared<OneClientsData>();
  LocalTrainer trainer(world);
  EXPECT_EQ(trainer.run(make_task(0), shared_model(0.5F)).reason, Reason::none);
  const Update other = trainer.run(make_task(1), shared_model(0.5F));
  EXPECT_EQ(other.reason, Reason::failed);
  EXPECT_NE(other.error.find("these 1 examples are not in memory here"), std::string::npos) << other.error;
  EXPECT_THROW(trainer.evaluate(0, 0, shared_model(1.0F)), UserError);
  EXPECT_EQ(trainer.run(make_task(0), shared_model(0.5F)).reason, Reason::none);
}

TEST(LocalTrainer, EvaluatesOnTheTestSetWhenAClientHasNone) {
  const auto world = quadratic_world("fedavg", "{}", 3, kSizes);
  const ClientEvaluation result = LocalTrainer(world).evaluate(3, 0, shared_model(1.0F));
  EXPECT_EQ(result.client, 3U);
  EXPECT_EQ(result.examples, 4U);
  EXPECT_EQ(result.correct, 4U);  // two equal logits: the lower index wins, and labels are 0
  EXPECT_NEAR(result.loss_sum, 4 * std::log(2.0), 1e-12);
}

/// Clients 0 and 1 with the same three pictures of 1 x 2 x 3, no pixel of which is 0; they are the test set
/// too.
class PictureFederation final : public FederatedData {
 public:
  const DataSpec& spec() const override { return view_.examples->spec(); }
  std::size_t clients() const override { return 2; }
  std::size_t example_count(std::size_t) const override { return view_.size(); }
  ExampleView client(std::size_t) const override { return view_; }
  ExampleView client_test(std::size_t) const override { return view_; }
  const ExampleView& validation() const override { return view_; }
  const ExampleView& test() const override { return view_; }
  std::size_t memory_bytes() const override { return 0; }

 private:
  static FloatBuffer pixels() {
    FloatBuffer values(18);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
    return values;
  }
  ExampleView view_ = whole(std::make_shared<TableExamples>(DataSpec{{1, 2, 3}, 2, 0}, pixels(),
                                                            std::vector<std::int32_t>{0, 1, 0}));
};

std::vector<float> features(GatheredData& data) {
  const std::uint32_t positions[] = {0, 1, 2};
  const Batch batch = data.batch(positions);
  return {batch.features, batch.features + 18};
}

TEST(GatheredData, AugmentsUntilItIsOpenedAgain) {
  const PictureFederation world;
  GatheredData data;
  const auto open = [&] { data.open(3, [&] { return world.client(0); }); };
  const Augmentation how{.crop = 1, .flip = true};
  open();
  const auto plain = features(data);
  data.augment(how, Random(1, Stream::augment, 0, 1));
  const auto first = features(data);
  const auto second = features(data);
  EXPECT_NE(first, plain);
  EXPECT_NE(second, first);  // every step draws anew
  open();
  EXPECT_EQ(features(data), plain);
  data.augment(how, Random(1, Stream::augment, 0, 1));
  EXPECT_EQ(features(data), first);
}

TEST(LocalTrainer, AugmentsWhatItTrainsOnByClientAndTask) {
  auto world = std::make_shared<LocalWorld>(*quadratic_world("fedavg", "{}", 3, {1}));
  const DataSpec form = PictureFederation().spec();
  world->data = std::make_shared<PictureFederation>();
  world->model = ModelRegistry::instance().find("softmax", "model").make(ConfigNode(), form);
  const std::size_t size = world->model->layout()->size();
  world->initial = FloatBuffer(size, 0.0F);
  const SharedVectors shared = shared_model(0.0F, size);
  const auto delta = [&](ClientId client, std::uint32_t number) {
    const Update update = LocalTrainer(world).run(make_task(client, number), shared);
    EXPECT_EQ(update.reason, Reason::none) << update.error;
    const auto values = update.slots.at(0).values();
    return std::vector<float>(values.begin(), values.end());
  };
  const double tested = LocalTrainer(world).evaluate(0, 0, shared_model(0.1F, size)).loss_sum;
  const auto plain = delta(0, 1);
  world->augment = {.crop = 1, .flip = true};
  EXPECT_EQ(LocalTrainer(world).evaluate(0, 0, shared_model(0.1F, size)).loss_sum, tested);
  const auto augmented = delta(0, 1);
  EXPECT_NE(augmented, plain);
  EXPECT_EQ(delta(0, 1), augmented);
  EXPECT_NE(delta(1, 1), augmented);
  EXPECT_NE(delta(0, 2), augmented);
}

TEST(LocalTrainer, APersonalModelOfAnotherSizeIsRefused) {
  const auto world = quadratic_world("local_only", "{}", 3, kSizes);
  world->store->propose(0, 1, {{"model", Tensor::zeros({2})}});
  LocalTrainer trainer(world);
  EXPECT_THROW(trainer.evaluate(0, 1, {}), UserError);
  expect_failed(trainer.run(make_task(0, 2, 1), {}), "2 floats");
}

// Noise of a thousand clipping norms. Without it two clients differ by at most the sum of their clipped
// gradients: 9 steps of rate 0.1, each 2 * 12 norms over a batch of 4.
TEST(LocalTrainer, AClientsSecretGivesOtherDataOtherNoise) {
  const auto trained = [](std::uint64_t data_seed, std::optional<std::uint64_t> secret) {
    const auto world = quadratic_world("fedavg", "{}", 3, kSizes);
    world->data = std::make_shared<QuadraticFederation>(3, kSizes, data_seed);
    world->secret = secret;
    Task task = make_task(3);
    task.recipe.privacy.example_clip = 1.0;
    task.recipe.privacy.example_noise = 1000.0;
    Update update = LocalTrainer(world).run(task, shared_model(0.5F));
    EXPECT_EQ(update.reason, Reason::none) << update.error;
    return update;
  };
  const auto apart = [](const Update& a, const Update& b) {
    double square = 0.0;
    for (std::size_t i = 0; i < 3; ++i)
      square += std::pow(static_cast<double>(a.slot("delta")->values()[i] - b.slot("delta")->values()[i]), 2);
    return std::sqrt(square);
  };
  constexpr double kMost = 9 * 0.1 * 2 * 12 / 4;
  EXPECT_LE(apart(trained(1, {}), trained(2, {})), kMost);  // the seed's noise is on both
  EXPECT_GT(apart(trained(1, 7), trained(2, 7)), kMost);
  EXPECT_GT(apart(trained(1, 7), trained(1, 8)), kMost);
  expect_same(trained(1, 7), trained(1, 7));
}

}  // namespace
}  // namespace fedloom::testing
