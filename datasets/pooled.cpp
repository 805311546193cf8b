// Stored sets share one store, so pooling joins index lists; generated sets have a store per client, which a
// concatenation hides.
#include "datasets/pooled.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace fedloom {

namespace {

class ConcatenatedExamples final : public Examples {
 public:
  explicit ConcatenatedExamples(std::vector<ExampleView> parts) : parts_(std::move(parts)) {
    for (std::uint32_t part = 0; part < parts_.size(); ++part)
      for (const std::uint32_t index : parts_[part].indices) places_.emplace_back(part, index);
  }

  const DataSpec& spec() const override { return parts_.front().examples->spec(); }
  std::size_t size() const override { return places_.size(); }
  std::int32_t label(std::size_t i) const override {
    return parts_[places_[i].first].examples->label(places_[i].second);
  }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override {
    const auto width = static_cast<std::size_t>(spec().width());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const auto& [part, index] = places_[indices[i]];
      parts_[part].examples->gather({&index, 1}, features + i * width, labels + i);
    }
  }
  void gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens, std::uint8_t* mask,
                     std::int32_t* labels) const override {
    const auto width = static_cast<std::size_t>(spec().width());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const auto& [part, index] = places_[indices[i]];
      parts_[part].examples->gather_tokens({&index, 1}, tokens + i * width, mask + i * width, labels + i);
    }
  }
  bool holds(std::size_t i) const override {
    return parts_[places_[i].first].examples->holds(places_[i].second);
  }
  std::size_t memory_bytes() const override {
    std::size_t bytes = places_.size() * sizeof(places_[0]);
    for (const ExampleView& part : parts_) bytes += part.examples->memory_bytes();
    return bytes;
  }

 private:
  std::vector<ExampleView> parts_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> places_;
};

class PooledData final : public FederatedData {
 public:
  explicit PooledData(std::shared_ptr<const FederatedData> data) : data_(std::move(data)) {
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
    all_.examples = std::make_shared<ConcatenatedExamples>(std::move(parts));
    for (std::uint32_t i = 0; i < all_.examples->size(); ++i) all_.indices.push_back(i);
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

 private:
  std::shared_ptr<const FederatedData> data_;
  ExampleView all_;
};

}  // namespace

std::shared_ptr<const FederatedData> pool_clients(std::shared_ptr<const FederatedData> data) {
  return std::make_shared<PooledData>(std::move(data));
}

}  // namespace fedloom
