// Tables from FieldDoc rows, and a JSON Schema from the same.
#include "experiments/reference.hpp"

#include <nlohmann/json.hpp>

#include "algorithms/algorithm.hpp"
#include "algorithms/sampler.hpp"
#include "datasets/data_source.hpp"
#include "datasets/partitioner.hpp"
#include "datasets/stage_rule.hpp"
#include "edge/device_file.hpp"
#include "models/layers/written_layer.hpp"
#include "models/model.hpp"
#include "models/optimizer.hpp"
#include "server/devices/availability.hpp"
#include "server/devices/distribution.hpp"
#include "server/pacer.hpp"
#include "wiring/experiment.hpp"

namespace fedloom {

namespace {

using Json = nlohmann::ordered_json;

std::string escaped(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
    text.insert(at, "\\");
  return text;
}

// `model.init` is not a setting of one model: every model may start from a file.
std::vector<FieldDoc> init_docs() {
  std::vector<FieldDoc> rows = config_docs<InitConfig>();
  for (FieldDoc& row : rows) row.name = "init." + row.name;
  return rows;
}

std::string table(const std::vector<FieldDoc>& rows) {
  if (rows.empty()) return "No settings.\n";
  std::string text = "| key | type | default | meaning | allowed |\n|---|---|---|---|---|\n";
  for (const FieldDoc& row : rows)
    text += fmt::format("| `{}` | {} | `{}` | {} | {} |\n", row.name, row.type, row.default_value,
                        escaped(row.doc), row.bounds);
  return text;
}

template <class RegistryType>
std::string components(const char* heading, const char* key) {
  std::string text = fmt::format("\n## {}\n\nChosen by `{}`.\n", heading, key);
  for (const auto& [name, entry] : RegistryType::instance().entries()) {
    text += fmt::format("\n### {}\n\n{}.", name, entry.about.summary);
    if (!entry.about.citation.empty()) text += fmt::format(" Source: {}.", entry.about.citation);
    text += "\n\n" + table(entry.fields);
  }
  return text;
}

// A component is written as its name, or as a map with a name and its settings.
Json field_schema(const FieldDoc& field);

Json init_schema() {
  Json map;
  for (const FieldDoc& field : config_docs<InitConfig>()) map[field.name] = field_schema(field);
  return {{"description", "an initializer, a safetensors file, or a map that names one"},
          {"anyOf", Json::array({{{"type", "string"}},
                                 {{"type", "object"},
                                  {"properties", map},
                                  {"required", {"file"}},
                                  {"additionalProperties", false}}})}};
}

template <class RegistryType>
Json component_schema() {
  Json choices = Json::array();
  choices.push_back({{"type", "string"}, {"enum", RegistryType::instance().names()}});
  if constexpr (std::is_same_v<RegistryType, DistributionRegistry>) {  // an amount: 0.03, 30ms
    choices.push_back({{"type", "number"}});
    choices.push_back({{"type", "string"}, {"pattern", "^[0-9.]"}});
  }
  for (const auto& [name, entry] : RegistryType::instance().entries()) {
    Json properties;
    properties["name"] = {{"const", name}};
    for (const FieldDoc& field : entry.fields) properties[field.name] = {{"description", field.doc}};
    if constexpr (std::is_same_v<RegistryType, ModelRegistry>) properties["init"] = init_schema();
    choices.push_back({{"type", "object"},
                       {"description", entry.about.summary},
                       {"properties", properties},
                       {"required", {"name"}},
                       {"additionalProperties", false}});
  }
  return {{"oneOf", choices}};
}

Json field_schema(const FieldDoc& field) {
  const bool list = field.type.starts_with("list of ");
  const std::string type = list ? field.type.substr(8) : field.type;
  Json json;
  if (type == "integer")
    json["type"] = "integer";
  else if (type == "number")
    json["type"] = "number";
  else if (type == "true/false")
    json["type"] = "boolean";
  else if (type == "text" || type == "duration")
    json["type"] = "string";
  else if (type == "map of text")
    json = {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
  if (field.bounds.starts_with("one of: ")) {
    Json choices = Json::array();
    std::string rest = field.bounds.substr(8);
    for (std::size_t comma = rest.find(", "); comma != std::string::npos; comma = rest.find(", ")) {
      choices.push_back(rest.substr(0, comma));
      rest = rest.substr(comma + 2);
    }
    choices.push_back(rest);
    json["enum"] = choices;
  }
  if (list) json = {{"type", "array"}, {"items", json}};
  json["description"] = field.bounds.empty() ? field.doc : fmt::format("{} ({})", field.doc, field.bounds);
  return json;
}

// Without what the experiment file has as well.
std::vector<FieldDoc> device_docs() {
  std::vector<FieldDoc> docs = config_docs<DeviceConfig>();
  std::erase_if(docs, [](const FieldDoc& field) {
    return field.name.starts_with("data.") || field.name.starts_with("privacy.");
  });
  return docs;
}

}  // namespace

std::string configuration_markdown() {
  std::string text =
      "# Configuration\n\nWritten by `fedloom reference`; a test keeps it true. Every key may also be set on "
      "the "
      "command line:\n`--set train.lr=0.05`. Durations carry a unit (`30s`, `250ms`), sizes may (`64MB`), "
      "and so may amounts, which "
      "count seconds, bytes per second or nothing, as their key does (`0.03`, `30ms`, `2MB/s`, `10Mbit/s`). "
      "A "
      "component "
      "is written as its\nname, `strategy: fedavg`, or as a map, `strategy: {name: fedprox, mu: 0.1}`.\n\n"
      "## The experiment file\n\n";
  text += table(config_docs<ExperimentConfig>());
  text += components<AlgorithmRegistry>("Strategies", "strategy");
  text += components<ModelRegistry>("Models", "model");
  text +=
      "\n### Starting from weights\n\nEvery model starts from a safetensors file with `init: "
      "FILE.safetensors`, or "
      "with a map that says\nmore; another word after `init` is the model's own way to start at random.\n\n" +
      table(init_docs());
  text += components<LayerRegistry>("Layers", "model.layers");
  text += components<DatasetRegistry>("Data sets", "data.source");
  text += components<PartitionerRegistry>("Partitioners", "data.partition");
  text += components<StageRuleRegistry>("Stages", "continual.stages");
  text += components<OptimizerRegistry>("Local optimizers", "train.optimizer");
  text += components<PacerRegistry>("Pacers", "pacer");
  text += components<SamplerRegistry>("Samplers", "sampler");
  text += components<DistributionRegistry>("Distributions",
                                           "devices.task, compute, downlink, uplink, latency, jitter");
  text += components<AvailabilityRegistry>("Availability", "devices.availability");
  text +=
      "\n## Device files\n\nOf `fedloom-client`. `data` and `privacy` have the keys that they have "
      "above.\n\n";
  text += table(device_docs());
  return text;
}

std::string configuration_schema() {
  Json properties;
  const std::map<std::string, Json> of_component = {
      {"strategy", component_schema<AlgorithmRegistry>()},
      {"model", component_schema<ModelRegistry>()},
      {"data.source", component_schema<DatasetRegistry>()},
      {"data.partition", component_schema<PartitionerRegistry>()},
      {"continual.stages", component_schema<StageRuleRegistry>()},
      {"train.optimizer", component_schema<OptimizerRegistry>()},
      {"pacer", component_schema<PacerRegistry>()},
      {"sampler", component_schema<SamplerRegistry>()},
      {"devices.task", component_schema<DistributionRegistry>()},
      {"devices.compute", component_schema<DistributionRegistry>()},
      {"devices.downlink", component_schema<DistributionRegistry>()},
      {"devices.uplink", component_schema<DistributionRegistry>()},
      {"devices.latency", component_schema<DistributionRegistry>()},
      {"devices.jitter", component_schema<DistributionRegistry>()},
      {"devices.availability", component_schema<AvailabilityRegistry>()}};
  for (const FieldDoc& field : config_docs<ExperimentConfig>()) {
    const auto component = of_component.find(field.name);
    Json schema = component == of_component.end() ? field_schema(field) : component->second;
    const std::size_t dot = field.name.find('.');
    if (dot == std::string::npos) {
      properties[field.name] = std::move(schema);
      continue;
    }
    Json& section = properties[field.name.substr(0, dot)];
    section["type"] = "object";
    section["additionalProperties"] = false;
    section["properties"][field.name.substr(dot + 1)] = std::move(schema);
  }
  const Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                       {"title", "fedloom experiment"},
                       {"type", "object"},
                       {"properties", properties},
                       {"additionalProperties", false}};
  return schema.dump(2) + "\n";
}

}  // namespace fedloom
