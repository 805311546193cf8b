// The arithmetic of the partitioners without their randomness: proportions, permutations and orders come in,
// sizes and lists come out. Papers are named where each rule is used (partitioners/).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "datasets/partitioner.hpp"

namespace fedloom {

/// `total` in `parts` sizes that differ by at most one, the larger first (NumPy's array_split).
std::vector<std::size_t> even_sizes(std::size_t total, std::size_t parts);

/// Positions 0 .. N-1 grouped by label, ascending in each class; (classes) lists.
std::vector<std::vector<std::uint32_t>> positions_by_class(std::span<const std::int32_t> labels,
                                                           std::int64_t classes);

/// Consecutive pieces of `order` with the given sizes; what is left over belongs to nobody.
Partition cut(std::span<const std::uint32_t> order, std::span<const std::size_t> sizes);

/// Shards of floor(N / S) consecutive entries of `sorted`, S = permutation.size(); client k receives the
/// shards permutation[k s .. (k + 1) s). The last N mod S entries belong to nobody.
Partition deal_shards(std::span<const std::uint32_t> sorted, std::size_t clients,
                      std::span<const std::uint64_t> permutation);

/// Sizes of the pieces between floor(cumulative proportion * total); the last piece takes the rest.
/// Proportions are >= 0 and sum to 1.
std::vector<std::size_t> proportional_cut(std::size_t total, std::span<const double> proportions);

/// Sets the proportion of every client that already has `cap` examples or more to 0 and makes the rest sum
/// to 1. When nothing is left (underflow), clients below the cap share evenly; when nobody is, all do.
void cap_proportions(std::span<double> proportions, std::span<const std::size_t> sizes, double cap);

/// floor(total * weight_i / sum of weights); the remainder goes to client `taker`.
std::vector<std::size_t> weighted_sizes(std::size_t total, std::span<const double> weights,
                                        std::size_t taker);

/// Classes of client k when they are dealt in turn: k, k + 1, … modulo `classes` (McMahan's label pairs in
/// FedProx's MNIST, Flower's deterministic pathological split).
std::vector<std::int64_t> consecutive_classes(std::size_t client, std::int64_t count, std::int64_t classes);

/// Every class is split evenly among the clients that hold it, in the order of the clients; `held[k]` are the
/// classes of client k, `members[c]` the examples of class c in the order to deal. Unheld classes are left.
Partition deal_classes(const std::vector<std::vector<std::int64_t>>& held,
                       const std::vector<std::vector<std::uint32_t>>& members);

}  // namespace fedloom
