// Defaults of the machine side of a run.
#include "experiments/run_plan.hpp"

#include <algorithm>
#include <filesystem>

#include <unistd.h>

#include "core/hash.hpp"
#include "experiments/experiment_file.hpp"
#include "wiring/core_shares.hpp"

namespace fedloom {

Workers worker_plan(const ExperimentConfig& config) {
  const RuntimeConfig& runtime = config.runtime;
  const std::size_t cores = usable_cores().size();
  const std::size_t pieces = std::clamp<std::size_t>(config.train.parallel, 1, cores);
  Workers plan;
  plan.processes = runtime.workers > 0 ? runtime.workers : cores / pieces;
  const std::size_t threads =
      runtime.threads > 0 ? runtime.threads : std::max<std::size_t>(1, cores / plan.processes);
  plan.crew = std::clamp<std::size_t>(config.train.parallel, 1, threads);
  plan.tasks = threads / plan.crew;
  return plan;
}

std::string experiment_for_peers(const ExperimentConfig& config, bool deployed) {
  if (!deployed) return resolved_yaml(config);  // workers open the same files
  ExperimentConfig c = config;
  const auto forget_folder = [](std::string& file) {
    file = std::filesystem::path(file).filename().string();
  };
  c.deploy.key.clear();
  c.deploy.clients.clear();
  c.deploy.listen = DeployConfig{}.listen;
  c.runtime.status.clear();
  if (c.init) forget_folder(c.init->file);
  if (c.devices) {
    forget_folder(c.devices->trace);
    forget_folder(c.devices->availability_trace);
  }
  for (std::string& plugin : c.plugins) forget_folder(plugin);
  return resolved_yaml(c);
}

std::string endpoint_for(const ExperimentConfig& config, bool deployed, const std::string& folder) {
  if (deployed) return config.deploy.listen;
  if (config.runtime.transport == "tcp") return "tcp://127.0.0.1:0";
  if (config.runtime.transport == "inproc") return "inproc://" + config.name;
  // A socket's path has a small limit, so it does not live in the run folder, which may be deep.
  return fmt::format("ipc://{}/fedloom-{}-{:08x}.sock", std::filesystem::temp_directory_path().string(),
                     getpid(), static_cast<std::uint32_t>(hash64(folder)));
}

bool has_nothing_left(const ExperimentConfig& config, const RunSummary& summary,
                      std::optional<WindowId> saved) {
  const EvaluateConfig& evaluate = config.evaluate;
  const bool at_target = saved && summary.reason == "target" && evaluate.stop_at_target &&
                         summary.target_accuracy == std::optional(evaluate.target_accuracy);
  const bool at_rounds = saved && config.rounds > 0 && *saved >= config.rounds;
  const bool at_time = summary.reason == "duration" && config.duration.nanoseconds > 0 &&
                       summary.simulated_seconds.value_or(0.0) >= config.duration.seconds();
  return at_rounds || at_target || at_time;
}

bool checkpoint_is_due(const ExperimentConfig& config, bool deployed, WindowId windows, bool reached_target) {
  const std::uint64_t every = deployed && config.privacy.unit != "none" ? 1 : config.checkpoint.every;
  const EvaluateConfig& evaluate = config.evaluate;
  const bool at_target = evaluate.target_accuracy > 0 && evaluate.stop_at_target && reached_target;
  const bool last = (config.rounds > 0 && windows >= config.rounds) || at_target;
  return last || (every > 0 && windows % every == 0);
}

ProgressOptions progress_options(const ExperimentConfig& config, bool deployed) {
  ProgressOptions progress = terminal_options(2);
  progress.rounds = config.rounds;
  progress.duration = config.duration.seconds();
  progress.simulated = !deployed && config.clock == "virtual";
  if (config.evaluate.target_accuracy > 0) progress.target_accuracy = config.evaluate.target_accuracy;
  progress.epsilon = config.privacy.epsilon;
  return progress;
}

}  // namespace fedloom
