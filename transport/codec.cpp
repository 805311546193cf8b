// One serialize function per message; tensors are listed by name and shape in the head and follow as blobs.
#include "transport/codec.hpp"

#include <limits>

#include "transport/bounded_archive.hpp"
#include "transport/channel.hpp"
#include "transport/frame.hpp"
#include "transport/printable.hpp"

namespace fedloom {

template <class Archive>
void serialize(Archive& archive, Schedule& v) {
  archive(v.shape, v.warmup, v.every, v.gamma, v.min_lr);
}

template <class Archive>
void serialize(Archive& archive, TaskPrivacy& v) {
  archive(v.example_clip, v.example_noise, v.update_clip, v.update_noise, v.counts_clipped);
}

template <class Archive>
void serialize(Archive& archive, Recipe& v) {
  archive(v.epochs, v.steps, v.batch_size, v.learning_rate, v.schedule, v.clip_norm, v.micro_batch, v.rank,
          v.alpha, v.frozen, v.privacy, v.stage);
}

template <class Archive>
void serialize(Archive& archive, SlotReport& v) {
  archive(v.name, v.size, v.finite, v.largest);
}

template <class Archive>
void serialize(Archive& archive, Fold::Term& v) {
  archive(v.id, v.weight);
}

template <class Archive>
void serialize(Archive& archive, Fold::Slot& v) {
  archive(v.name, v.size, v.weighting, v.scale);
}

template <class Archive>
void serialize(Archive& archive, Verdicts::Entry& v) {
  archive(v.id, v.verdict, v.reason);
}

template <class Archive>
void serialize(Archive& archive, ClientEvaluation& v) {
  archive(v.client, v.examples, v.correct, v.loss_sum);
}

namespace {

// What the head says of a payload. The blob must have exactly the product of the shape in floats.
struct PayloadHead {
  std::string name;
  std::vector<std::int64_t> shape;

  std::uint64_t floats() const {
    std::uint64_t count = 1;
    for (const std::int64_t extent : shape) {
      if (extent < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(extent), &count))
        throw MalformedBytes("impossible shape");
    }
    if (count > std::numeric_limits<std::uint64_t>::max() / sizeof(float))
      throw MalformedBytes("impossible shape");
    return count;
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, shape);
  }
};

std::vector<PayloadHead> heads(const std::vector<Payload>& payloads) {
  std::vector<PayloadHead> heads;
  for (const Payload& payload : payloads) heads.push_back({payload.name, payload.shape});
  return heads;
}

void attach(Message& message, const std::vector<Payload>& payloads) {
  for (const Payload& payload : payloads) message.blobs.push_back(payload.data);
}

std::vector<Payload> detach(const Message& message, const std::vector<PayloadHead>& heads) {
  if (heads.size() != message.blobs.size()) throw MalformedBytes("wrong number of tensors");
  std::vector<Payload> payloads;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    if (message.blobs[i].size() != heads[i].floats() * sizeof(float))
      throw MalformedBytes("wrong tensor size");
    payloads.push_back({heads[i].name, heads[i].shape, message.blobs[i]});
  }
  return payloads;
}

// What peers say for people is shown on terminals and written to logs.
constexpr std::size_t kNameCharacters = 200;
constexpr std::size_t kSentenceCharacters = 1000;

void make_printable(std::string& text, std::size_t characters) { text = printable(text, characters); }

// Enumerators are numbered from 0 without gaps.
template <class Enum>
void expect_known(Enum value, Enum last) {
  if (value > last) throw MalformedBytes("an unknown enumerator");
}

void expect_no_blobs(const Message& message) {
  if (!message.blobs.empty()) throw MalformedBytes("unexpected tensors");
}

template <class... Fields>
Message pack(MessageType type, const Fields&... fields) {
  Message message;
  message.type = static_cast<std::uint16_t>(type);
  ByteWriter writer(message.head);
  writer(fields...);
  return message;
}

template <class... Fields>
void unpack(const Message& message, Fields&... fields) {
  ByteReader reader(message.head);
  reader(fields...);
  reader.expect_end();
}

void fill(const Message& message, Hello& v) {
  expect_no_blobs(message);
  unpack(message, v.name, v.build, v.cpu, v.capacity, v.client, v.examples, v.process, v.initial);
  for (std::string* text : {&v.name, &v.build, &v.cpu}) make_printable(*text, kNameCharacters);
}

void fill(const Message& message, Welcome& v) {
  expect_no_blobs(message);
  unpack(message, v.run, v.experiment, v.layout, v.initial);
}

void fill(const Message& message, Shared& v) {
  PayloadHead head;
  unpack(message, v.version, v.oldest_live, head);
  v.payload = detach(message, {head}).front();
}

void fill(const Message& message, Patch& v) {
  std::vector<PayloadHead> parts;
  unpack(message, v.from, parts);
  v.parts = detach(message, parts);
}

void fill(const Message& message, Task& v) {
  std::vector<PayloadHead> extras;
  unpack(message, v.id, v.window, v.kind, v.version, v.shared, v.recipe, v.kept_version, v.hold, extras);
  expect_known(v.recipe.schedule.shape, ScheduleShape::cosine);
  v.extras = detach(message, extras);
}

void fill(const Message& message, Update& v) {
  unpack(message, v.id, v.reason, v.error, v.examples, v.steps, v.loss_sum, v.loss_count, v.scalars,
         v.reports);
  expect_known(v.reason, kLastReason);
  make_printable(v.error, kSentenceCharacters);
  if (message.blobs.empty()) return;
  std::vector<PayloadHead> slots;
  for (const SlotReport& report : v.reports) {
    if (report.size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      throw MalformedBytes("impossible size");
    slots.push_back({report.name, {static_cast<std::int64_t>(report.size)}});
  }
  v.slots = detach(message, slots);
}

void fill(const Message& message, Fold& v) {
  expect_no_blobs(message);
  unpack(message, v.number, v.terms, v.slots, v.answer);
  for (const Fold::Slot& slot : v.slots) expect_known(slot.weighting, Weighting::uniform);
}

void fill(const Message& message, PartialSum& v) {
  unpack(message, v.number, v.terms);
  for (const Blob& blob : message.blobs)
    if (blob.size() % sizeof(std::int64_t) != 0) throw MalformedBytes("wrong sum size");
  v.units = message.blobs;
}

void fill(const Message& message, Verdicts& v) {
  expect_no_blobs(message);
  unpack(message, v.entries, v.forget, v.retired);
  for (const Verdicts::Entry& entry : v.entries) {
    expect_known(entry.verdict, Verdict::cancelled);
    expect_known(entry.reason, kLastReason);
  }
}

void fill(const Message& message, Collect& v) {
  expect_no_blobs(message);
  unpack(message, v.tasks);
}

void fill(const Message& message, EvaluateClients& v) {
  expect_no_blobs(message);
  unpack(message, v.version, v.clients);
}

void fill(const Message& message, ClientEvaluations& v) {
  expect_no_blobs(message);
  unpack(message, v.version, v.results);
}

void fill(const Message& message, Goodbye& v) {
  expect_no_blobs(message);
  unpack(message, v.reason, v.failed);
  make_printable(v.reason, kSentenceCharacters);
}

template <class T>
constexpr MessageType kTypeOf{};
template <>
constexpr MessageType kTypeOf<Hello> = MessageType::hello;
template <>
constexpr MessageType kTypeOf<Welcome> = MessageType::welcome;
template <>
constexpr MessageType kTypeOf<Shared> = MessageType::shared;
template <>
constexpr MessageType kTypeOf<Patch> = MessageType::patch;
template <>
constexpr MessageType kTypeOf<Task> = MessageType::task;
template <>
constexpr MessageType kTypeOf<Update> = MessageType::update;
template <>
constexpr MessageType kTypeOf<Fold> = MessageType::fold;
template <>
constexpr MessageType kTypeOf<PartialSum> = MessageType::partial_sum;
template <>
constexpr MessageType kTypeOf<Verdicts> = MessageType::verdicts;
template <>
constexpr MessageType kTypeOf<Collect> = MessageType::collect;
template <>
constexpr MessageType kTypeOf<EvaluateClients> = MessageType::evaluate_clients;
template <>
constexpr MessageType kTypeOf<ClientEvaluations> = MessageType::client_evaluations;
template <>
constexpr MessageType kTypeOf<Goodbye> = MessageType::goodbye;

}  // namespace

std::string_view to_string(MessageType type) {
  switch (type) {
    case MessageType::hello: return "hello";
    case MessageType::welcome: return "welcome";
    case MessageType::shared: return "shared";
    case MessageType::task: return "task";
    case MessageType::update: return "update";
    case MessageType::fold: return "fold";
    case MessageType::partial_sum: return "partial_sum";
    case MessageType::verdicts: return "verdicts";
    case MessageType::collect: return "collect";
    case MessageType::evaluate_clients: return "evaluate_clients";
    case MessageType::client_evaluations: return "client_evaluations";
    case MessageType::goodbye: return "goodbye";
    case MessageType::patch: return "patch";
  }
  return "unknown";
}

Message encode(const Hello& v) {
  return pack(MessageType::hello, v.name, v.build, v.cpu, v.capacity, v.client, v.examples, v.process,
              v.initial);
}

Message encode(const Welcome& v) {
  return pack(MessageType::welcome, v.run, v.experiment, v.layout, v.initial);
}

Message encode(const Shared& v) {
  Message message =
      pack(MessageType::shared, v.version, v.oldest_live, PayloadHead{v.payload.name, v.payload.shape});
  message.blobs.push_back(v.payload.data);
  return message;
}

Message encode(const Patch& v) {
  Message message = pack(MessageType::patch, v.from, heads(v.parts));
  attach(message, v.parts);
  return message;
}

Message encode(const Task& v) {
  Message message = pack(MessageType::task, v.id, v.window, v.kind, v.version, v.shared, v.recipe,
                         v.kept_version, v.hold, heads(v.extras));
  attach(message, v.extras);
  return message;
}

Message encode(const Update& v) {
  Message message = pack(MessageType::update, v.id, v.reason, v.error, v.examples, v.steps, v.loss_sum,
                         v.loss_count, v.scalars, v.reports);
  attach(message, v.slots);
  return message;
}

Message encode(const Fold& v) { return pack(MessageType::fold, v.number, v.terms, v.slots, v.answer); }

Message encode(const PartialSum& v) {
  Message message = pack(MessageType::partial_sum, v.number, v.terms);
  message.blobs = v.units;
  return message;
}

Message encode(const Verdicts& v) { return pack(MessageType::verdicts, v.entries, v.forget, v.retired); }
Message encode(const Collect& v) { return pack(MessageType::collect, v.tasks); }
Message encode(const EvaluateClients& v) { return pack(MessageType::evaluate_clients, v.version, v.clients); }
Message encode(const ClientEvaluations& v) {
  return pack(MessageType::client_evaluations, v.version, v.results);
}
Message encode(const Goodbye& v) { return pack(MessageType::goodbye, v.reason, v.failed); }

template <class T>
std::optional<T> decode(const Message& message) {
  if (message.type != static_cast<std::uint16_t>(kTypeOf<T>)) return std::nullopt;
  try {
    T value;
    fill(message, value);
    return value;
  } catch (const std::exception&) {  // MalformedBytes, or an allocation that a lie made impossible
    return std::nullopt;
  }
}

template std::optional<Hello> decode<Hello>(const Message&);
template std::optional<Welcome> decode<Welcome>(const Message&);
template std::optional<Shared> decode<Shared>(const Message&);
template std::optional<Patch> decode<Patch>(const Message&);
template std::optional<Task> decode<Task>(const Message&);
template std::optional<Update> decode<Update>(const Message&);
template std::optional<Fold> decode<Fold>(const Message&);
template std::optional<PartialSum> decode<PartialSum>(const Message&);
template std::optional<Verdicts> decode<Verdicts>(const Message&);
template std::optional<Collect> decode<Collect>(const Message&);
template std::optional<EvaluateClients> decode<EvaluateClients>(const Message&);
template std::optional<ClientEvaluations> decode<ClientEvaluations>(const Message&);
template std::optional<Goodbye> decode<Goodbye>(const Message&);

namespace {

// A blob that has a size and no bytes: enough to ask what a message would cost.
Blob blob_of_size(std::uint64_t bytes) {
  return {std::shared_ptr<const void>(),
          std::span<const std::byte>(static_cast<const std::byte*>(nullptr), bytes)};
}

}  // namespace

std::uint64_t deployed_size(const Task& task) { return wire_size(encode(task), ChannelOptions{}); }

std::uint64_t deployed_size(const Patch& patch) { return wire_size(encode(patch), ChannelOptions{}); }

std::uint64_t deployed_size(const Update& update) {
  Update without = update;
  without.slots.clear();
  Message message = encode(without);
  for (const SlotReport& report : update.reports)
    message.blobs.push_back(blob_of_size(report.size * sizeof(float)));
  return wire_size(message, ChannelOptions{});
}

std::uint64_t deployed_size(const Shared& shared) { return wire_size(encode(shared), ChannelOptions{}); }

std::uint64_t deployed_shared_size(const std::string& name, std::size_t floats) {
  Message message = pack(MessageType::shared, Version{0}, Version{0},
                         PayloadHead{name, {static_cast<std::int64_t>(floats)}});
  message.blobs.push_back(blob_of_size(floats * sizeof(float)));
  return wire_size(message, ChannelOptions{});
}

std::uint64_t deployed_verdict_size() {
  Verdicts verdicts;
  verdicts.entries.resize(1);
  return wire_size(encode(verdicts), ChannelOptions{});
}

std::uint64_t deployed_evaluation_request_size() {
  EvaluateClients request;
  request.clients.resize(1);
  return wire_size(encode(request), ChannelOptions{});
}

std::uint64_t deployed_evaluation_answer_size() {
  ClientEvaluations answer;
  answer.results.resize(1);
  return wire_size(encode(answer), ChannelOptions{});
}

}  // namespace fedloom
