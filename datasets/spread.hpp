// From a split of examples to clients: what the section `data` says of limits, held-back parts and the
// partition, for one set of examples. federation.hpp is the entry for programs.
#pragma once

#include <cstdint>
#include <memory>

#include "datasets/data_holder.hpp"
#include "datasets/data_source.hpp"
#include "datasets/federation.hpp"
#include "datasets/partitioned_data.hpp"

namespace fedloom {

/// The source that a spec names, with its settings. Throws UserError.
std::unique_ptr<DataSource> make_source(const ComponentSpec& spec);

/// train_limit, test_limit and validation of `config`, applied to a set. Throws UserError on a set too large.
void hold_back(SplitExamples& split, const DataConfig& config, std::uint64_t seed);

/// Who of the clients takes part in a spread, and which draw it is.
struct SpreadAmong {
  std::uint64_t draw = 0;   // spreads of one experiment that are to differ have different numbers
  double visible_to = 1.0;  // share of the clients, at least one; the others receive nothing
};

/// The set over clients, as data.partition says. Throws UserError.
std::shared_ptr<PartitionedData> spread_over_clients(const DataConfig& config, std::uint64_t seed,
                                                     SplitExamples split, const SpreadAmong& among = {});

/// Whether the features of all that `holder` needs are in memory.
bool needs_are_held(const DataHolder& holder, const FederatedData& data);
/// Appends the rows that `holder` needs of the two stores.
void add_needed_rows(const DataHolder& holder, const PartitionedData& data, std::vector<std::uint32_t>& train,
                     std::vector<std::uint32_t>& test);

}  // namespace fedloom
