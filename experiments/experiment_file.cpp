// Reading whole experiment files, and writing them out with every default.
#include "experiments/experiment_file.hpp"

#include <algorithm>
#include <filesystem>

#include "algorithms/algorithm.hpp"
#include "algorithms/sampler.hpp"
#include "core/hash.hpp"
#include "experiments/make_devices.hpp"
#include "experiments/pacing_check.hpp"
#include "models/model.hpp"
#include "models/optimizer.hpp"
#include "server/pacer.hpp"

namespace fedloom {

namespace {

// `name: x` and below it all settings of the component, defaults included. An unknown name or setting is
// an error here, before anything starts.
template <class RegistryType>
std::string resolve(const ComponentSpec& spec, const std::string& kind) {
  const auto& entry = RegistryType::instance().find(spec.name, kind, spec.where);
  return fmt::format("name: {}\n{}", spec.name, entry.resolve(spec.settings));
}

// The weights' file stands where the model's own word for its start would.
std::string resolved_model(const ExperimentConfig& config) {
  std::string text = resolve<ModelRegistry>(config.model, "model");
  if (!config.init) return text;
  const std::size_t word = text.find("\ninit:");
  if (word != std::string::npos) text.erase(word + 1, text.find('\n', word + 1) - word);
  ConfigWriter init;
  init.block("init", write_config(*config.init));
  return text + init.text();
}

template <class Section>
void section(ConfigWriter& writer, const char* name, Section& value) {
  writer(name, value, "");
}

// A name is a folder below runs/, so it must not lead elsewhere.
bool may_be_in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

void check_name(const ConfigNode& node, const std::string& name) {
  if (!node.present() || name.empty()) return;
  if (name.starts_with('.') || !std::all_of(name.begin(), name.end(), may_be_in_name))
    node.fail(
        fmt::format("'{}' cannot be the name of a run folder; use letters, digits, '.', '_' and '-', and no "
                    "'.' in front",
                    name));
}

// What is left out is the file's name, whatever that is.
std::string name_of(const std::string& file) {
  std::string name = std::filesystem::path(file).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !may_be_in_name(c); }, '-');
  if (name.starts_with('.')) name.front() = '-';
  return name;
}

}  // namespace

Experiment load_experiment(const std::string& file, const std::vector<std::string>& overrides) {
  ConfigNode root = ConfigNode::from_file(file);
  if (!root.is_map())
    throw user_error("{}: holds no experiment; expected keys such as data, model, strategy", file);
  if (const ConfigNode base = root.child("experiment"); base.present())
    base.fail(
        fmt::format("makes this the file of a sweep, which is many runs; expected one experiment. Run it "
                    "with: fedloom sweep {} (--dry-run shows what that runs)",
                    file));
  for (const std::string& assignment : overrides) root = root.with_override(assignment);
  Experiment experiment = read_experiment(root);
  experiment.folder = std::filesystem::absolute(file).parent_path().string();
  check_name(root.child("name"), experiment.config.name);
  if (experiment.config.name.empty()) experiment.config.name = name_of(file);
  for (std::string& plugin : experiment.config.plugins)
    plugin = (std::filesystem::path(experiment.folder) / plugin).lexically_normal().string();
  load_plugins(experiment.config);
  for (std::string* keys : {&experiment.config.deploy.key, &experiment.config.deploy.clients})
    if (!keys->empty())
      *keys = (std::filesystem::path(experiment.folder) / *keys).lexically_normal().string();
  if (experiment.config.init) locate_init(*experiment.config.init, experiment.folder);
  if (experiment.config.devices) {
    locate_traces(*experiment.config.devices, experiment.folder);
    (void)make_devices(*experiment.config.devices, 1, 1, 1.0);
  }
  resolved_yaml(experiment.config);  // every component and setting is known, or this throws
  check_pacing(experiment.config);
  return experiment;
}

std::string resolved_yaml(const ExperimentConfig& config) {
  ExperimentConfig c = config;
  ConfigWriter writer;
  section(writer, "name", c.name);
  section(writer, "seed", c.seed);
  section(writer, "rounds", c.rounds);
  section(writer, "duration", c.duration);
  section(writer, "clock", c.clock);
  writer.block("data", resolved_yaml(c.data));
  if (c.continual) writer.block("continual", resolved_yaml(*c.continual));
  writer.block("model", resolved_model(c));
  section(writer, "adapter", c.adapter);
  writer.block("strategy", resolve<AlgorithmRegistry>(c.strategy, "strategy"));
  ConfigWriter train;
  c.train.visit(train);
  std::string train_text = train.text().substr(0, train.text().rfind("optimizer:"));
  ConfigWriter optimizer;
  optimizer.block("optimizer", resolve<OptimizerRegistry>(c.train.optimizer, "optimizer"));
  writer.block("train", train_text + optimizer.text());
  section(writer, "privacy", c.privacy);
  writer.block("pacer", resolve<PacerRegistry>(c.pacer, "pacer"));
  writer.block("sampler", resolve<SamplerRegistry>(c.sampler, "sampler"));
  section(writer, "stragglers", c.stragglers);
  if (c.devices) writer.block("devices", resolved_yaml(*c.devices));
  section(writer, "evaluate", c.evaluate);
  section(writer, "checkpoint", c.checkpoint);
  section(writer, "runtime", c.runtime);
  section(writer, "deploy", c.deploy);
  if (!c.plugins.empty()) section(writer, "plugins", c.plugins);
  return writer.text();
}

std::uint64_t experiment_fingerprint(const ExperimentConfig& config) {
  ExperimentConfig c = config;
  c.name.clear();
  if (!c.train.schedule.depends_on_rounds() && !c.privacy.depends_on_rounds()) c.rounds = 1;
  c.duration = {};
  c.evaluate.target_accuracy = 0.0;
  c.evaluate.stop_at_target = true;
  c.checkpoint = {};
  c.runtime = {};
  c.deploy = {};
  if (c.init && !c.init->sha256.empty()) c.init->file.clear();  // what is in it counts, not where it lies
  if (c.devices && !c.devices->trace_sha256.empty()) c.devices->trace.clear();
  if (c.devices && !c.devices->availability_sha256.empty()) c.devices->availability_trace.clear();
  return hash64(resolved_yaml(c));
}

}  // namespace fedloom
