// Wiring of source, split and partitioner by their names.
#include "datasets/federation.hpp"

#include "core/error.hpp"
#include "datasets/partitioner.hpp"
#include "datasets/spread.hpp"

namespace fedloom {

namespace {

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
  SplitExamples split = source->load(data_dir, guess);
  hold_back(split, config, seed);
  const auto data = spread_over_clients(config, seed, std::move(split));
  if (needs_are_held(holder, *data)) return data;
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> test;
  add_needed_rows(holder, *data, train, test);
  data->exchange_stores(
      source->load(data_dir, {KeptRows::of(std::move(train)), KeptRows::of(std::move(test))}));
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
