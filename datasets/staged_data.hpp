// A federation whose data comes in stages, as one object: each stage by itself, and all of them together.
// How stages come about is continual.hpp.
#pragma once

#include <memory>
#include <vector>

#include "datasets/joined_examples.hpp"
#include "datasets/partitioned_data.hpp"

namespace fedloom {

/// A client's data is what it has in any stage, stage after stage; so are validation and test.
class StagedData final : public FederatedData {
 public:
  /// At least one stage; all of the same form and with the same clients (programmer error). `memory_bytes` of
  /// the stores below, which stages may share.
  StagedData(std::vector<std::shared_ptr<const PartitionedData>> stages, std::size_t memory_bytes);

  const DataSpec& spec() const override { return stages_.front()->spec(); }
  std::size_t clients() const override { return stages_.front()->clients(); }
  std::size_t example_count(std::size_t client) const override;
  ExampleView client(std::size_t client) const override;
  ExampleView client_test(std::size_t client) const override;
  const ExampleView& validation() const override { return validation_; }
  const ExampleView& test() const override { return test_; }
  const ExampleView& common_evaluation() const override {
    const FederatedData& first = *stages_.front();
    return &first.common_evaluation() == &first.validation() ? validation_ : test_;
  }
  std::size_t memory_bytes() const override { return memory_bytes_; }
  std::size_t stages() const override { return stages_.size(); }
  const FederatedData& stage(std::size_t number) const override;

 private:
  void append(ExampleView& all, const ExampleView& part, std::size_t stage) const;

  std::vector<std::shared_ptr<const PartitionedData>> stages_;
  std::shared_ptr<const JoinedExamples> stores_;  // training and test store of each stage
  ExampleView validation_;
  ExampleView test_;
  std::size_t memory_bytes_;
};

}  // namespace fedloom
