// A federation whose clients hold examples of the quadratic model (quadratic.hpp): what LocalTrainer and
// ClientHost train on in tests.
#pragma once

#include <memory>
#include <vector>

#include "core/random.hpp"
#include "datasets/examples.hpp"

namespace fedloom::testing {

class QuadraticExamples : public Examples {
 public:
  explicit QuadraticExamples(std::vector<std::vector<float>> rows) : rows_(std::move(rows)) {
    spec_.shape = {static_cast<std::int64_t>(rows_.at(0).size())};
    spec_.classes = 2;
  }
  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return rows_.size(); }
  std::int32_t label(std::size_t) const override { return 0; }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override {
    for (const std::uint32_t index : indices) {
      features = std::copy(rows_.at(index).begin(), rows_.at(index).end(), features);
      *labels++ = 0;
    }
  }
  std::size_t memory_bytes() const override { return 0; }

 private:
  std::vector<std::vector<float>> rows_;
  DataSpec spec_;
};

/// Client c has `sizes[c]` examples, drawn once from the seed: (a, b_0 … b_{d-1}) with a in [0.5, 1.5).
class QuadraticFederation : public FederatedData {
 public:
  QuadraticFederation(std::size_t parameters, const std::vector<std::size_t>& sizes, std::uint64_t seed = 1) {
    std::vector<std::vector<float>> rows;
    Random random(seed, Stream::dataset);
    for (const std::size_t size : sizes) {
      ExampleView view;
      const double centre = random.normal();
      for (std::size_t i = 0; i < size; ++i) {
        view.indices.push_back(static_cast<std::uint32_t>(rows.size()));
        std::vector<float> row = {static_cast<float>(random.uniform(0.5, 1.5))};
        while (row.size() < 1 + parameters) row.push_back(static_cast<float>(random.normal(centre, 1.0)));
        rows.push_back(std::move(row));
      }
      clients_.push_back(std::move(view));
    }
    if (rows.empty()) rows.emplace_back(1 + parameters, 1.0F);
    examples_ = std::make_shared<QuadraticExamples>(std::move(rows));
    for (ExampleView& view : clients_) view.examples = examples_;
    test_.examples = examples_;
    for (std::uint32_t i = 0; i < std::min<std::size_t>(4, examples_->size()); ++i)
      test_.indices.push_back(i);
  }
  const DataSpec& spec() const override { return examples_->spec(); }
  std::size_t clients() const override { return clients_.size(); }
  std::size_t example_count(std::size_t client) const override { return clients_.at(client).size(); }
  ExampleView client(std::size_t client) const override { return clients_.at(client); }
  ExampleView client_test(std::size_t) const override { return {examples_, {}}; }
  const ExampleView& validation() const override { return validation_; }
  const ExampleView& test() const override { return test_; }
  std::size_t memory_bytes() const override { return 0; }

 private:
  std::shared_ptr<const Examples> examples_;
  std::vector<ExampleView> clients_;
  ExampleView validation_;
  ExampleView test_;
};

}  // namespace fedloom::testing
