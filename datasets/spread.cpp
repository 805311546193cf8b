// Limits, held-back parts, the partitioner, and whose rows are needed.
#include "datasets/spread.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "datasets/group_test.hpp"
#include "datasets/partitioner.hpp"
#include "datasets/split.hpp"

namespace fedloom {

namespace {

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

// The lists of a partition over some of the clients, each at its client's place.
Partition given_to_some(const Partition& few, std::size_t clients, Random& random) {
  Partition all(clients);
  const auto chosen = random.choose(clients, few.size());
  for (std::size_t i = 0; i < few.size(); ++i) all[chosen[i]] = few[i];
  return all;
}

Partition partition_of(const DataConfig& config, const SplitExamples& split, std::uint64_t seed,
                       const SpreadAmong& among) {
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
  const std::size_t clients = config.clients ? *config.clients : partitioner->default_clients(input);
  const double share = among.visible_to * static_cast<double>(clients);
  input.clients = std::clamp<std::size_t>(static_cast<std::size_t>(std::lround(share)), 1, clients);
  Random random = split_random(seed, SplitTask::partition, among.draw);
  const Partition partition = partitioner->split(input, random);
  if (input.clients == clients) return partition;
  Random who = split_random(seed, SplitTask::visible, among.draw);
  return given_to_some(partition, clients, who);
}

}  // namespace

std::unique_ptr<DataSource> make_source(const ComponentSpec& spec) {
  return DatasetRegistry::instance().find(spec.name, "data set", spec.where).make(spec.settings);
}

void hold_back(SplitExamples& split, const DataConfig& config, std::uint64_t seed) {
  if (split.train->size() > std::numeric_limits<std::uint32_t>::max())
    throw user_error("data.source: {} examples are more than the {} that can be numbered",
                     split.train->size(), std::numeric_limits<std::uint32_t>::max());
  limit_examples(split, config.train_limit, config.test_limit, seed);
  carve_validation(split, config.validation, seed);
}

std::shared_ptr<PartitionedData> spread_over_clients(const DataConfig& config, std::uint64_t seed,
                                                     SplitExamples split, const SpreadAmong& among) {
  const Partition partition = partition_of(config, split, seed, among);
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

void add_needed_rows(const DataHolder& holder, const PartitionedData& data, std::vector<std::uint32_t>& train,
                     std::vector<std::uint32_t>& test) {
  holder.each_need(data, [&](const ExampleView& part) {
    auto& rows = part.examples.get() == &data.store() ? train : test;
    rows.insert(rows.end(), part.indices.begin(), part.indices.end());
  });
}

}  // namespace fedloom
