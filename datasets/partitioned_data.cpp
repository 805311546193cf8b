// Index bookkeeping of a partitioned store.
#include "datasets/partitioned_data.hpp"

#include "core/error.hpp"
#include "datasets/split.hpp"

namespace fedloom {

PartitionedData::PartitionedData(SplitExamples split, const Partition& partition, double client_test,
                                 std::uint64_t seed)
    : split_(std::move(split)) {
  ranges_.reserve(partition.size());
  for (std::size_t k = 0; k < partition.size(); ++k) {
    std::vector<std::uint32_t> mine;
    mine.reserve(partition[k].size());
    for (const std::uint32_t position : partition[k]) mine.push_back(split_.train_indices.at(position));
    const auto held_out = static_cast<std::size_t>(client_test * static_cast<double>(mine.size()));
    Random random = split_random(seed, SplitTask::client_test, k);
    const auto [held, kept] = take_random(mine, held_out, random);
    ranges_.push_back(
        {indices_.size(), static_cast<std::uint32_t>(kept.size()), static_cast<std::uint32_t>(held.size())});
    indices_.insert(indices_.end(), kept.begin(), kept.end());
    indices_.insert(indices_.end(), held.begin(), held.end());
  }
  split_.train_indices = {};
}

PartitionedData::PartitionedData(SplitExamples split, const Partition& partition, Partition own_test)
    : PartitionedData(std::move(split), partition, 0.0, 0) {
  FEDLOOM_CHECK(own_test.size() == partition.size(), "{} test parts of {} clients", own_test.size(),
                partition.size());
  own_test_ = std::move(own_test);
}

void PartitionedData::exchange_stores(const SplitExamples& stores) {
  if (stores.train->size() != split_.train->size() ||
      stores.test.examples->size() != split_.test.examples->size())
    throw user_error(
        "data.source: the files had {} training and {} test examples, and {} and {} when they were read "
        "again; start anew when nobody changes them",
        split_.train->size(), split_.test.examples->size(), stores.train->size(),
        stores.test.examples->size());
  split_.train = stores.train;
  split_.validation.examples = stores.train;
  split_.test.examples = stores.test.examples;
}

const PartitionedData::Range& PartitionedData::range(std::size_t client) const {
  FEDLOOM_CHECK(client < ranges_.size(), "client {} of {}", client, ranges_.size());
  return ranges_[client];
}

std::size_t PartitionedData::example_count(std::size_t client) const { return range(client).training; }

ExampleView PartitionedData::client(std::size_t client) const {
  const Range& r = range(client);
  const auto mine = std::span(indices_).subspan(r.begin, r.training);
  return {split_.train, {mine.begin(), mine.end()}};
}

ExampleView PartitionedData::client_test(std::size_t client) const {
  const Range& r = range(client);
  if (!own_test_.empty()) return {common_evaluation().examples, own_test_[client]};
  const auto mine = std::span(indices_).subspan(r.begin + r.training, r.held_out);
  return {split_.train, {mine.begin(), mine.end()}};
}

std::size_t PartitionedData::memory_bytes() const {
  const bool apart = split_.test.examples && split_.test.examples != split_.train;
  std::size_t indices = indices_.size() + split_.validation.size() + split_.test.size();
  for (const auto& mine : own_test_) indices += mine.size();
  return split_.train->memory_bytes() + (apart ? split_.test.examples->memory_bytes() : 0) + indices * 4 +
         ranges_.size() * sizeof(Range);
}

}  // namespace fedloom
