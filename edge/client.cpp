// A deployed client, from its options to the end of the run.
#include "edge/client.hpp"

#include <memory>
#include <new>
#include <optional>
#include <utility>

#include <fmt/ranges.h>
#include <unistd.h>

#include "client/host.hpp"
#include "core/version.hpp"
#include "edge/client_console.hpp"
#include "edge/kept_state.hpp"
#include "edge/key_files.hpp"
#include "edge/status_file.hpp"
#include "edge/stop_signal.hpp"
#include "transport/asio_executor.hpp"
#include "wiring/core_shares.hpp"
#include "wiring/local_parts.hpp"
#include "wiring/secret.hpp"

namespace fedloom {

namespace {

// Whoever starts a client with an experiment that promises privacy is not to be talked out of it.
void expect_same_privacy(const ExperimentConfig& own, const ExperimentConfig& servers) {
  PrivacyConfig mine = own.privacy;
  PrivacyConfig theirs = servers.privacy;
  if (mine.unit == "none" || write_config(mine) == write_config(theirs)) return;
  throw user_error(
      "this client's experiment says privacy: {}, epsilon {}, noise_multiplier {}, clip_norm {}; the "
      "server's says {}, "
      "{}, {}, {}, or differs elsewhere. Use the server's file if you agree with it",
      mine.unit, mine.epsilon, mine.noise_multiplier, mine.clip_norm, theirs.unit, theirs.epsilon,
      theirs.noise_multiplier, theirs.clip_norm);
}

// What runs on this machine is its owner's to say, not the server's.
void expect_own_plugins(const ExperimentConfig& own, const ExperimentConfig& servers) {
  if (servers.plugins.empty() || !own.plugins.empty()) return;
  throw user_error(
      "the server's experiment uses plug-ins ({}); use `fedloom client` with an experiment file that names "
      "them",
      fmt::join(servers.plugins, ", "));
}

// As the shell expects of a program stopped by Ctrl-C.
constexpr int kInterruptedCode = 130;
// The system's load is a mean over a minute, which dies away over another.
constexpr Tick kOwnLoad = 120 * kSecond;
// A slow link carries one in time for the server not to lose patience.
constexpr std::uint32_t kSlowChunkBytes = 256U << 10U;

// Comes and goes as the device's rules say, until the run is over for it.
class DeployedClient {
 public:
  explicit DeployedClient(const ClientOptions& options)
      : options_(options),
        rules_(options.when, options.system),
        uplink_(bytes_per_second(options.limits.uplink, "limits.uplink")),
        downlink_(bytes_per_second(options.limits.downlink, "limits.downlink")),
        status_(options.status_file, options.connect) {
    const DeployConfig& deploy = options.experiment.deploy;
    security_ = client_security(deploy.server_key, options.connect, options.key, options.insecure);
    load_own_data();
    if (!options.quiet)
      console_.emplace(executor_, options.connect, print_line,
                       [check = ReachabilityCheck(options.connect)]() mutable { return check.latest(); });
  }

  int run() {
    const auto signals =
        executor_.watch(listen_by_descriptor(), [this] { end("stopped by a signal", kInterruptedCode); });
    while (!code_) {
      if (const auto why = rules_.why_not(own_load()))
        rest(*why);
      else
        take_part();
    }
    status_.ended(ending_);
    if (console_ && *code_ != 1) console_->ended(ending_);
    // Training at hand may take hours and nobody waits for it; kept state is on disk whole or not at all.
    if (host_) _exit(*code_);
    return *code_;
  }

 private:
  void load_own_data();
  std::shared_ptr<const FederatedData> load_partition(bool with_test) const {
    return load_data(options_.experiment, options_.data_dir, DataHolder::client(options_.client, with_test));
  }
  std::shared_ptr<const LocalWorld> make(const std::string& text, std::span<const float> initial);

  // Until a rule changes its mind, or a signal.
  void rest(const std::string& why) {
    if (console_) console_->resting(why);
    status_.resting(why);
    do {
      executor_.after(options_.look_every, [this] { executor_.stop(); });
      executor_.run();
    } while (!code_ && rules_.why_not(own_load()));
  }

  // One connection's life, with all its reconnects.
  void take_part();
  ClientHost::Hooks hooks();
  // A task at work is ended and its update sent before the client goes; none is begun any more.
  void look() {
    if (rules_.why_not(own_load())) {
      host_->take_tasks(false);
      going_ = true;
    }
    if (going_ && !host_->busy()) return pause();
    next_look_ = executor_.after(options_.look_every, [this] { look(); });
  }
  bool own_load() const { return trained_at_ && executor_.now() - *trained_at_ < kOwnLoad; }
  void pause() {
    host_->leave("resting");
    executor_.stop();
  }
  void end(const std::string& why, int code) {
    if (code_) return;
    if (host_) host_->leave(why);
    ending_ = why;
    code_ = code;
    executor_.stop();
  }
  void warn(const char* level, const std::string& text) const {
    print_line(fmt::format("{}: {}: {}", level, hello_.name, text));
  }

  const ClientOptions& options_;
  GuestRules rules_;
  std::uint64_t uplink_;
  std::uint64_t downlink_;
  StatusFile status_;
  AsioExecutor executor_;
  std::shared_ptr<const FederatedData> data_;
  Hello hello_;
  std::optional<ClientConsole> console_;
  std::optional<int> code_;
  std::string ending_;
  TimerId next_look_ = 0;
  bool going_ = false;
  std::optional<Tick> trained_at_;
  std::shared_ptr<const Security> security_;
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<ClientHost> host_;  // after the channel that it speaks through
};

void DeployedClient::load_own_data() {
  const ExperimentConfig& own = options_.experiment;
  if (!options_.own_data.empty() && own.continual)
    throw user_error(
        "a folder of one's own (folder, --data) comes all at once, and the experiment has stages "
        "(continual)");
  // The examples are ours to choose; whether clients are evaluated is the server's.
  data_ = options_.own_data.empty() ? load_partition(own.evaluate.clients > 0)
                                    : load_local_data(own.data, options_.own_data, options_.client);
  if (options_.own_data.empty() && options_.client >= data_->clients())
    throw user_error("client {}: the partition has clients 0 … {}", options_.client, data_->clients() - 1);
  hello_.name = options_.name.empty() ? fmt::format("client {}", options_.client) : options_.name;
  hello_.build = kVersion;
  hello_.cpu = cpu_name();
  hello_.capacity = 1;
  hello_.process = getpid();
  hello_.client = options_.client;
  hello_.examples = data_->example_count(options_.client);
}

std::shared_ptr<const LocalWorld> DeployedClient::make(const std::string& text,
                                                       std::span<const float> initial) {
  const ExperimentConfig& own = options_.experiment;
  const ExperimentConfig config = parse_experiment(text, "the server's experiment").config;
  expect_own_plugins(own, config);
  expect_same_privacy(own, config);
  if (options_.own_data.empty() && config.evaluate.clients > 0 && own.evaluate.clients == 0)
    data_ = load_partition(true);
  auto world = make_world(
      config, local_parts(config, data_),
      std::make_shared<KeptState>(
          options_.state_dir, options_.forget_state ? KeptState::Lost::begin_anew : KeptState::Lost::refuse,
          [this](const std::string& lost) { warn("warning", lost); }),
      usable_cores().size(), initial);
  if (config.privacy.unit != "none") world->secret = kept_secret(options_.state_dir + "/secret");
  return world;
}

ClientHost::Hooks DeployedClient::hooks() {
  ClientHost::Hooks hooks;
  hooks.joined = [this] {
    if (console_) console_->joined(options_.client, hello_.examples);
    status_.joined();
  };
  hooks.lost = [this] {
    if (console_) console_->connecting();
    status_.connecting();
  };
  hooks.begun = [this](const Task& task) {
    if (options_.once) host_->take_tasks(false);
    status_.training(task.window);
  };
  hooks.trained = [this](const Task& task, const Update& update, Tick took) {
    trained_at_ = executor_.now();
    status_.trained(update.reason == Reason::none);
    if (console_ && update.reason == Reason::none) console_->trained(task, update, took);
  };
  hooks.judged = [this](const Verdicts::Entry& entry) {
    status_.judged(entry.verdict);
    const bool judged = entry.verdict != Verdict::lost && entry.verdict != Verdict::cancelled;
    if (!options_.once) return;
    if (judged) return end("took part once", 0);
    host_->take_tasks(true);
  };
  return hooks;
}

void DeployedClient::take_part() {
  const DeployConfig& deploy = options_.experiment.deploy;
  ChannelOptions channel_options;
  channel_options.security = security_;
  channel_options.send_rate = uplink_;
  channel_options.receive_rate = downlink_;
  if (uplink_ != 0) channel_options.chunk_bytes = kSlowChunkBytes;
  channel_options.heartbeat_interval = deploy.heartbeat.nanoseconds;
  channel_options.heartbeat_timeout = deploy.heartbeat_timeout.nanoseconds;
  channel_ = make_client_channel(options_.connect, executor_, channel_options);
  host_ = std::make_unique<ClientHost>(
      *channel_, executor_, hello_,
      [this](const std::string& text, std::span<const float> initial) { return make(text, initial); },
      [this](const std::string& reason, bool failed) {
        if (failed) warn("error", reason);
        ending_ = reason;
        code_ = failed ? 1 : 0;
        executor_.stop();
      },
      [this](const std::string& text) { warn("warning", text); });
  host_->set_hooks(hooks());
  if (console_) console_->connecting();
  status_.connecting();
  going_ = false;
  if (rules_.any()) look();
  try {
    executor_.run();
  } catch (const std::bad_alloc& error) {
    host_->give_up(error.what());
  }
  executor_.cancel(std::exchange(next_look_, 0));
  channel_->close();
  if (code_ && host_->training()) return;  // it is left as it is
  host_.reset();
  channel_.reset();
}

}  // namespace

int run_client(const ClientOptions& options) {
  apply_share(options.limits, options.client);
  return DeployedClient(options).run();
}

}  // namespace fedloom
