// Stored sets share one store, so pooling joins index lists; generated sets have a store per client, which a
// concatenation hides.
#include "datasets/pooled.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "datasets/joined_examples.hpp"

namespace fedloom {

namespace {

class PooledData final : public FederatedData {
 public:
  explicit PooledData(std::shared_ptr<const FederatedData> data) : data_(std::move(data)) {
    for (std::size_t stage = 1; stage <= data_->stages(); ++stage)
      stages_.push_back(
          std::make_shared<PooledData>(std::shared_ptr<const FederatedData>(data_, &data_->stage(stage))));
    std::vector<ExampleView> parts;
    for (std::size_t client = 0; client < data_->clients(); ++client) parts.push_back(data_->client(client));
    const bool one_store = std::all_of(parts.begin(), parts.end(), [&](const ExampleView& part) {
      return part.examples == parts.front().examples;
    });
    if (one_store) {
      all_.examples = parts.front().examples;
      for (const ExampleView& part : parts)
        all_.indices.insert(all_.indices.end(), part.indices.begin(), part.indices.end());
      return;
    }
    std::vector<std::shared_ptr<const Examples>> stores;
    for (const ExampleView& part : parts) stores.push_back(part.examples);
    const auto joined = std::make_shared<JoinedExamples>(std::move(stores));
    for (std::size_t client = 0; client < parts.size(); ++client)
      for (const std::uint32_t index : parts[client].indices)
        all_.indices.push_back(joined->offset(client) + index);
    all_.examples = joined;
  }

  const DataSpec& spec() const override { return data_->spec(); }
  std::size_t clients() const override { return 1; }
  std::size_t example_count(std::size_t) const override { return all_.size(); }
  ExampleView client(std::size_t client) const override {
    FEDLOOM_CHECK(client == 0, "pooled data has one client, not client {}", client);
    return all_;
  }
  ExampleView client_test(std::size_t) const override { return {}; }
  const ExampleView& validation() const override { return data_->validation(); }
  const ExampleView& test() const override { return data_->test(); }
  std::size_t memory_bytes() const override { return all_.examples->memory_bytes(); }
  std::size_t stages() const override { return stages_.size(); }
  const FederatedData& stage(std::size_t number) const override {
    FEDLOOM_CHECK(number <= stages_.size(), "stage {} of {}", number, stages_.size());
    if (number == 0) return *this;
    return *stages_[number - 1];
  }

 private:
  std::shared_ptr<const FederatedData> data_;
  std::vector<std::shared_ptr<const PooledData>> stages_;
  ExampleView all_;
};

}  // namespace

std::shared_ptr<const FederatedData> pool_clients(std::shared_ptr<const FederatedData> data) {
  return std::make_shared<PooledData>(std::move(data));
}

}  // namespace fedloom
