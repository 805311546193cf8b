// How a partition fell, as numbers (for the report's picture) and as text (for `fedloom data show`).
// It looks at labels only and draws with plain characters; the report draws its own picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "datasets/examples.hpp"

namespace fedloom {

/// The training data of one client.
struct ClientSummary {
  std::size_t client = 0;
  std::uint64_t examples = 0;
  std::vector<std::uint64_t> counts;  // (classes)
};

/// Sizes are of all clients (except beyond kMostSizes, where they are of the first so many); classes are of
/// the clients shown, which are spread evenly over the population.
struct PartitionSummary {
  static constexpr std::size_t kMostSizes = 2'000'000;

  std::size_t clients = 0;
  std::int64_t classes = 0;
  std::uint64_t examples = 0;
  std::uint64_t smallest = 0;
  std::uint64_t largest = 0;
  double median = 0.0;
  double mean = 0.0;
  double gini = 0.0;                        // 0: all alike; near 1: one client has everything
  std::vector<std::uint64_t> class_totals;  // over the clients shown
  /// Mean over the clients shown of the total-variation distance between a client's class mixture and that of
  /// all shown, in [0, 1]: 0 is IID; (C - 1) / C is one class each.
  double label_skew = 0.0;
  std::uint64_t validation = 0;
  std::uint64_t test = 0;
  std::vector<ClientSummary> shown;
};

/// Looks into the data of at most `most_shown` clients.
PartitionSummary summarize(const FederatedData& data, std::size_t most_shown);

/// Gini coefficient of sizes; 0 when there are none or all are 0.
double gini(std::vector<std::uint64_t> sizes);

/// Text of at most `columns` columns: sizes, the classes over all, and a line for each client shown with one
/// block per class (its height is the share of the client's examples) and a bar for its size.
std::string draw(const PartitionSummary& summary, std::size_t columns = 100);

}  // namespace fedloom
