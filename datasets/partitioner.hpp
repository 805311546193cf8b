// How the examples of one set are spread over clients. A partitioner sees labels and groups, never features,
// and is a pure function of its settings, its input and the randomness it is given. The cut rules themselves
// are in partition_rules.hpp; each scheme is one file in partitioners/.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/random.hpp"
#include "core/registry.hpp"

namespace fedloom {

/// One list for each client of positions 0 .. N-1 in the input's order.
using Partition = std::vector<std::vector<std::uint32_t>>;

/// The N examples to spread.
struct PartitionInput {
  std::span<const std::int32_t> labels;  // (N), in [0, classes)
  std::int64_t classes = 0;
  std::span<const std::uint32_t> groups;    // (N), the natural client of each, or empty
  std::span<const std::uint32_t> examples;  // (N), the place of each in its store
  std::size_t store_size = 0;               // examples in the store, N and those held back
  std::size_t clients = 0;

  std::size_t size() const { return labels.size(); }
};

class Partitioner {
 public:
  virtual ~Partitioner() = default;
  /// `input.clients` lists; no example in two of them, none empty. Throws UserError when that cannot be: more
  /// clients than examples, too few examples of a class, a minimum that no draw met.
  virtual Partition split(const PartitionInput& input, Random& random) const = 0;
  /// The number of clients when the experiment does not say.
  virtual std::size_t default_clients(const PartitionInput&) const { return 100; }
  /// Whether every example is given to somebody; the summary says what is left out otherwise.
  virtual bool complete() const { return true; }
};

using PartitionerRegistry = Registry<std::unique_ptr<Partitioner>>;

/// What every partitioner asks first: at least one client and one example for each. Throws UserError.
void require_enough_examples(const PartitionInput& input);
/// Throws UserError when a client of `partition` has nothing; `fix` ends the sentence.
void require_nobody_empty(const Partition& partition, const char* fix);

}  // namespace fedloom
