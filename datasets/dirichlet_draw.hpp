// Class by class in Dirichlet shares over a number of clients: the draw itself, for all partitioners that use
// it. Not a partitioner: it knows no groups, settings or error texts. After the balance cap and minimum size
// of Q. Li, Y. Diao, Q. Chen, B. He, "Federated Learning on Non-IID Data Silos", ICDE 2022.
#pragma once

#include <cstdint>
#include <span>

#include "datasets/partitioner.hpp"

namespace fedloom {

struct DirichletRule {
  double alpha = 0.5;           // concentration, > 0
  std::uint64_t min_size = 10;  // draw again until every client has this many
  bool balance = true;          // a client with N / clients or more gets nothing of later classes
  std::uint64_t max_attempts = 1000;
};

struct DirichletDraw {
  Partition partition;       // complete; empty when no draw gave everybody min_size
  std::size_t attempts = 0;  // most draws that were allowed
  std::size_t smallest = 0;  // the largest smallest client among the draws that failed
};

/// Positions 0 .. N-1 of `labels` (each in [0, classes)) over clients >= 1. Deviation from the published
/// code, which draws for ever: it is over after max_attempts draws, or about 20 million proportions. Sizes
/// are drawn first and examples shuffled once at the end, which has the same distribution.
DirichletDraw dirichlet_by_class(std::span<const std::int32_t> labels, std::int64_t classes,
                                 std::size_t clients, const DirichletRule& rule, Random& random);

}  // namespace fedloom
