// The client side of a run: worker processes and deployed clients. Both are a ClientHost on a channel; they
// differ in whose data they hold and where kept state lives.
#include <csignal>
#include <memory>
#include <optional>

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "client/host.hpp"
#include "core/version.hpp"
#include "experiments/client_console.hpp"
#include "experiments/core_shares.hpp"
#include "experiments/deploy_keys.hpp"
#include "experiments/run.hpp"
#include "experiments/secret.hpp"
#include "experiments/signals.hpp"
#include "experiments/wiring.hpp"
#include "transport/asio_executor.hpp"

namespace fedloom {

namespace {

// As the shell expects of a program stopped by Ctrl-C.
constexpr int kInterruptedCode = 130;

// Serves until goodbye; 0 when the run ended well, 1 when the server reported a failure. A deployed client
// (with or without a console) says goodbye when a signal asks it to.
int serve(Channel& channel, AsioExecutor& executor, const Hello& hello, ClientHost::WorldFactory make_world,
          ClientConsole* console = nullptr) {
  int code = 0;
  ClientHost host(
      channel, executor, hello, std::move(make_world),
      [&](const std::string& reason, bool failed) {
        if (failed) spdlog::error("{}: {}", hello.name, reason);
        if (!failed && console != nullptr) console->ended(reason);
        code = failed ? 1 : 0;
        executor.stop();
      },
      [&](const std::string& text) { spdlog::warn("{}: {}", hello.name, text); });
  std::unique_ptr<AsioExecutor::Watch> signals;
  if (hello.client)
    signals = executor.watch(listen_by_descriptor(), [&] {
      host.leave("stopped by a signal");
      if (console != nullptr) console->ended("stopped by a signal");
      code = kInterruptedCode;
      executor.stop();
    });
  if (console != nullptr) {
    ClientHost::Hooks hooks;
    hooks.joined = [&] { console->joined(*hello.client, hello.examples); };
    hooks.lost = [&] { console->connecting(); };
    hooks.trained = [&](const Task& task, const Update& update, Tick took) {
      console->trained(task, update, took);
    };
    host.set_hooks(std::move(hooks));
    console->connecting();
  }
  executor.run();
  channel.close();
  // Training at hand may take hours and nobody waits for it; kept state is on disk whole or not at all.
  if (code == kInterruptedCode) _exit(code);
  return code;
}

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

void print_line(std::string_view line) {
  const std::string text = fmt::format("{}\n", line);
  (void)!::write(2, text.data(), text.size());
}

}  // namespace

int run_worker(const std::string& endpoint, const std::string& name, const std::string& data_dir,
               const std::string& store_dir, std::size_t tasks, std::size_t crew,
               std::uint64_t receive_budget) {
  std::signal(SIGINT, SIG_IGN);  // Ctrl-C reaches the whole group; the server decides what it means
  AsioExecutor executor;
  ChannelOptions options;
  options.receive_budget_bytes = receive_budget;
  options.heartbeat_timeout = 600 * kSecond;  // the kernel ends us with our parent; silence is only work
  const auto channel = make_client_channel(endpoint, executor, options);
  Hello hello;
  hello.name = name;
  hello.build = kVersion;
  hello.cpu = cpu_name();
  hello.capacity = static_cast<std::uint32_t>(tasks);
  hello.process = getpid();
  return serve(*channel, executor, hello, [&](const std::string& text, std::span<const float> initial) {
    const ExperimentConfig config = parse_experiment(text, "the server's experiment").config;
    return make_world(config, build_components(config, data_dir, 1.0, worker_holder(config)),
                      std::make_shared<DiskClientStore>(store_dir), crew, initial);
  });
}

int run_client(const ClientOptions& options) {
  const Experiment experiment = load_experiment(options.experiment, options.overrides);
  const DeployConfig& deploy = experiment.config.deploy;
  // The examples are ours to choose; whether clients are evaluated is the server's.
  const auto load_partition = [&](const ExperimentConfig& config) {
    return load_data(experiment.config, options.data_dir, client_holder(config, options.client));
  };
  std::shared_ptr<const FederatedData> data;
  if (!options.own_data.empty() && experiment.config.continual)
    throw user_error(
        "--own-data: files of one's own come all at once, and the experiment has stages (continual)");
  if (!options.own_data.empty())
    data = load_local_data(experiment.config.data, options.own_data, options.client);

  Hello hello;
  hello.name = options.name.empty() ? fmt::format("client {}", options.client) : options.name;
  hello.build = kVersion;
  hello.cpu = cpu_name();
  hello.capacity = 1;
  hello.process = getpid();
  hello.client = options.client;
  if (!data) {
    data = load_partition(experiment.config);
    if (options.client >= data->clients())
      throw user_error("--client {}: the partition has clients 0 … {}", options.client, data->clients() - 1);
  }
  hello.examples = data->example_count(options.client);

  AsioExecutor executor;
  ChannelOptions channel_options;
  channel_options.security = client_security(deploy, options.connect, options.key, options.insecure);
  channel_options.heartbeat_interval = deploy.heartbeat.nanoseconds;
  channel_options.heartbeat_timeout = deploy.heartbeat_timeout.nanoseconds;
  const auto channel = make_client_channel(options.connect, executor, channel_options);
  std::optional<ClientConsole> console;
  if (!options.quiet)
    console.emplace(executor, options.connect, print_line,
                    [&options] { return why_unreachable(options.connect); });
  const auto make = [&](const std::string& text, std::span<const float> initial) {
    ExperimentConfig config = parse_experiment(text, "the server's experiment").config;
    expect_same_privacy(experiment.config, config);
    if (options.own_data.empty() && config.evaluate.clients > 0 && experiment.config.evaluate.clients == 0)
      data = load_partition(config);
    const Components parts = build_components(config, data, 1e9);
    auto world = make_world(config, parts, std::make_shared<DiskClientStore>(options.state_dir),
                            usable_cores().size(), initial);
    if (to_privacy(config)) world->secret = kept_secret(options.state_dir + "/secret");
    return world;
  };
  return serve(*channel, executor, hello, make, console ? &*console : nullptr);
}

}  // namespace fedloom
