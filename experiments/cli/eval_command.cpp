// fedloom eval: how good the weights of a file are on a data set, without an experiment around them.
// Model and data are named as in an experiment file, or taken from one.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include <nlohmann/json.hpp>

#include "core/file.hpp"
#include "datasets/data_source.hpp"
#include "datasets/pooled.hpp"
#include "experiments/cli/commands.hpp"
#include "experiments/components.hpp"
#include "experiments/evaluator.hpp"
#include "experiments/experiment_file.hpp"
#include "models/load_weights.hpp"
#include "transport/asio_executor.hpp"
#include "wiring/core_shares.hpp"

namespace fedloom {

namespace {

struct Arguments {
  std::string weights, config, model, data, split = "test", data_dir, predictions;
  std::vector<std::string> overrides, rename;
  std::uint64_t limit = 0;
  bool json = false;
};

// `--data D` is a data set's name, a map of its settings with a name, or a whole `data:` section.
std::string data_section(const std::string& text) {
  const bool section = text.starts_with('{') && text.find("source:") != std::string::npos;
  return section ? text : "{source: " + text + "}";
}

Experiment experiment_of(const Arguments& a) {
  if (!a.config.empty()) {
    if (!a.model.empty() || !a.data.empty())
      throw user_error(
          "--config names model and data already; leave --model and --data out, or change keys "
          "with --set");
    return load_experiment(a.config, a.overrides);
  }
  const std::string beside = (std::filesystem::path(a.weights).parent_path() / "resolved.yaml").string();
  if (a.model.empty() && a.data.empty() && std::filesystem::exists(beside))
    return load_experiment(beside, a.overrides);
  if (a.model.empty() || a.data.empty())
    throw user_error(
        "which model, and which data? Give --model and --data, e.g. --model cnn --data mnist, or --config "
        "with an experiment file; weights in a run folder need neither");
  return parse_experiment(fmt::format("model: {}\ndata: {}\n", a.model, data_section(a.data)),
                          "the command line", a.overrides);
}

NameMap name_map(const std::vector<std::string>& rules) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& rule : rules) {
    const std::size_t sign = rule.find('=');
    if (sign == std::string::npos)
      throw user_error("--rename {}: expected FROM=TO, e.g. --rename module.=", rule);
    pairs.emplace_back(rule.substr(0, sign), rule.substr(sign + 1));
  }
  return NameMap(pairs);
}

// What all clients train on, in the order of the file where it comes from one.
ExampleView training_examples(std::shared_ptr<const FederatedData> data) {
  ExampleView view = pool_clients(std::move(data))->client(0);
  std::sort(view.indices.begin(), view.indices.end());
  return view;
}

ExampleView chosen(const Arguments& a, const std::shared_ptr<const FederatedData>& data) {
  ExampleView view = a.split == "test"         ? data->test()
                     : a.split == "validation" ? data->validation()
                                               : training_examples(data);
  if (view.size() == 0)
    throw user_error("there are no {} examples{}", a.split,
                     a.split == "validation" ? "; hold some back, e.g. --set data.validation=0.1" : "");
  if (a.limit > 0 && a.limit < view.size()) view.indices.resize(a.limit);
  return view;
}

void write_predictions(const std::string& file, std::span<const std::int32_t> predictions) {
  std::ofstream out(file);
  out << "example,predicted\n";
  for (std::size_t i = 0; i < predictions.size(); ++i) out << i << ',' << predictions[i] << '\n';
  if (!out.flush()) throw user_error("{}: cannot write the predictions there", file);
}

int evaluate(const Arguments& a) {
  const Experiment experiment = experiment_of(a);
  for (const std::string& note : experiment.notes) fmt::print(stderr, "{}\n", note);
  const ExperimentConfig& config = experiment.config;
  const std::string data_dir = a.data_dir.empty() ? default_data_dir() : a.data_dir;
  const auto data =
      load_data(config, data_dir, a.split == "train" ? DataHolder::everyone() : DataHolder::centre());
  const std::shared_ptr<const Model> model = make_model(config, data->spec());
  FloatBuffer parameters(model->layout()->size());
  LoadOptions options;
  options.names = name_map(a.rename);
  options.vocabulary = data->spec().vocabulary;
  options.vocabulary_id = data->spec().vocabulary_id;
  const LoadReport report =
      load_weights(SafetensorsFile::read(a.weights), *model->layout(), parameters, options);
  if (!report.unused.empty()) fmt::print(stderr, "not of this model: {}\n", fmt::join(report.unused, ", "));

  const ExampleView view = chosen(a, data);
  std::vector<std::int32_t> predictions(a.predictions.empty() ? 0 : view.size());
  Evaluator evaluator(model, usable_cores().size());
  const AsioExecutor clock;
  const Tick start = clock.now();
  const EvaluationResult result = *evaluator.evaluate(parameters, view, predictions);
  const double seconds = static_cast<double>(clock.now() - start) * 1e-9;
  if (!a.predictions.empty()) write_predictions(a.predictions, predictions);
  if (a.json) {
    const nlohmann::json line = {{"weights", a.weights},
                                 {"model", config.model.name},
                                 {"data", config.data.source.name},
                                 {"split", a.split},
                                 {"examples", result.examples},
                                 {"loss", result.loss},
                                 {"accuracy", result.accuracy},
                                 {"seconds", seconds}};
    fmt::print("{}\n", line.dump());
    return 0;
  }
  fmt::print("{} on {} ({}): {} examples in {:.1f} s\n  accuracy  {:.2f}%\n  loss      {:.4f}\n",
             config.model.name, config.data.source.name, a.split, result.examples, seconds,
             100.0 * result.accuracy, result.loss);
  return 0;
}

}  // namespace

void add_eval_command(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("eval", "evaluate a model's weights on a data set");
  command->add_option("weights", a->weights, "safetensors file")->required()->type_name("FILE");
  command->add_option("--config", a->config, "experiment file that names model and data")->type_name("FILE");
  command->add_option("--model", a->model, "a model's name, or a map: \"{name: resnet, depth: 20}\"");
  command->add_option("--data", a->data, "a data set's name, a map with its settings, or a data section");
  command->add_option("--split", a->split, "test (default), validation or train")
      ->check(CLI::IsMember({"test", "validation", "train"}));
  command->add_option("--limit", a->limit, "only this many of its first examples");
  command->add_option("--rename", a->rename, "turn names of the file into the model's (repeatable)")
      ->type_name("FROM=TO")
      ->allow_extra_args(false);
  command->add_option("--set", a->overrides, "change a key (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--predictions", a->predictions, "write the predicted class of each example here")
      ->type_name("FILE.csv");
  command->add_flag("--json", a->json, "print one JSON line");
  command->add_option("--data-dir", a->data_dir, "folder of data sets; default FEDLOOM_DATA, else ./data")
      ->type_name("DIR");
  command->footer(
      "Examples:\n  fedloom eval runs/quickstart/model.safetensors\n"
      "  fedloom eval w.safetensors --model \"{name: resnet, depth: 20}\" --data cifar-10 --json\n\n"
      "In a run folder, model and data are those of the run.");
  command->callback([&action, a] { action = [a] { return evaluate(*a); }; });
}

}  // namespace fedloom
