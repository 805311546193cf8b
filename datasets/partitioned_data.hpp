// A federation over one store of examples: index lists in one array, whatever the number of clients.
// Generated federations, whose clients have no common store, are synthetic.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datasets/examples.hpp"
#include "datasets/partitioner.hpp"

namespace fedloom {

class PartitionedData final : public FederatedData {
 public:
  /// `partition` holds positions in split.train_indices. floor(client_test * n) of a client's n examples are
  /// held out for its own evaluation, never all; client_test in [0, 1).
  PartitionedData(SplitExamples split, const Partition& partition, double client_test, std::uint64_t seed);
  /// Each client is evaluated on its own part of the test set, or of the validation set after
  /// evaluate_on_validation(): `own_test[k]` are places in its store.
  PartitionedData(SplitExamples split, const Partition& partition, Partition own_test);
  /// From now on clients are evaluated on validation data, which tuning may see.
  void evaluate_on_validation() { on_validation_ = true; }

  /// The training store, which may hold validation and test examples too.
  const Examples& store() const { return *split_.train; }
  /// Puts another load of the same files in place of the stores; who has which examples stays as it is.
  /// Throws UserError when it is of another size.
  void exchange_stores(const SplitExamples& stores);

  const DataSpec& spec() const override { return split_.train->spec(); }
  std::size_t clients() const override { return ranges_.size(); }
  std::size_t example_count(std::size_t client) const override;
  ExampleView client(std::size_t client) const override;
  ExampleView client_test(std::size_t client) const override;
  const ExampleView& validation() const override { return split_.validation; }
  const ExampleView& test() const override { return split_.test; }
  const ExampleView& common_evaluation() const override {
    return on_validation_ ? split_.validation : split_.test;
  }
  std::size_t memory_bytes() const override;

 private:
  struct Range {
    std::uint64_t begin;     // into indices_
    std::uint32_t training;  // training examples come first
    std::uint32_t held_out;
  };
  const Range& range(std::size_t client) const;

  SplitExamples split_;
  std::vector<Range> ranges_;
  std::vector<std::uint32_t> indices_;
  Partition own_test_;  // empty: what is held out of the training data
  bool on_validation_ = false;
};

}  // namespace fedloom
