// Shards: examples sorted by label are cut into equal shards and every client receives a few of them, so most
// clients see only that many classes.
// H. B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Aguera y Arcas, "Communication-Efficient Learning of
// Deep Networks from Decentralized Data", AISTATS 2017, section 3 (MNIST: 200 shards of 300 for 100 clients).
// Deviation: none; the N mod (clients * shards) examples that fill no shard are left out.
#include <numeric>

#include "core/error.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

struct ShardsSettings {
  std::uint64_t shards_per_client = 2;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("num_shards_per_client", "shards_per_client");
    v("shards_per_client", shards_per_client, "shards of the label-sorted data that a client receives",
      between(1, 1e6));
  }
};

class Shards final : public Partitioner {
 public:
  explicit Shards(const ShardsSettings& settings) : settings_(settings) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    const std::size_t shards = input.clients * settings_.shards_per_client;
    if (shards > input.size())
      throw user_error(
          "data.partition: {} clients with {} shards each need {} examples, there are {}; use fewer "
          "clients or shards",
          input.clients, settings_.shards_per_client, shards, input.size());
    std::vector<std::uint32_t> sorted;
    sorted.reserve(input.size());
    for (const auto& members : positions_by_class(input.labels, input.classes))
      sorted.insert(sorted.end(), members.begin(), members.end());
    std::vector<std::uint64_t> permutation(shards);
    std::iota(permutation.begin(), permutation.end(), std::uint64_t{0});
    random.shuffle(std::span(permutation));
    return deal_shards(sorted, input.clients, permutation);
  }
  bool complete() const override { return false; }

 private:
  ShardsSettings settings_;
};

const Registration<PartitionerRegistry, ShardsSettings> kShards{
    {"shards", "equal shards of the label-sorted data, a few for each client (a remainder is left out)",
     "McMahan, Moore, Ramage, Hampson, Aguera y Arcas: Communication-Efficient Learning of Deep Networks "
     "from "
     "Decentralized Data, AISTATS 2017"},
    [](const ShardsSettings& settings) { return std::make_unique<Shards>(settings); }};

}  // namespace
}  // namespace fedloom
