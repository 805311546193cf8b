// Wiring of source, split and partitioner by their names.
#include "datasets/federation.hpp"

#include <limits>

#include "core/error.hpp"
#include "datasets/data_source.hpp"
#include "datasets/group_test.hpp"
#include "datasets/partitioned_data.hpp"
#include "datasets/partitioner.hpp"
#include "datasets/split.hpp"

namespace fedloom {

namespace {

std::unique_ptr<DataSource> make_source(const ComponentSpec& spec) {
  return DatasetRegistry::instance().find(spec.name, "data set", spec.where).make(spec.settings);
}

/// One client's own examples, under its index in the federation; the others have nothing here.
class LocalData final : public FederatedData {
 public:
  LocalData(SplitExamples split, std::size_t client)
      : client_(client),
        train_{split.train, std::move(split.train_indices)},
        none_{split.train, {}},
        test_(std::move(split.test)) {}

  const DataSpec& spec() const override { return train_.examples->spec(); }
  std::size_t clients() const override { return client_ + 1; }
  std::size_t example_count(std::size_t client) const override { return this->client(client).size(); }
  ExampleView client(std::size_t client) const override { return client == client_ ? train_ : none_; }
  ExampleView client_test(std::size_t client) const override { return client == client_ ? test_ : none_; }
  const ExampleView& validation() const override { return none_; }
  const ExampleView& test() const override { return test_; }
  std::size_t memory_bytes() const override {
    const bool apart = test_.examples && test_.examples != train_.examples;
    return train_.examples->memory_bytes() + (apart ? test_.examples->memory_bytes() : 0) +
           (train_.size() + test_.size()) * 4;
  }

 private:
  std::size_t client_;
  ExampleView train_;
  ExampleView none_;
  ExampleView test_;
};

struct LabelsAndGroups {
  std::vector<std::int32_t> labels;
  std::vector<std::uint32_t> groups;  // empty unless every example has one
};

LabelsAndGroups labels_and_groups(const SplitExamples& split) {
  LabelsAndGroups all;
  for (const std::uint32_t i : split.train_indices) {
    all.labels.push_back(split.train->label(i));
    if (const auto group = split.train->group(i)) all.groups.push_back(*group);
  }
  if (all.groups.size() != all.labels.size()) all.groups.clear();
  return all;
}

Partition spread(const DataConfig& config, const SplitExamples& split, std::uint64_t seed) {
  const LabelsAndGroups all = labels_and_groups(split);
  ComponentSpec spec = config.partition;
  if (spec.name == "auto") spec.name = all.groups.empty() ? "iid" : "natural";
  const auto partitioner =
      PartitionerRegistry::instance().find(spec.name, "partitioner", spec.where).make(spec.settings);
  PartitionInput input;
  input.labels = all.labels;
  input.classes = split.train->spec().classes;
  input.groups = all.groups;
  input.examples = split.train_indices;
  input.store_size = split.train->size();
  input.clients = config.clients ? *config.clients : partitioner->default_clients(input);
  Random random = split_random(seed, SplitTask::partition);
  return partitioner->split(input, random);
}

std::shared_ptr<PartitionedData> partitioned(const DataConfig& config, std::uint64_t seed,
                                             SplitExamples split) {
  if (split.train->size() > std::numeric_limits<std::uint32_t>::max())
    throw user_error("data.source: {} examples are more than the {} that can be numbered",
                     split.train->size(), std::numeric_limits<std::uint32_t>::max());
  limit_examples(split, config.train_limit, config.test_limit, seed);
  carve_validation(split, config.validation, seed);
  const Partition partition = spread(config, split, seed);
  std::shared_ptr<PartitionedData> data;
  if (config.group_test) {
    Partition own = deal_by_group(split, config.tuning ? split.validation : split.test, partition, seed);
    data = std::make_shared<PartitionedData>(std::move(split), partition, std::move(own));
  } else {
    data = std::make_shared<PartitionedData>(std::move(split), partition, config.client_test, seed);
  }
  if (config.tuning) data->evaluate_on_validation();
  return data;
}

bool needs_are_held(const DataHolder& holder, const FederatedData& data) {
  bool held = true;
  holder.each_need(data, [&](const ExampleView& part) { held = held && part.held(); });
  return held;
}

KeptFeatures needed_rows(const DataHolder& holder, const PartitionedData& data) {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> test;
  holder.each_need(data, [&](const ExampleView& part) {
    auto& rows = part.examples.get() == &data.store() ? train : test;
    rows.insert(rows.end(), part.indices.begin(), part.indices.end());
  });
  return {KeptRows::of(std::move(train)), KeptRows::of(std::move(test))};
}

template <class RegistryType>
std::string resolved_component(const ComponentSpec& spec, const RegistryType& registry, const char* kind) {
  const auto& entry = registry.find(spec.name, kind, spec.where);
  return fmt::format("name: {}\n{}", spec.name, entry.resolve(spec.settings));
}

/// Writes fields as ConfigWriter does, and the two components with all their settings.
class ResolvedWriter {
 public:
  template <class T>
  void operator()(const char* name, T& member, const char* doc, const Bounds& bounds = {}) {
    const std::string field = name;
    if constexpr (std::is_same_v<T, ComponentSpec>) {
      if (field == "source")
        return writer_.block(field, resolved_component(member, DatasetRegistry::instance(), "data set"));
      if (member.name != "auto")
        return writer_.block(field,
                             resolved_component(member, PartitionerRegistry::instance(), "partitioner"));
    }
    writer_(name, member, doc, bounds);
  }
  void alias(const char*, const char*) {}
  const std::string& text() const { return writer_.text(); }

 private:
  ConfigWriter writer_;
};

}  // namespace

std::shared_ptr<const FederatedData> load_federated_data(const DataConfig& config, std::uint64_t seed,
                                                         const std::string& data_dir,
                                                         const DataHolder& holder) {
  const auto source = make_source(config.source);
  if (auto federation = source->federate({config.clients, config.validation, seed})) {
    if (config.partition.name != "auto")
      throw user_error("data.partition: found '{}', but {} brings its own clients; leave partition out",
                       config.partition.name, config.source.name);
    if (config.client_test > 0 || config.group_test || config.train_limit > 0 || config.test_limit > 0)
      throw user_error(
          "data: client_test, group_test, train_limit and test_limit do not apply to {}, which has settings "
          "of "
          "its own for them",
          config.source.name);
    return federation;
  }
  if (config.client_test > 0 && config.group_test)
    throw user_error(
        "data: client_test and group_test are two answers to one question, what a client is evaluated on; "
        "leave one out");
  // Labels are enough to partition, and only then is it known for sure whose features are needed.
  const KeptFeatures guess = holder.guess(config.validation > 0, config.client_test > 0);
  auto data = partitioned(config, seed, source->load(data_dir, guess));
  if (!needs_are_held(holder, *data))
    data->exchange_stores(source->load(data_dir, needed_rows(holder, *data)));
  return data;
}

std::shared_ptr<const FederatedData> load_local_data(const DataConfig& config, const std::string& folder,
                                                     std::size_t client) {
  return std::make_shared<LocalData>(make_source(config.source)->load_folder(folder), client);
}

std::string resolved_yaml(const DataConfig& config) {
  DataConfig copy = config;
  ResolvedWriter writer;
  copy.visit(writer);
  return writer.text();
}

}  // namespace fedloom
