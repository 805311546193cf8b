// Reading experiments: what follows from one key for another.
#include "wiring/experiment.hpp"

#include <numeric>

#include "wiring/plugin.hpp"

namespace fedloom {

namespace {

// One end is enough: who says how long a run is to last did not ask for ten rounds.
void settle_end(const ConfigNode& root, ExperimentConfig& config) {
  const auto said = [&](const char* key) { return root.child(key).present(); };
  if (config.duration.nanoseconds > 0 && !said("rounds") && !said("comm_round") && !said("num_rounds"))
    config.rounds = 0;
  const ConfigNode evaluate = root.child("evaluate");
  if (config.evaluate.interval.nanoseconds > 0 && !evaluate.child("every").present() &&
      !evaluate.child("eval_every").present())
    config.evaluate.every = 0;
  if (config.rounds == 0 && config.duration.nanoseconds == 0)
    throw user_error("{}: 0 rounds and no duration: the run would never end; give rounds or duration",
                     root.child("rounds").where());
  if (config.rounds == 0 && config.train.schedule.depends_on_rounds())
    throw user_error(
        "{}: a cosine over the rounds needs their number; give rounds beside duration, or use unit: step",
        root.child("train").child("schedule").where());
}

// A sequence is as long as its stages, and no longer; it may be broken off earlier.
void settle_stages(const ConfigNode& root, ExperimentConfig& config) {
  if (!config.continual) return;
  const std::vector<std::uint64_t> stages = rounds_of_stages(*config.continual);
  const std::uint64_t total = std::accumulate(stages.begin(), stages.end(), std::uint64_t{0});
  const auto said = [&](const char* key) { return root.child(key).present(); };
  if (!said("rounds") && !said("comm_round") && !said("num_rounds")) config.rounds = total;
  if (config.rounds == 0 || config.rounds > total)
    throw user_error(
        "{}: {} rounds, and the stages of `continual` have {} together; leave rounds out, or give fewer",
        root.child("rounds").where(), config.rounds, total);
}

}  // namespace

Experiment read_experiment(const ConfigNode& root) {
  Experiment experiment;
  ConfigNotes notes;
  // Plug-ins first: they may bring the strategy that the rest of the file names.
  experiment.config = read_config<ExperimentConfig>(root, &notes);
  experiment.notes = notes.lines;
  experiment.config.init = take_init(experiment.config.model);
  settle_end(root, experiment.config);
  experiment.config.data.tuning = experiment.config.evaluate.on == "validation";
  settle_stages(root, experiment.config);
  return experiment;
}

Experiment parse_experiment(const std::string& text, const std::string& source,
                            const std::vector<std::string>& overrides) {
  ConfigNode root = ConfigNode::from_text(text, source);
  for (const std::string& assignment : overrides) root = root.with_override(assignment);
  return read_experiment(root);
}

void load_plugins(const ExperimentConfig& config) {
  for (const std::string& plugin : config.plugins) load_plugin(plugin);
}

}  // namespace fedloom
