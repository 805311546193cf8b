// libFuzzer: what a server may say to a client or worker, in any order and whether it fits or not: welcomes
// to good and bad experiments, models, patches, tasks, folds, verdicts, collections and evaluations, some of
// them bytes as they are. The peer trains on a small quadratic federation under one of several strategies,
// deployed or not. Nothing may crash or hang it, and at the end an honest run must be served. A server may
// order any amount of work, so steps and epochs alone are kept small.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/host.hpp"
#include "core/hash.hpp"
#include "tests/fuzz/script.hpp"
#include "tests/support/quadratic_world.hpp"
#include "transport/asio_executor.hpp"
#include "transport/codec.hpp"

namespace {

using namespace fedloom;  // NOLINT
using fedloom::testing::quadratic_world;
using fedloom::testing::QuadraticModel;
using fedloom::testing::Script;

constexpr std::size_t kParameters = 3;
constexpr std::array kStrategies = {"fedavg", "scaffold", "ewc",        "fedcurv",
                                    "flwf",   "gpm",      "local_only", "fedprox"};
constexpr std::array kNames = {"model",           "control",   "curvature",      "curvature_mean",
                               "curvature_round", "precision", "precision_mean", "teacher",
                               "basis.y",         "initial"};
constexpr std::array kSlots = {"delta", "control_delta", "curvature", "fisher"};
constexpr std::array kKinds = {"train", "fisher", "sketch", "another"};

void expect(bool what, int line = __builtin_LINE()) {
  if (what) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

// The server's end of it: takes what it is sent, or says that it has no room.
class Ear final : public Channel {
 public:
  explicit Ear(Executor& executor) : executor_(executor) {}

  void set_handlers(ChannelHandlers handlers) override { handlers_ = std::move(handlers); }
  void send(PeerId /*peer*/, Message message) override {
    if (deaf) return executor_.post([this] { handlers_.on_refused(kServerPeer, Reason::limit, "no room"); });
    ++stats_.sent.messages;
    heard.push_back(std::move(message));
  }
  void disconnect(PeerId /*peer*/, Reason /*reason*/) override {}
  void close() override {}
  void keep(const Blob& /*blob*/) override {}
  ChannelStats stats() const override { return stats_; }
  std::vector<PeerId> peers() const override {
    return there ? std::vector<PeerId>{kServerPeer} : std::vector<PeerId>{};
  }
  std::string key_of(PeerId /*peer*/) const override { return {}; }
  std::string endpoint() const override { return "fuzz"; }

  void say(Message message) { handlers_.on_message(kServerPeer, std::move(message)); }
  void come(bool yes) {
    if (std::exchange(there, yes) != yes)
      handlers_.on_peer(kServerPeer, yes ? PeerChange::joined : PeerChange::left, Reason::disconnected);
  }

  bool there = false;
  bool deaf = false;
  std::vector<Message> heard;

 private:
  Executor& executor_;
  ChannelHandlers handlers_;
  ChannelStats stats_;
};

template <class T, std::size_t N>
T one_of_them(const std::array<T, N>& all, Script& input) {
  return all[input.number<std::uint8_t>() % N];
}

class Peer {
 public:
  explicit Peer(Script& input) {
    const std::string strategy = one_of_them(kStrategies, input);
    local_ = quadratic_world(strategy, "{}", kParameters, {5, 1, 0, 12});
    local_->make_variant = [](const ModelVariant& variant) -> std::shared_ptr<const Model> {
      if (variant.rank > 0) throw user_error("a rank of {}", variant.rank);
      return std::make_shared<QuadraticModel>(kParameters, variant.frozen.size() % 3);
    };
    if (input.number<std::uint8_t>() % 4 == 0) local_->promised = PrivacyUnit::example;
    Hello hello;
    if (input.number<std::uint8_t>() % 2 == 0) hello.client = 3;
    host_ = std::make_unique<ClientHost>(
        ear_, executor_, hello,
        [this](const std::string& experiment, std::span<const float> initial) {
          return world(experiment, initial);
        },
        [](const std::string&, bool) {}, [](const std::string&) {});
    ear_.come(true);
  }

  void act(Script& input) {
    const std::uint8_t what = input.number<std::uint8_t>();
    switch (what % 16) {
      case 0: ear_.say(encode(welcome(input))); break;
      case 1:
      case 2: ear_.say(encode(shared(input))); break;
      case 3:
      case 4:
      case 5: ear_.say(encode(task(input))); break;
      case 6:
      case 7: ear_.say(encode(fold(input))); break;
      case 8: ear_.say(encode(verdicts(input))); break;
      case 9: ear_.say(encode(Collect{ids(input)})); break;
      case 10: ear_.say(encode(EvaluateClients{version(input), ids(input)})); break;
      case 11: ear_.say(encode(Patch{version(input), payloads(input)})); break;
      case 12: ear_.come(!ear_.there); break;
      case 13: ear_.deaf = !ear_.deaf; break;
      case 14: host_->take_tasks(what < 128); break;
      default: as_it_is(input); break;
    }
    if (what >= 64) settle();
    if (ear_.heard.size() > 1000) ear_.heard.clear();
  }

  // A new run: a task is done, held and summed.
  void end() {
    settle();
    ear_.deaf = false;
    ear_.come(false);
    ear_.come(true);
    host_->take_tasks(true);
    local_->promised.reset();
    ear_.say(encode(Welcome{"the honest run", "good", local_->model->layout()->fingerprint()}));
    const std::size_t size = local_->strategy->exchanged(*local_->model->layout()).size();
    for (const char* name : {"model", "control"})
      ear_.say(encode(Shared{0, 0, Payload::from(name, Tensor::vector(FloatBuffer(size, 0.5F)))}));
    ear_.heard.clear();
    Task task;
    task.id = {3, 1000};
    task.shared = {"model", "control"};
    task.hold = true;
    task.recipe = {.epochs = 1, .batch_size = 4, .learning_rate = 0.1};
    ear_.say(encode(task));
    settle();
    expect(ear_.heard.size() == 1);
    const auto update = decode<Update>(ear_.heard.front());
    expect(update && update->reason == Reason::none);
    Fold fold;
    fold.terms = {{task.id, 12}};
    for (const SlotReport& report : update->reports)
      fold.slots.push_back(
          {report.name, report.size, Weighting::contribution, choose_scale(1024, 100, 1000)});
    ear_.say(encode(fold));
    expect(ear_.heard.size() == 2);
    const auto sum = decode<PartialSum>(ear_.heard.back());
    expect(sum && sum->terms == 1 && sum->units.size() == fold.slots.size());
  }

 private:
  std::shared_ptr<const LocalWorld> world(const std::string& experiment, std::span<const float> initial) {
    if (experiment != "good") throw user_error("no such experiment");
    auto made = std::make_shared<LocalWorld>(*local_);
    made->store = std::make_shared<MemoryClientStore>();
    if (!initial.empty() && initial.size() != kParameters) throw user_error("another model");
    if (!initial.empty()) made->initial.assign(initial.begin(), initial.end());
    return made;
  }
  void settle() {
    // A hang is for the fuzzer's own clock to find.
    expect(executor_.run_until([this] { return !host_->busy(); }, 3600 * kSecond));
  }

  // Numbers are small mostly, so that messages meet; a few may be anything.
  static std::uint64_t number(Script& input) {
    const std::uint8_t small = input.number<std::uint8_t>();
    return small < 240 ? small % 5 : input.number<std::uint64_t>();
  }
  static Version version(Script& input) { return number(input); }
  static TaskId id(Script& input) { return {number(input), static_cast<std::uint32_t>(number(input))}; }
  static std::vector<TaskId> ids(Script& input) {
    std::vector<TaskId> ids(input.number<std::uint8_t>() % 6);
    for (TaskId& each : ids) each = id(input);
    return ids;
  }
  static double real(Script& input) {
    constexpr std::array kReals = {0.0, 0.1, 1.0, 4.0, -1.0};
    const std::uint8_t which = input.number<std::uint8_t>();
    return which < 240 ? kReals[which % kReals.size()] : input.number<double>();
  }
  static Payload payload(Script& input) {
    const std::uint8_t size = input.number<std::uint8_t>();
    FloatBuffer values(size < 192 ? kParameters : size % 8);
    for (float& value : values) value = size % 2 == 0 ? 0.5F : input.number<float>();
    return Payload::from(one_of_them(kNames, input), Tensor::vector(std::move(values)));
  }
  static std::vector<Payload> payloads(Script& input) {
    std::vector<Payload> all;
    for (int count = input.number<std::uint8_t>() % 4; count > 0; --count) all.push_back(payload(input));
    return all;
  }

  Welcome welcome(Script& input) const {
    const std::uint8_t what = input.number<std::uint8_t>();
    Welcome welcome;
    welcome.run = std::string("run ") + static_cast<char>('a' + what % 3);
    welcome.experiment = what < 240 ? "good" : "bad";
    welcome.layout = local_->model->layout()->fingerprint() + (what % 16 == 15 ? 1 : 0);
    if (what % 8 == 7) welcome.initial = what % 16 == 7 ? initial_ : input.number<std::uint64_t>();
    return welcome;
  }
  Shared shared(Script& input) {
    Shared shared;
    shared.version = version(input);
    shared.oldest_live = version(input);
    shared.payload = payload(input);
    if (shared.payload.name == "initial") initial_ = hash64(shared.payload.data.bytes());
    return shared;
  }
  static Recipe recipe(Script& input) {
    Recipe recipe;
    recipe.epochs = input.number<std::uint8_t>() % 4;
    recipe.batch_size = static_cast<std::int64_t>(number(input));
    recipe.learning_rate = real(input);
    const std::uint8_t more = input.number<std::uint8_t>();
    if (more < 128) return recipe;
    recipe.steps = input.number<std::int8_t>();
    recipe.schedule = {static_cast<ScheduleShape>(more % 3), static_cast<std::int64_t>(number(input)),
                       static_cast<std::int64_t>(number(input)), real(input), real(input)};
    recipe.clip_norm = real(input);
    recipe.micro_batch = static_cast<std::int64_t>(number(input));
    recipe.rank = more % 8 == 0 ? static_cast<std::int64_t>(number(input)) : 0;
    recipe.alpha = real(input);
    recipe.frozen.assign(more % 4 == 3 ? input.number<std::uint8_t>() % 3 : 0, "y");
    if (more % 2 == 0) recipe.privacy = {real(input), real(input), real(input), real(input), more % 4 == 0};
    recipe.stage = more % 16 == 15 ? number(input) : 0;
    return recipe;
  }
  static Task task(Script& input) {
    Task task;
    task.id = id(input);
    task.window = number(input);
    const std::uint8_t what = input.number<std::uint8_t>();
    task.kind = what < 160 ? "train" : one_of_them(kKinds, input);
    task.version = version(input);
    task.shared = {"model"};
    for (int count = what % 4; count > 0; --count) task.shared.emplace_back(one_of_them(kNames, input));
    task.recipe = recipe(input);
    task.kept_version = static_cast<std::uint32_t>(number(input));
    task.hold = what % 8 < 4;
    if (what % 16 == 15) task.extras = payloads(input);
    return task;
  }
  static Fold fold(Script& input) {
    Fold fold;
    fold.number = number(input);
    for (const TaskId& each : ids(input)) fold.terms.push_back({each, number(input)});
    for (int count = input.number<std::uint8_t>() % 4; count > 0; --count) {
      Fold::Slot slot;
      slot.name = one_of_them(kSlots, input);
      const std::uint8_t what = input.number<std::uint8_t>();
      slot.size = what < 192 ? kParameters : number(input);
      slot.weighting = static_cast<Weighting>(what % 2);
      slot.scale = choose_scale(1024, 100, 1000);
      if (what % 4 == 3) slot.scale = {input.number<std::int32_t>(), real(input)};
      fold.slots.push_back(std::move(slot));
    }
    fold.answer = input.number<std::uint8_t>() % 2 == 0;
    return fold;
  }
  static Verdicts verdicts(Script& input) {
    Verdicts verdicts;
    for (const TaskId& each : ids(input))
      verdicts.entries.push_back(
          {each, static_cast<Verdict>(input.number<std::uint8_t>() % 3), Reason::none});
    verdicts.forget = ids(input);
    for (int count = input.number<std::uint8_t>() % 4; count > 0; --count)
      verdicts.retired.push_back(version(input));
    return verdicts;
  }
  void as_it_is(Script& input) {
    Message message;
    message.type = input.number<std::uint8_t>() % 16;
    const auto blob = input.run(input.number<std::uint8_t>() % 32);
    if (!blob.empty()) message.blobs.push_back(Blob::copy_of(blob));
    const auto head = input.run(input.number<std::uint8_t>());
    message.head.assign(reinterpret_cast<const char*>(head.data()), head.size());
    if (auto task = decode<Task>(message)) {
      task->recipe.epochs = std::min<std::int64_t>(task->recipe.epochs, 4);
      task->recipe.steps = std::min<std::int64_t>(task->recipe.steps, 100);
      message = encode(*task);
    }
    ear_.say(std::move(message));
  }

  AsioExecutor executor_;
  Ear ear_{executor_};
  std::shared_ptr<LocalWorld> local_;
  std::uint64_t initial_ = 0;  // hash of the last initial model that was sent
  std::unique_ptr<ClientHost> host_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script input(std::as_bytes(std::span(data, size)));
  Peer peer(input);
  for (int acts = 0; acts < 200 && !input.ended(); ++acts) peer.act(input);
  peer.end();
  return 0;
}
