// The server side of a run.
#include "experiments/run.hpp"

#include <filesystem>

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "client/host.hpp"
#include "core/file.hpp"
#include "core/hash.hpp"
#include "core/open_files.hpp"
#include "core/version.hpp"
#include "datasets/partition_summary.hpp"
#include "experiments/components.hpp"
#include "experiments/deploy_keys.hpp"
#include "experiments/evaluator.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/inproc_workers.hpp"
#include "experiments/launcher.hpp"
#include "experiments/make_devices.hpp"
#include "experiments/partition_json.hpp"
#include "experiments/process_memory.hpp"
#include "experiments/report/report.hpp"
#include "experiments/run_folder.hpp"
#include "experiments/run_plan.hpp"
#include "experiments/signals.hpp"
#include "experiments/sinks/progress.hpp"
#include "experiments/sinks/run_folder_sink.hpp"
#include "experiments/spent_log.hpp"
#include "experiments/status/status_service.hpp"
#include "models/safetensors.hpp"
#include "server/driver.hpp"
#include "wiring/core_shares.hpp"
#include "wiring/initial_model.hpp"
#include "wiring/secret.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

// Workers are children: the launcher sees them die, so silence only means that someone computes for long.
constexpr Tick kWorkerSilence = 600 * kSecond;
constexpr std::uint64_t kSmallMessages = 16 << 20;
constexpr Tick kFarewell = 5 * kSecond;  // for peers to hear goodbye and leave

// One run from folder to summary. Members are in the order in which things come to life.
class Session {
 public:
  Session(const Experiment& experiment, const RunOptions& options)
      : config_(experiment.config), options_(options), folder_(choose_folder()), run_folder_(folder_) {}

  RunResult run();

 private:
  // Real time is counted in nanoseconds; a tick of virtual time has no unit.
  double ticks_per_second() const { return fedloom::ticks_per_second(config_, options_.deployed); }
  std::string choose_folder() const { return options_.out.empty() ? "runs/" + config_.name : options_.out; }
  void load_checkpoint();
  std::optional<RunResult> finished_before();
  void make_sinks();
  void open_doors();
  void start_workers();
  DriverParts driver_parts();
  bool checkpoint(const FederationState& state);
  std::pair<std::uint64_t, std::uint64_t> memory();
  RunResult conclude(bool complete);

  ExperimentConfig config_;
  RunOptions options_;
  std::string folder_;
  RunFolder run_folder_;
  AsioExecutor executor_;
  Components parts_;
  FloatBuffer initial_;
  std::optional<CheckpointFolder> checkpoints_;
  std::optional<SpentLog> spent_;  // of a deployed private run
  std::optional<CheckpointFolder::Loaded> loaded_;
  std::unique_ptr<RunFolderSink> files_;
  std::unique_ptr<SummarySink> summary_;
  std::unique_ptr<ProgressSink> progress_;
  ServerKeys keys_;
  ChannelOptions channel_options_;
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<Evaluator> evaluator_;
  std::unique_ptr<WorkerLauncher> launcher_;
  std::unique_ptr<InprocWorkers> inproc_;
  std::unique_ptr<StatusService> status_;
  std::unique_ptr<Driver> driver_;
  WindowId last_checkpoint_ = 0;
  MachineTotals earlier_;  // of the processes before a resume
  RunMemory memory_;
};

void Session::load_checkpoint() {
  if (!options_.resume) return;
  const std::string checkpoints = folder_ + "/checkpoints";
  if (fs::exists(checkpoints))
    loaded_ = CheckpointFolder(checkpoints, config_.checkpoint.keep).newest(parts_.model->layout());
  // Without a checkpoint the run begins again, but not over the folder of another experiment.
  const std::string resolved = folder_ + "/resolved.yaml";
  std::optional<std::uint64_t> theirs;
  if (loaded_)
    theirs = loaded_->checkpoint.experiment;
  else if (fs::exists(resolved))
    theirs = experiment_fingerprint(parse_experiment(read_file(resolved), resolved).config);
  if (theirs && *theirs != experiment_fingerprint(config_))
    throw user_error(
        "{}: was written by an experiment with other settings (see {}){}; resume with those, or start anew "
        "with another --out",
        loaded_ ? loaded_->file : folder_, resolved,
        config_.init ? fmt::format(" or other weights than {} holds now", config_.init->file) : "");
  if (!loaded_) {
    if (!options_.quiet)
      fmt::print(stderr, "{}: no checkpoint to resume from; starting with round 1\n", folder_);
    return;
  }
  for (const std::string& skipped : loaded_->skipped) spdlog::warn("passed over: {}", skipped);
  last_checkpoint_ = loaded_->checkpoint.state.windows;
}

// A run that has nothing left to do is told so and left as it is.
std::optional<RunResult> Session::finished_before() {
  const std::string file = folder_ + "/summary.json";
  if (!options_.resume || !fs::exists(file)) return std::nullopt;
  const RunSummary summary = read_summary(file);
  std::optional<WindowId> saved;
  if (loaded_) saved = loaded_->checkpoint.state.windows;
  if (!has_nothing_left(config_, summary, saved)) return std::nullopt;
  if (!options_.quiet)
    fmt::print(stderr,
               "{}: this run is finished ({} rounds, stopped by {}); for more, --resume with a larger rounds "
               "or duration\n",
               folder_, summary.rounds, summary.reason);
  return RunResult{summary, folder_, true};
}

void Session::make_sinks() {
  RunClocks clocks;
  clocks.elapsed_seconds = [this] { return static_cast<double>(executor_.now()) * 1e-9; };
  clocks.unix_seconds = [] {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  };
  std::optional<double> target;
  if (config_.evaluate.target_accuracy > 0) target = config_.evaluate.target_accuracy;
  ProgressOptions progress = progress_options(config_, options_.deployed);
  progress.folder = folder_;
  progress.quiet = options_.quiet;
  progress_ = std::make_unique<ProgressSink>(
      progress, [](std::string_view text) { (void)!::write(2, text.data(), text.size()); },
      clocks.elapsed_seconds);
  if (!loaded_) {
    summary_ = std::make_unique<SummarySink>(target, config_.evaluate.on);
    files_ = std::make_unique<RunFolderSink>(folder_, clocks);
    return;
  }
  earlier_ = read_machine_totals(folder_ + "/run.jsonl");
  summary_ = std::make_unique<SummarySink>(target, config_.evaluate.on, earlier_);
  const ResumePoint from{loaded_->checkpoint.state.windows, loaded_->checkpoint.events_offset};
  files_ = std::make_unique<RunFolderSink>(folder_, clocks, from, [this](const FederationEvent& event) {
    summary_->on(event);
    progress_->restore(event);
    if (status_) status_->metrics().on(event);
  });
  const MachineEvent resumed = Resumed{from.window, loaded_->file};
  files_->on(resumed);
  progress_->on(resumed);
}

void Session::open_doors() {
  channel_options_.receive_budget_bytes = config_.runtime.receive_budget.bytes;
  channel_options_.heartbeat_timeout = kWorkerSilence;
  if (options_.deployed) {
    channel_options_.max_half_open = claim_open_files() / 4;  // the others are for peers
    // No message of a client is larger than a few models; what claims to be is refused before memory is
    // taken.
    channel_options_.max_message_bytes = kSmallMessages + 8 * sizeof(float) * parts_.model->layout()->size();
    keys_ = server_keys(config_.deploy, options_.insecure);
    channel_options_.security = keys_.security;
    channel_options_.heartbeat_interval = config_.deploy.heartbeat.nanoseconds;
    channel_options_.heartbeat_timeout = config_.deploy.heartbeat_timeout.nanoseconds;
  }
  if (!config_.runtime.status.empty())
    status_ = std::make_unique<StatusService>(config_.runtime.status, folder_);
  if (config_.runtime.transport == "inproc" && !options_.deployed) channel_options_.hub = make_inproc_hub();
  channel_ =
      make_server_channel(endpoint_for(config_, options_.deployed, folder_), executor_, channel_options_);
}

void Session::start_workers() {
  if (options_.deployed) return;
  const Workers plan = worker_plan(config_);
  if (config_.runtime.transport == "inproc") {
    std::shared_ptr<ClientStore> store = std::make_shared<DiskClientStore>(folder_ + "/clients");
    inproc_ = std::make_unique<InprocWorkers>(channel_->endpoint(), channel_options_, plan.processes,
                                              plan.tasks, make_world(config_, parts_, store, plan.crew));
    return;
  }
  launcher_ = std::make_unique<WorkerLauncher>(
      std::vector<std::string>{"worker", "--connect", channel_->endpoint(), "--data-dir", options_.data_dir,
                               "--store", folder_ + "/clients", "--tasks", std::to_string(plan.tasks),
                               "--crew", std::to_string(plan.crew), "--budget",
                               std::to_string(config_.runtime.receive_budget.bytes)},
      plan.processes);
}

std::pair<std::uint64_t, std::uint64_t> Session::memory() {
  return memory_.look(launcher_ ? launcher_->processes() : std::vector<pid_t>());
}

bool Session::checkpoint(const FederationState& state) {
  if (launcher_) launcher_->forgive();
  const bool due =
      checkpoint_is_due(config_, options_.deployed, state.windows, state.totals.windows_to_target >= 0);
  if (!due && interrupt_wish() == Interrupt::none) return false;
  files_->events().sync();
  Checkpoint checkpoint;
  checkpoint.state = state;
  checkpoint.experiment = experiment_fingerprint(config_);
  checkpoint.events_offset = files_->events().offset();
  checkpoint.wall_seconds = static_cast<double>(executor_.now()) * 1e-9;
  const Tick before = executor_.now();
  const CheckpointFolder::Written written = checkpoints_->write(checkpoint);
  last_checkpoint_ = state.windows;
  const MachineEvent event = CheckpointWritten{state.windows, written.file, written.bytes,
                                               static_cast<double>(executor_.now() - before) * 1e-9};
  files_->on(event);
  if (status_) status_->metrics().on(event);
  return true;
}

DriverParts Session::driver_parts() {
  DriverParts parts;
  const bool hold = config_.runtime.aggregate == "worker" && !options_.deployed;
  parts.config = coordinator_config(config_, parts_, hold, ticks_per_second());
  if (options_.deployed && parts.config.privacy && parts.config.privacy->central())
    parts.config.secret = kept_secret(folder_ + "/secret");
  if (options_.deployed && parts.config.privacy && !parts.config.privacy->central()) {
    spent_.emplace(folder_ + "/spent.log", options_.resume);
    parts.config.spent = spent_->before();
    parts.spend = [this](const SpentTask& task) { spent_->add(task); };
  }
  parts.strategy = parts_.strategy.get();
  parts.pacer = parts_.pacer.get();
  parts.sampler = parts_.sampler.get();
  parts.clients = parts_.data->clients();
  parts.examples = [data = parts_.data](ClientId client) {
    return std::uint64_t{data->example_count(client)};
  };
  const std::uint64_t wanted = config_.deploy.wait_for > 0 ? config_.deploy.wait_for : parts.clients;
  parts.peers_to_wait_for = options_.deployed ? std::min(wanted, parts.clients) : 1;
  parts.virtual_time = !options_.deployed && config_.clock == "virtual";
  // Of a deployed federation the devices are what they are.
  if (config_.devices && !options_.deployed)
    parts.devices = make_devices(*config_.devices, parts.clients, config_.seed, ticks_per_second());
  parts.channel = channel_.get();
  parts.executor = &executor_;
  parts.stage_examples = [data = parts_.data](ClientId client, std::uint64_t stage) {
    return std::uint64_t{data->stage(stage).example_count(client)};
  };
  parts.evaluate = [this](std::span<const float> model, const std::string& split, std::uint64_t stage) {
    const FederatedData& data = parts_.data->stage(stage);
    return evaluator_->evaluate(model, split == "validation" ? data.validation() : data.test());
  };
  parts.sinks = {files_.get(), summary_.get(), progress_.get()};
  if (status_) parts.sinks.push_back(&status_->metrics());
  parts.sinks.insert(parts.sinks.end(), options_.sinks.begin(), options_.sinks.end());
  parts.checkpoint = [this](const FederationState& state) { return checkpoint(state); };
  parts.checkpoints_kept = config_.checkpoint.keep;
  parts.interrupt = interrupt_wish;
  parts.watch = [this] {
    progress_->refresh();
    if (launcher_)
      launcher_->watch([this](std::int64_t process, const std::string& how) {
        files_->on(MachineEvent{Note{fmt::format("worker process {}: {}", process, how)}});
        driver_->peer_died(process);
      });
  };
  parts.memory = [this] { return memory(); };
  parts.fleet.welcome.experiment = experiment_for_peers(config_, options_.deployed);
  parts.fleet.welcome.layout = parts_.model->layout()->fingerprint();
  parts.fleet.welcome.run =
      fmt::format("{:016x}", hash64(fmt::format("{}{}{}", folder_, getpid(), executor_.now())));
  if (config_.init) {
    FloatBuffer initial = initial_model(config_, parts_.data->spec(), *parts_.model).values;
    parts.fleet.initial = Payload::from("initial", Tensor::vector(std::move(initial)));
    parts.fleet.welcome.initial = hash64(parts.fleet.initial->data.bytes());
  }
  parts.fleet.deployed = options_.deployed;
  if (keys_.security) parts.fleet.may_be = keys_.may_be;
  parts.fleet.lost_after = config_.deploy.lost_after.nanoseconds;
  parts.fleet.population = parts.clients;
  if (loaded_) {
    parts.state = std::move(loaded_->checkpoint.state);
    // The target may be another one than before.
    const std::optional<std::uint64_t> reached = summary_->summary().rounds_to_target;
    parts.state.totals.windows_to_target = reached ? static_cast<std::int64_t>(*reached) : -1;
  } else {
    parts.state.server.model = ParameterVector(parts_.model->layout());
    std::copy(initial_.begin(), initial_.end(), parts.state.server.model.values().begin());
  }
  return parts;
}

RunResult Session::run() {
  // Whatever may refuse the run comes first: until begin() the folder stays as it was.
  if (!options_.resume) run_folder_.expect_no_unfinished_run();
  parts_ = build_components(config_, options_.data_dir, ticks_per_second(),
                            server_holder(config_, options_.deployed));
  if (options_.deployed && parts_.strategy->traits().pools_data)
    throw user_error(
        "strategy {} holds all data in one place, so it has no clients to serve; use `fedloom run`",
        config_.strategy.name);
  InitialModel initial = initial_model(config_, parts_.data->spec(), *parts_.model);
  initial_ = std::move(initial.values);
  load_checkpoint();
  if (auto finished = finished_before()) return *std::move(finished);
  open_doors();
  run_folder_.begin(!options_.resume);
  checkpoints_.emplace(folder_ + "/checkpoints", config_.checkpoint.keep);
  make_sinks();
  fs::remove(folder_ + "/summary.json");  // of a shorter run; this one has none until it ends
  write_file_atomically(folder_ + "/resolved.yaml", resolved_yaml(config_), false);
  write_file_atomically(folder_ + "/partition.json", partition_json(summarize(*parts_.data, 200)), false);
  evaluator_ = std::make_unique<Evaluator>(parts_.model, usable_cores().size());
  start_workers();
  if (options_.deployed && !options_.quiet)
    progress_->print(fmt::format("listening on {}; waiting for clients", channel_->endpoint()));
  if (status_ && !options_.quiet) progress_->print(fmt::format("status page at {}", status_->address()));
  if (!options_.quiet)
    for (const std::string& note : initial.notes) progress_->print(note);
  driver_ = std::make_unique<Driver>(driver_parts());
  try {
    driver_->run();
  } catch (const Interrupted&) {
    driver_->interrupt("the server was stopped");
    files_->finish();
    progress_->finish();
    spdlog::warn("stopped at once; --resume goes on from round {}", last_checkpoint_);
    return {summary_->summary(), folder_, false};
  } catch (...) {
    driver_->dismiss("the server failed", true);
    channel_->close();
    files_->finish();
    progress_->finish();
    throw;
  }
  return conclude(driver_->state().ended);
}

RunResult Session::conclude(bool complete) {
  memory();
  if (launcher_) launcher_->expect_end();
  complete ? driver_->dismiss("the run is complete", false) : driver_->interrupt("the run was interrupted");
  const bool they_stay = options_.deployed && !complete;
  executor_.run_until([&] { return they_stay || channel_->peers().empty(); }, kFarewell);
  const ChannelStats stats = channel_->stats();
  channel_->close();
  inproc_.reset();
  ParameterVector model(parts_.model->layout());
  const auto values = driver_->state().server.model.values();
  std::copy(values.begin(), values.end(), model.values().begin());
  write_safetensors(folder_ + "/model.safetensors", model,
                    weights_metadata(config_, parts_.data->spec(), driver_->state().windows));
  files_->finish();

  RunResult result;
  result.folder = folder_;
  result.complete = complete;
  result.summary = summary_->summary();
  RunSummary& s = result.summary;
  s.events_hash = files_->events().hash();
  s.model_hash = sha256_hex(values);
  s.seed = config_.seed;
  s.rounds = driver_->state().windows;
  if (!complete) s.reason = "signal";
  s.socket_bytes_sent = earlier_.socket_bytes_sent + stats.sent.socket_bytes();
  s.socket_bytes_received = earlier_.socket_bytes_received + stats.received.socket_bytes();
  s.peak_rss_bytes = memory_.peaks();
  s.version = kVersion;
  s.cpu = cpu_name();
  if (complete) write_summary(folder_ + "/summary.json", s);
  if (options_.report && complete) {
    write_report({folder_}, folder_ + "/report.html");
    progress_->wrote_report(folder_ + "/report.html");
  }
  progress_->finish();
  return result;
}

}  // namespace

RunResult run_experiment(const Experiment& experiment, const RunOptions& options) {
  Session session(experiment, options);
  return session.run();
}

}  // namespace fedloom
