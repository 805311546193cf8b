// Cut rules as pure functions.
#include "datasets/partition_rules.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"

namespace fedloom {

std::vector<std::size_t> even_sizes(std::size_t total, std::size_t parts) {
  FEDLOOM_CHECK(parts > 0, "{} in {} parts", total, parts);
  std::vector<std::size_t> sizes(parts, total / parts);
  for (std::size_t i = 0; i < total % parts; ++i) ++sizes[i];
  return sizes;
}

std::vector<std::vector<std::uint32_t>> positions_by_class(std::span<const std::int32_t> labels,
                                                           std::int64_t classes) {
  std::vector<std::vector<std::uint32_t>> members(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i)
    members.at(static_cast<std::size_t>(labels[i])).push_back(static_cast<std::uint32_t>(i));
  return members;
}

Partition cut(std::span<const std::uint32_t> order, std::span<const std::size_t> sizes) {
  Partition partition;
  partition.reserve(sizes.size());
  std::size_t start = 0;
  for (const std::size_t size : sizes) {
    FEDLOOM_CHECK(start + size <= order.size(), "pieces reach {} of {}", start + size, order.size());
    const auto piece = order.subspan(start, size);
    partition.emplace_back(piece.begin(), piece.end());
    start += size;
  }
  return partition;
}

Partition deal_shards(std::span<const std::uint32_t> sorted, std::size_t clients,
                      std::span<const std::uint64_t> permutation) {
  FEDLOOM_CHECK(clients > 0 && permutation.size() % clients == 0, "{} shards for {} clients",
                permutation.size(), clients);
  const std::size_t size = sorted.size() / permutation.size();
  const std::size_t each = permutation.size() / clients;
  Partition partition(clients);
  for (std::size_t s = 0; s < permutation.size(); ++s) {
    const auto shard = sorted.subspan(permutation[s] * size, size);
    auto& mine = partition[s / each];
    mine.insert(mine.end(), shard.begin(), shard.end());
  }
  return partition;
}

std::vector<std::size_t> proportional_cut(std::size_t total, std::span<const double> proportions) {
  std::vector<std::size_t> sizes;
  sizes.reserve(proportions.size());
  double cumulative = 0.0;
  std::size_t start = 0;
  for (std::size_t j = 0; j + 1 < proportions.size(); ++j) {
    cumulative += proportions[j];
    const auto end = std::min(total, static_cast<std::size_t>(cumulative * static_cast<double>(total)));
    sizes.push_back(end - start);
    start = end;
  }
  if (!proportions.empty()) sizes.push_back(total - start);
  return sizes;
}

void cap_proportions(std::span<double> proportions, std::span<const std::size_t> sizes, double cap) {
  const auto below = [&](std::size_t j) { return static_cast<double>(sizes[j]) < cap; };
  double total = 0.0;
  std::size_t open = 0;
  for (std::size_t j = 0; j < proportions.size(); ++j) {
    if (!below(j)) proportions[j] = 0.0;
    total += proportions[j];
    open += below(j) ? 1 : 0;
  }
  for (std::size_t j = 0; j < proportions.size(); ++j) {
    if (total > 0.0)
      proportions[j] /= total;
    else if (open > 0)
      proportions[j] = below(j) ? 1.0 / static_cast<double>(open) : 0.0;
    else
      proportions[j] = 1.0 / static_cast<double>(proportions.size());
  }
}

std::vector<std::size_t> weighted_sizes(std::size_t total, std::span<const double> weights,
                                        std::size_t taker) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  FEDLOOM_CHECK(sum > 0.0 && std::isfinite(sum), "weights sum to {}", sum);
  std::vector<std::size_t> sizes;
  std::size_t given = 0;
  for (const double weight : weights) {
    // Rounding may overshoot by one at the end when the weights are very uneven.
    const auto share = static_cast<std::size_t>(static_cast<double>(total) * (weight / sum));
    given += sizes.emplace_back(std::min(share, total - given));
  }
  sizes.at(taker) += total - given;
  return sizes;
}

std::vector<std::int64_t> consecutive_classes(std::size_t client, std::int64_t count, std::int64_t classes) {
  std::vector<std::int64_t> held;
  const std::int64_t first = static_cast<std::int64_t>(client % static_cast<std::size_t>(classes));
  for (std::int64_t j = 0; j < count; ++j) held.push_back((first + j) % classes);
  return held;
}

Partition deal_classes(const std::vector<std::vector<std::int64_t>>& held,
                       const std::vector<std::vector<std::uint32_t>>& members) {
  std::vector<std::vector<std::size_t>> holders(members.size());
  for (std::size_t k = 0; k < held.size(); ++k)
    for (const std::int64_t c : held[k]) holders.at(static_cast<std::size_t>(c)).push_back(k);
  Partition partition(held.size());
  for (std::size_t c = 0; c < members.size(); ++c) {
    if (holders[c].empty()) continue;
    const Partition pieces = cut(members[c], even_sizes(members[c].size(), holders[c].size()));
    for (std::size_t h = 0; h < pieces.size(); ++h) {
      auto& mine = partition[holders[c][h]];
      mine.insert(mine.end(), pieces[h].begin(), pieces[h].end());
    }
  }
  return partition;
}

}  // namespace fedloom
