// Draws of sizes until everybody has enough, then one shuffle of each class.
#include "datasets/dirichlet_draw.hpp"

#include <algorithm>

#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kMostDraws = 20'000'000;

using Members = std::vector<std::vector<std::uint32_t>>;
using Pieces = std::vector<std::vector<std::size_t>>;

/// (classes) x (clients): how many examples of each class each client receives. Adds up `sizes` (clients).
Pieces draw_sizes(const Members& members, double cap, const DirichletRule& rule,
                  std::vector<std::size_t>& sizes, Random& random) {
  Pieces pieces;
  for (const auto& of_class : members) {
    auto proportions = random.dirichlet(sizes.size(), rule.alpha);
    if (rule.balance) cap_proportions(proportions, sizes, cap);
    pieces.push_back(proportional_cut(of_class.size(), proportions));
    for (std::size_t k = 0; k < sizes.size(); ++k) sizes[k] += pieces.back()[k];
  }
  return pieces;
}

Partition deal(Members& members, const Pieces& pieces, std::size_t clients, Random& random) {
  Partition partition(clients);
  for (std::size_t c = 0; c < members.size(); ++c) {
    random.shuffle(std::span(members[c]));
    std::size_t start = 0;
    for (std::size_t k = 0; k < clients; ++k) {
      const auto piece = std::span(members[c]).subspan(start, pieces[c][k]);
      partition[k].insert(partition[k].end(), piece.begin(), piece.end());
      start += piece.size();
    }
  }
  return partition;
}

}  // namespace

DirichletDraw dirichlet_by_class(std::span<const std::int32_t> labels, std::int64_t classes,
                                 std::size_t clients, const DirichletRule& rule, Random& random) {
  auto members = positions_by_class(labels, classes);
  const std::size_t proportions = std::max<std::size_t>(1, clients * members.size());
  const double cap = static_cast<double>(labels.size()) / static_cast<double>(clients);
  DirichletDraw result;
  result.attempts = std::clamp<std::size_t>(kMostDraws / proportions, 1, rule.max_attempts);
  for (std::size_t attempt = 0; attempt < result.attempts; ++attempt) {
    std::vector<std::size_t> sizes(clients, 0);
    const Pieces pieces = draw_sizes(members, cap, rule, sizes, random);
    const std::size_t smallest = *std::min_element(sizes.begin(), sizes.end());
    if (smallest >= rule.min_size) {
      result.partition = deal(members, pieces, clients, random);
      return result;
    }
    result.smallest = std::max(result.smallest, smallest);
  }
  return result;
}

}  // namespace fedloom
