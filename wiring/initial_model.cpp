// Reading `model.init`, and what it names.
#include "wiring/initial_model.hpp"

#include <filesystem>

#include "core/file.hpp"
#include "core/hash.hpp"
#include "models/load_weights.hpp"
#include "wiring/experiment.hpp"
#include "wiring/local_parts.hpp"

namespace fedloom {

namespace {

constexpr std::string_view kEnding = ".safetensors";

std::string hash_of(const std::string& bytes) { return sha256_hex(std::as_bytes(std::span(bytes))); }

std::string names(const std::vector<std::string>& all) {
  constexpr std::size_t kMost = 6;
  if (all.size() <= kMost) return fmt::format("{}", fmt::join(all, ", "));
  return fmt::format("{} and {} more", fmt::join(all.begin(), all.begin() + kMost, ", "), all.size() - kMost);
}

void expect_hash(const InitConfig& init, const std::string& found) {
  if (!init.sha256.empty() && init.sha256 != found)
    throw user_error(
        "model.init: {} has SHA-256 {}, but {} is expected; it is another file, or has changed since",
        init.file, found, init.sha256);
}

// What the layout has beside the slices of the base model.
std::vector<std::string> adapter_slices(const ExperimentConfig& config, const DataSpec& data,
                                        const Layout& adapted) {
  std::vector<std::string> added;
  if (!to_adaptation(config.adapter).adapts()) return added;
  ExperimentConfig whole = config;
  whole.adapter = {};
  const std::shared_ptr<const Model> base = make_model(whole, data);
  for (const Slice& slice : adapted.slices())
    if (base->layout()->find(slice.name) == nullptr) added.push_back(slice.name);
  return added;
}

}  // namespace

std::optional<InitConfig> take_init(ComponentSpec& model) {
  const ConfigNode node = model.settings.is_map() ? model.settings.child("init") : ConfigNode();
  const bool short_form = node.is_scalar() && node.text().ends_with(kEnding);
  if (!node.is_map() && !short_form) return std::nullopt;
  InitConfig init;
  if (short_form)
    init.file = node.text();
  else
    init = read_config<InitConfig>(node);
  if (init.file.empty()) node.fail("`file` is missing: the safetensors file to start from");
  (void)NameMap(init.rename.pairs);
  model.settings = model.settings.without("init");
  return init;
}

void locate_init(InitConfig& init, const std::string& folder) {
  const std::filesystem::path beside = std::filesystem::path(folder) / init.file;
  // Who writes --set model.init=runs/a/model.safetensors thinks of the working folder.
  const bool here = !std::filesystem::exists(beside) && std::filesystem::exists(init.file);
  init.file = (here ? std::filesystem::absolute(init.file) : beside).lexically_normal().string();
  if (!std::filesystem::exists(init.file)) return;
  const std::string found = hash_of(read_file(init.file));
  expect_hash(init, found);
  init.sha256 = found;
}

std::map<std::string, std::string> weights_metadata(const ExperimentConfig& config, const DataSpec& data,
                                                    std::uint64_t rounds) {
  std::map<std::string, std::string> about{{"format", "pt"},
                                           {"model", config.model.name},
                                           {"data", config.data.source.name},
                                           {"seed", std::to_string(config.seed)},
                                           {"rounds", std::to_string(rounds)}};
  if (data.vocabulary_id != 0) about["vocabulary"] = vocabulary_text(data.vocabulary_id);
  return about;
}

InitialModel initial_model(const ExperimentConfig& config, const DataSpec& data, const Model& model) {
  InitialModel start;
  start.values.resize(model.layout()->size());
  Random random(config.seed, Stream::init);
  model.initialize(start.values, random);
  if (!config.init) return start;
  const InitConfig& init = *config.init;
  if (!std::filesystem::exists(init.file))
    throw user_error(
        "model.init: there is no file {}; give the path of a safetensors file, relative to the experiment "
        "file",
        init.file);
  std::string bytes = read_file(init.file);
  expect_hash(init, hash_of(bytes));
  const LoadReport report =
      load_weights(SafetensorsFile::parse(std::move(bytes), init.file), *model.layout(), start.values,
                   {.names = NameMap(init.rename.pairs),
                    .fresh = init.fresh,
                    .optional = adapter_slices(config, data, *model.layout()),
                    .partial = init.partial,
                    .vocabulary = data.vocabulary,
                    .vocabulary_id = data.vocabulary_id});
  if (!report.kept.empty())
    start.notes.push_back(
        fmt::format("model.init: started at random, not from the file: {}", names(report.kept)));
  if (!report.unused.empty())
    start.notes.push_back(fmt::format("model.init: not of this model: {}", names(report.unused)));
  return start;
}

}  // namespace fedloom
