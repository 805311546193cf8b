// Messages to bytes and back: everything returns; whatever is damaged decodes to something or to nothing,
// never to a crash, and never costs more memory than the message itself.
#include "transport/codec.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "transport/channel.hpp"

namespace fedloom {
namespace {

std::string random_text(Random& random) {
  std::string text(random.below(12), '\0');
  for (char& c : text) c = static_cast<char>(random.below(256));
  return text;
}

// What people read returns as it was only when it can be read.
std::string random_words(Random& random) {
  std::string text(random.below(12), '\0');
  for (char& c : text) c = static_cast<char>(' ' + random.below(95));
  return text;
}

TaskId random_task(Random& random) { return {random.next64(), random.next32()}; }

Payload random_payload(Random& random) {
  std::vector<std::int64_t> shape(random.below(4));
  for (auto& extent : shape) extent = static_cast<std::int64_t>(random.below(4));
  Tensor tensor = Tensor::zeros(shape);
  for (float& value : tensor.data) value = static_cast<float>(random.normal());
  return Payload::from(random_text(random), std::move(tensor));
}

template <class T>
std::vector<T> some(Random& random, const std::function<T(Random&)>& make) {
  std::vector<T> values;
  for (std::uint64_t count = random.below(4); count > 0; --count) values.push_back(make(random));
  return values;
}

Hello random_hello(Random& random) {
  Hello v{random_words(random),
          random_words(random),
          random_words(random),
          random.next32(),
          {},
          random.next64(),
          -5,
          random.next64()};
  if (random.bernoulli(0.5)) v.client = random.next64();
  return v;
}

Shared random_shared(Random& random) { return {random.next64(), random.next64(), random_payload(random)}; }

Task random_task_message(Random& random) {
  Task v;
  v.id = random_task(random);
  v.window = random.next64();
  v.kind = random_text(random);
  v.version = random.next64();
  v.shared = some<std::string>(random, random_text);
  v.recipe = {static_cast<std::int64_t>(random.next64()), -1, 7, random.normal()};
  v.recipe.schedule = {static_cast<ScheduleShape>(random.below(3)),
                       static_cast<std::int64_t>(random.next64()), static_cast<std::int64_t>(random.next64()),
                       random.normal(), random.normal()};
  v.recipe.clip_norm = random.normal();
  v.recipe.micro_batch = static_cast<std::int64_t>(random.next64());
  v.recipe.rank = static_cast<std::int64_t>(random.next64());
  v.recipe.alpha = random.normal();
  v.recipe.frozen = some<std::string>(random, random_text);
  v.kept_version = random.next32();
  v.hold = random.bernoulli(0.5);
  v.extras = some<Payload>(random, random_payload);
  return v;
}

Update random_update(Random& random, bool with_slots) {
  Update v;
  v.id = random_task(random);
  v.reason = static_cast<Reason>(random.below(14));
  v.error = random_words(random);
  v.examples = random.next64();
  v.steps = random.next64();
  v.loss_sum = random.normal();
  v.loss_count = random.next64();
  for (std::uint64_t i = random.below(4); i > 0; --i) v.scalars[random_text(random)] = random.normal();
  for (std::uint64_t i = 1 + random.below(3); i > 0; --i) {
    FloatBuffer values(random.below(50));
    for (float& value : values) value = static_cast<float>(random.normal());
    v.reports.push_back({random_text(random), values.size(), random.bernoulli(0.5), 3.5F});
    if (with_slots)
      v.slots.push_back(Payload::from(v.reports.back().name, Tensor::vector(std::move(values))));
  }
  return v;
}

Fold random_fold(Random& random) {
  Fold v;
  v.number = random.next64();
  v.terms = some<Fold::Term>(random, [](Random& r) { return Fold::Term{random_task(r), r.next64()}; });
  v.slots = some<Fold::Slot>(random, [](Random& r) {
    return Fold::Slot{random_text(r),
                      r.next64(),
                      static_cast<Weighting>(r.below(2)),
                      {static_cast<int>(r.below(99)) - 9, r.normal()}};
  });
  return v;
}

PartialSum random_partial(Random& random) {
  PartialSum v{random.next64(), random.next64(), {}};
  for (std::uint64_t i = random.below(4); i > 0; --i) v.units.push_back(Blob::allocate(8 * random.below(9)));
  return v;
}

Verdicts random_verdicts(Random& random) {
  Verdicts v;
  v.entries = some<Verdicts::Entry>(random, [](Random& r) {
    return Verdicts::Entry{random_task(r), static_cast<Verdict>(r.below(5)),
                           static_cast<Reason>(r.below(14))};
  });
  v.forget = some<TaskId>(random, random_task);
  return v;
}

ClientEvaluations random_evaluations(Random& random) {
  return {random.next64(), some<ClientEvaluation>(random, [](Random& r) {
            return ClientEvaluation{r.next64(), r.next64(), r.next64(), r.normal()};
          })};
}

struct Sample {
  MessageType type;
  Message message;
};

std::vector<Sample> one_of_each(std::uint64_t seed) {
  Random random(seed, Stream::noise);
  return {{MessageType::hello, encode(random_hello(random))},
          {MessageType::welcome,
           encode(Welcome{random_text(random), random_text(random), random.next64(), random.next64()})},
          {MessageType::shared, encode(random_shared(random))},
          {MessageType::patch, encode(Patch{random.next64(), some<Payload>(random, random_payload)})},
          {MessageType::task, encode(random_task_message(random))},
          {MessageType::update, encode(random_update(random, true))},
          {MessageType::update, encode(random_update(random, false))},
          {MessageType::fold, encode(random_fold(random))},
          {MessageType::partial_sum, encode(random_partial(random))},
          {MessageType::verdicts, encode(random_verdicts(random))},
          {MessageType::collect, encode(Collect{some<TaskId>(random, random_task)})},
          {MessageType::evaluate_clients,
           encode(EvaluateClients{random.next64(), some<TaskId>(random, random_task)})},
          {MessageType::client_evaluations, encode(random_evaluations(random))},
          {MessageType::goodbye, encode(Goodbye{random_words(random), random.bernoulli(0.5)})}};
}

template <class T>
std::optional<Message> again(const Message& message) {
  const auto value = decode<T>(message);
  return value ? std::optional(encode(*value)) : std::nullopt;
}

// Decoded as what it says it is, and encoded again.
std::optional<Message> round_trip(const Message& message) {
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::hello: return again<Hello>(message);
    case MessageType::welcome: return again<Welcome>(message);
    case MessageType::shared: return again<Shared>(message);
    case MessageType::task: return again<Task>(message);
    case MessageType::update: return again<Update>(message);
    case MessageType::fold: return again<Fold>(message);
    case MessageType::partial_sum: return again<PartialSum>(message);
    case MessageType::verdicts: return again<Verdicts>(message);
    case MessageType::collect: return again<Collect>(message);
    case MessageType::evaluate_clients: return again<EvaluateClients>(message);
    case MessageType::client_evaluations: return again<ClientEvaluations>(message);
    case MessageType::goodbye: return again<Goodbye>(message);
    case MessageType::patch: return again<Patch>(message);
  }
  return std::nullopt;
}

void expect_same(const Message& a, const Message& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.head, b.head);
  ASSERT_EQ(a.blobs.size(), b.blobs.size());
  for (std::size_t i = 0; i < a.blobs.size(); ++i)
    EXPECT_EQ(a.blobs[i].data(), b.blobs[i].data());  // not copied
}

TEST(Codec, EveryMessageReturns) {
  for (std::uint64_t seed = 0; seed < 300; ++seed)
    for (const Sample& sample : one_of_each(seed)) {
      EXPECT_EQ(sample.message.type, static_cast<std::uint16_t>(sample.type));
      const auto returned = round_trip(sample.message);
      ASSERT_TRUE(returned.has_value()) << to_string(sample.type) << ", seed " << seed;
      expect_same(*returned, sample.message);
    }
}

// Equal bytes could hide a field that is neither written nor read: fields are looked at for once.
TEST(Codec, FieldsArriveWhereTheyBelong) {
  Random random(3, Stream::noise);
  const Task task = random_task_message(random);
  const auto task_back = decode<Task>(encode(task));
  ASSERT_TRUE(task_back);
  EXPECT_EQ(task_back->id, task.id);
  EXPECT_EQ(task_back->window, task.window);
  EXPECT_EQ(task_back->kind, task.kind);
  EXPECT_EQ(task_back->version, task.version);
  EXPECT_EQ(task_back->shared, task.shared);
  EXPECT_EQ(task_back->recipe, task.recipe);
  EXPECT_EQ(task_back->kept_version, task.kept_version);
  EXPECT_EQ(task_back->hold, task.hold);
  EXPECT_EQ(task_back->extras.size(), task.extras.size());
  const Update update = random_update(random, true);
  const auto update_back = decode<Update>(encode(update));
  ASSERT_TRUE(update_back);
  EXPECT_EQ(update_back->reason, update.reason);
  EXPECT_EQ(update_back->error, update.error);
  EXPECT_EQ(update_back->examples, update.examples);
  EXPECT_EQ(update_back->steps, update.steps);
  EXPECT_EQ(update_back->loss_sum, update.loss_sum);
  EXPECT_EQ(update_back->loss_count, update.loss_count);
  EXPECT_EQ(update_back->scalars, update.scalars);
  ASSERT_EQ(update_back->slots.size(), update.slots.size());
  EXPECT_EQ(update_back->slots[0].name, update.slots[0].name);
  Hello hello{"n", "b", "c", 4, ClientId{9}, 100, 77};
  const auto hello_back = decode<Hello>(encode(hello));
  ASSERT_TRUE(hello_back);
  EXPECT_EQ(hello_back->name + hello_back->build + hello_back->cpu, "nbc");
  EXPECT_EQ(hello_back->capacity, 4U);
  EXPECT_EQ(hello_back->client, ClientId{9});
  EXPECT_EQ(hello_back->examples, 100U);
  EXPECT_EQ(hello_back->process, 77);
  const auto fold =
      decode<Fold>(encode(Fold{1, {{{3, 4}, 5}}, {{"s", 6, Weighting::uniform, {7, 8.0}}}, false}));
  ASSERT_TRUE(fold);
  EXPECT_EQ(fold->terms[0].weight, 5U);
  EXPECT_EQ(fold->slots[0].scale.exponent, 7);
  EXPECT_EQ(fold->slots[0].scale.range, 8.0);
  EXPECT_EQ(fold->slots[0].weighting, Weighting::uniform);
}

// A peer's words must not drive a terminal, break a log of JSON lines or fill a disk.
TEST(Codec, WordsForPeopleArePrintableAndShort) {
  const std::string rude = "\x1b]0;title\x07\r\xff" + std::string(1U << 20U, 'a');
  const std::string clean = "?]0;title???";
  Hello sent;
  sent.name = sent.build = sent.cpu = rude;
  const auto hello = decode<Hello>(encode(sent));
  ASSERT_TRUE(hello);
  for (const std::string& text : {hello->name, hello->build, hello->cpu}) {
    EXPECT_TRUE(text.starts_with(clean + "aaa")) << text;
    EXPECT_LE(text.size(), 210U);
  }
  const auto goodbye = decode<Goodbye>(encode(Goodbye{rude, true}));
  ASSERT_TRUE(goodbye);
  EXPECT_TRUE(goodbye->reason.starts_with(clean + "aaa"));
  EXPECT_LE(goodbye->reason.size(), 1010U);
  Update failed;
  failed.error = rude;
  const auto update = decode<Update>(encode(failed));
  ASSERT_TRUE(update);
  EXPECT_TRUE(update->error.starts_with(clean + "aaa"));
  EXPECT_LE(update->error.size(), 1010U);
}

TEST(Codec, ATypeIsNotTakenForAnother) {
  const auto samples = one_of_each(1);
  for (const Sample& sample : samples)
    for (const Sample& other : samples) {
      if (other.type == sample.type) continue;
      Message lie = sample.message;
      lie.type = static_cast<std::uint16_t>(other.type);
      round_trip(lie);  // may even parse; must not crash
    }
  EXPECT_FALSE(decode<Hello>(samples[1].message).has_value());
  EXPECT_FALSE(decode<Update>(samples[3].message).has_value());
  Message unknown = samples[0].message;
  unknown.type = 4711;
  EXPECT_FALSE(round_trip(unknown).has_value());
  EXPECT_EQ(to_string(static_cast<MessageType>(4711)), "unknown");
}

TEST(Codec, EveryTruncationIsRefused) {
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (const Sample& sample : one_of_each(seed)) {
      for (std::size_t size = 0; size < sample.message.head.size(); ++size) {
        Message cut = sample.message;
        cut.head.resize(size);
        EXPECT_FALSE(round_trip(cut).has_value()) << to_string(sample.type) << " cut to " << size;
      }
      Message longer = sample.message;
      longer.head += '\0';
      EXPECT_FALSE(round_trip(longer).has_value()) << to_string(sample.type);
    }
}

TEST(Codec, EveryFlippedByteIsHarmless) {
  for (std::uint64_t seed = 0; seed < 12; ++seed)
    for (const Sample& sample : one_of_each(seed))
      for (std::size_t i = 0; i < sample.message.head.size(); ++i)
        for (const unsigned flip : {0x01U, 0x80U, 0xffU}) {
          Message damaged = sample.message;
          damaged.head[i] = static_cast<char>(static_cast<unsigned char>(damaged.head[i]) ^ flip);
          // What still decodes is a sound value: it encodes to the same bytes (a map may drop a repeated
          // key).
          const auto returned = round_trip(damaged);
          if (returned) {
            EXPECT_LE(returned->head.size(), damaged.head.size());
          }
        }
}

TEST(Codec, RandomBytesAreHarmless) {
  Random random(11, Stream::noise);
  for (int trial = 0; trial < 20'000; ++trial) {
    Message noise;
    noise.type = static_cast<std::uint16_t>(random.below(14));
    noise.head.resize(random.below(80));
    const bool mostly_zero = random.bernoulli(0.5);
    for (char& c : noise.head)
      c = static_cast<char>(mostly_zero && !random.bernoulli(0.1) ? 0 : random.below(256));
    if (random.bernoulli(0.3)) noise.blobs.push_back(Blob::allocate(random.below(20)));
    round_trip(noise);
  }
}

TEST(Codec, BlobsMustFitWhatTheHeadSays) {
  for (const Sample& sample : one_of_each(5)) {
    Message more = sample.message;
    more.blobs.push_back(Blob::allocate(3));
    EXPECT_FALSE(round_trip(more).has_value()) << to_string(sample.type);
    // An update may leave its slots behind, a partial sum says nothing of their number.
    if (sample.message.blobs.empty() || sample.type == MessageType::partial_sum) continue;
    Message shorter = sample.message;
    shorter.blobs[0] = Blob::allocate(shorter.blobs[0].size() + 4);
    EXPECT_FALSE(round_trip(shorter).has_value()) << to_string(sample.type);
    shorter.blobs.pop_back();
    if (sample.type == MessageType::update && shorter.blobs.empty()) continue;
    EXPECT_FALSE(round_trip(shorter).has_value()) << to_string(sample.type);
  }
  PartialSum odd;
  odd.units.push_back(Blob::allocate(12));
  EXPECT_FALSE(decode<PartialSum>(encode(odd)).has_value());
}

TEST(Codec, ImpossibleShapesAreRefused) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{-1}, {kHuge, 4}, {kHuge}, {kHuge, kHuge, 0}, {-2, -2}}) {
    Shared shared;
    shared.payload.name = "model";
    shared.payload.shape = shape;
    shared.payload.data = Blob::allocate(0);
    EXPECT_FALSE(decode<Shared>(encode(shared)).has_value() && shape.back() != 0);
  }
}

TEST(Codec, UnknownEnumeratorsAreRefused) {
  Verdicts verdicts;
  verdicts.entries.resize(1);
  verdicts.entries[0].verdict = static_cast<Verdict>(5);
  EXPECT_FALSE(decode<Verdicts>(encode(verdicts)).has_value());
  verdicts.entries[0].verdict = Verdict::cancelled;
  verdicts.entries[0].reason = Reason::key;
  EXPECT_TRUE(decode<Verdicts>(encode(verdicts)).has_value());
  verdicts.entries[0].reason = static_cast<Reason>(15);
  EXPECT_FALSE(decode<Verdicts>(encode(verdicts)).has_value());
  Update update;
  update.reason = static_cast<Reason>(200);
  EXPECT_FALSE(decode<Update>(encode(update)).has_value());
  Fold fold;
  fold.slots.push_back({"delta", 1, static_cast<Weighting>(2), {}});
  EXPECT_FALSE(decode<Fold>(encode(fold)).has_value());
}

// A bool of 2 would be undefined behaviour, and not equal to true either.
TEST(Codec, ATruthValueIsZeroOrOne) {
  Message message = encode(Goodbye{"", true});
  ASSERT_TRUE(decode<Goodbye>(message).has_value());
  message.head.back() = 2;
  EXPECT_FALSE(decode<Goodbye>(message).has_value());
}

// ---- sizes ----

TEST(DeployedSize, OfAnUpdateIsTheSameHeldOrHere) {
  Random random(7, Stream::noise);
  for (int trial = 0; trial < 200; ++trial) {
    const Update whole = random_update(random, true);
    Update held = whole;
    held.slots.clear();
    EXPECT_EQ(deployed_size(held), deployed_size(whole));
    EXPECT_EQ(deployed_size(whole), wire_size(encode(whole), ChannelOptions{}));
  }
}

TEST(DeployedSize, OfLargeVectorsCountsChunksToo) {
  for (const std::size_t floats : {0U, 1U, 16'384U, 131'072U, 131'073U, 1'000'000U}) {
    Update update;
    update.reports.push_back({"delta", floats, true, 1.0F});
    update.slots.push_back(Payload::from("delta", Tensor::zeros({static_cast<std::int64_t>(floats)})));
    EXPECT_EQ(deployed_size(update), wire_size(encode(update), ChannelOptions{})) << floats;
    const Shared shared{7, 7, Payload::from("model", Tensor::zeros({static_cast<std::int64_t>(floats)}))};
    EXPECT_EQ(deployed_shared_size("model", floats), wire_size(encode(shared), ChannelOptions{})) << floats;
    EXPECT_GE(deployed_size(update), floats * sizeof(float));
  }
}

TEST(DeployedSize, OfTasksAndVerdictsIsWhatTheyCost) {
  Random random(8, Stream::noise);
  const Task task = random_task_message(random);
  EXPECT_EQ(deployed_size(task), wire_size(encode(task), ChannelOptions{}));
  EXPECT_EQ(deployed_verdict_size(),
            wire_size(encode(Verdicts{{{{1, 2}, Verdict::lost, Reason::limit}}, {}, {}}), ChannelOptions{}));
}

TEST(DeployedSize, OfEvaluatingAClientIsWhatItCosts) {
  EXPECT_EQ(deployed_evaluation_request_size(),
            wire_size(encode(EvaluateClients{1U << 30U, {{123'456'789, 77}}}), ChannelOptions{}));
  EXPECT_EQ(deployed_evaluation_answer_size(),
            wire_size(encode(ClientEvaluations{9, {{1U << 30U, 1000, 999, 0.5}}}), ChannelOptions{}));
}

}  // namespace
}  // namespace fedloom
