// Sources to stages, stages to clients; and the numbers that labels have when stages have heads of their own.
#include "datasets/continual.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "datasets/altered_examples.hpp"
#include "datasets/spread.hpp"
#include "datasets/stage_rule.hpp"
#include "datasets/staged_data.hpp"

namespace fedloom {

namespace {

std::unique_ptr<StageRule> make_rule(const ContinualConfig& config) {
  return StageRuleRegistry::instance()
      .find(config.stages.name, "rule of stages", config.stages.where)
      .make(config.stages.settings);
}

/// The stores that stages are cut from, and the cutting: done once to find out who needs what, and perhaps
/// once more over stores that hold it.
class Sequence {
 public:
  Sequence(const DataConfig& data, const ContinualConfig& config, std::uint64_t seed, std::string data_dir)
      : data_(data), config_(config), seed_(seed), data_dir_(std::move(data_dir)), rule_(make_rule(config)) {
    sources_.push_back(make_source(data.source));
    for (const ComponentSpec& spec : rule_->more_sources()) sources_.push_back(make_source(spec));
    for (const auto& source : sources_)
      if (source->federate({data.clients, data.validation, seed}))
        throw user_error(
            "{}continual: a data set that brings its own clients cannot be cut into stages; use one that is "
            "spread by data.partition",
            data.source.where.empty() ? "" : data.source.where + ": ");
  }

  std::size_t sources() const { return sources_.size(); }

  std::vector<StageExamples> load(const std::vector<KeptFeatures>& keep) {
    std::vector<SplitExamples> splits;
    memory_bytes_ = 0;
    for (std::size_t source = 0; source < sources_.size(); ++source) {
      splits.push_back(sources_[source]->load(data_dir_, keep[source]));
      if (splits.back().train->spec().predictions > 0)
        throw user_error("continual: stages are made of labelled examples, and hidden tokens are no labels");
      hold_back(splits.back(), data_, seed_);
      const SplitExamples& split = splits.back();
      memory_bytes_ += split.train->memory_bytes();
      if (split.test.examples != split.train) memory_bytes_ += split.test.examples->memory_bytes();
    }
    std::vector<StageExamples> stages = rule_->cut(splits, seed_);
    number_labels(stages);
    return stages;
  }

  std::size_t memory_bytes() const { return memory_bytes_; }

 private:
  void number_labels(std::vector<StageExamples>& stages) const {
    const bool own_heads = config_.heads == "per_stage";
    DataSpec spec = stages.front().split.train->spec();
    for (const StageExamples& stage : stages) {
      const auto size = static_cast<std::int64_t>(stage.classes.size());
      if (own_heads) spec.heads.push_back(size);
      spec.classes = std::max(spec.classes, stage.split.train->spec().classes);
    }
    if (own_heads) spec.classes = std::accumulate(spec.heads.begin(), spec.heads.end(), std::int64_t{0});
    std::int64_t first = 0;
    for (StageExamples& stage : stages) {
      std::vector<std::int32_t> labels;
      if (own_heads) labels = labels_of_head(stage, first);
      first += static_cast<std::int64_t>(stage.classes.size());
      stage.split = over_altered(
          stage.split, [&](std::shared_ptr<const Examples> store) -> std::shared_ptr<const Examples> {
            if (labels.empty() && store->spec() == spec) return store;
            return std::make_shared<AlteredExamples>(std::move(store), spec, std::vector<std::uint32_t>{},
                                                     labels);
          });
    }
  }

  // Class classes[j] is output `first` + j. Others do not occur in the stage.
  static std::vector<std::int32_t> labels_of_head(const StageExamples& stage, std::int64_t first) {
    std::vector<std::int32_t> labels(static_cast<std::size_t>(stage.split.train->spec().classes), 0);
    for (std::size_t j = 0; j < stage.classes.size(); ++j)
      labels[static_cast<std::size_t>(stage.classes[j])] =
          static_cast<std::int32_t>(first) + static_cast<std::int32_t>(j);
    return labels;
  }

  const DataConfig& data_;
  const ContinualConfig& config_;
  std::uint64_t seed_;
  std::string data_dir_;
  std::unique_ptr<StageRule> rule_;
  std::vector<std::unique_ptr<DataSource>> sources_;
  std::size_t memory_bytes_ = 0;
};

using Spread = std::vector<std::shared_ptr<PartitionedData>>;

Spread spread(const DataConfig& data, const ContinualConfig& config, std::uint64_t seed,
              std::vector<StageExamples>& stages) {
  Spread spread;
  for (StageExamples& stage : stages) {
    const std::uint64_t number = spread.size();
    try {
      spread.push_back(spread_over_clients(data, seed, std::move(stage.split), {number, config.visible_to}));
    } catch (const UserError& error) {
      throw user_error("stage {}: {}", number + 1, error.what());
    }
    if (spread.back()->clients() != spread.front()->clients())
      throw user_error("stage {} has {} clients, and stage 1 has {}; say how many there are: data.clients",
                       number + 1, spread.back()->clients(), spread.front()->clients());
  }
  return spread;
}

std::vector<KeptFeatures> needed_rows(const DataHolder& holder, const Spread& spread,
                                      const std::vector<StageExamples>& stages, std::size_t sources) {
  std::vector<std::vector<std::uint32_t>> train(sources);
  std::vector<std::vector<std::uint32_t>> test(sources);
  for (std::size_t i = 0; i < spread.size(); ++i)
    add_needed_rows(holder, *spread[i], train[stages[i].source], test[stages[i].source]);
  std::vector<KeptFeatures> rows;
  for (std::size_t source = 0; source < sources; ++source)
    rows.push_back({KeptRows::of(std::move(train[source])), KeptRows::of(std::move(test[source]))});
  return rows;
}

/// Writes `stages` with all its settings, the rest as ConfigWriter does.
class ResolvedWriter {
 public:
  template <class T>
  void operator()(const char* name, T& member, const char* doc, const Bounds& bounds = {}) {
    if constexpr (std::is_same_v<T, ComponentSpec>) {
      const auto& entry = StageRuleRegistry::instance().find(member.name, "rule of stages", member.where);
      writer_.block(name, fmt::format("name: {}\n{}", member.name, entry.resolve(member.settings)));
    } else {
      writer_(name, member, doc, bounds);
    }
  }
  void alias(const char*, const char*) {}
  const std::string& text() const { return writer_.text(); }

 private:
  ConfigWriter writer_;
};

}  // namespace

std::size_t stage_count(const ContinualConfig& config) { return make_rule(config)->count(); }

std::vector<std::uint64_t> rounds_of_stages(const ContinualConfig& config) {
  const std::size_t count = stage_count(config);
  std::vector<std::uint64_t> rounds = config.rounds_per_stage;
  if (rounds.size() == 1) rounds.assign(count, config.rounds_per_stage.front());
  if (rounds.size() != count)
    throw user_error(
        "continual.rounds_per_stage: {} numbers for {} stages; give one for each, or a single one for all",
        rounds.size(), count);
  return rounds;
}

std::shared_ptr<const FederatedData> load_continual_data(const DataConfig& data,
                                                         const ContinualConfig& config, std::uint64_t seed,
                                                         const std::string& data_dir,
                                                         const DataHolder& holder) {
  if (data.client_test > 0 && data.group_test)
    throw user_error("data: client_test and group_test exclude each other; leave one out");
  Sequence sequence(data, config, seed, data_dir);
  const KeptFeatures guess = holder.guess(data.validation > 0, data.client_test > 0);
  std::vector<StageExamples> stages = sequence.load(std::vector(sequence.sources(), guess));
  const Spread spread = fedloom::spread(data, config, seed, stages);
  if (!std::all_of(spread.begin(), spread.end(),
                   [&](const auto& stage) { return needs_are_held(holder, *stage); })) {
    stages = sequence.load(needed_rows(holder, spread, stages, sequence.sources()));
    for (std::size_t i = 0; i < spread.size(); ++i) spread[i]->exchange_stores(stages[i].split);
  }
  return std::make_shared<StagedData>(
      std::vector<std::shared_ptr<const PartitionedData>>(spread.begin(), spread.end()),
      sequence.memory_bytes());
}

std::string resolved_yaml(const ContinualConfig& config) {
  ContinualConfig copy = config;
  ResolvedWriter writer;
  copy.visit(writer);
  return writer.text();
}

}  // namespace fedloom
