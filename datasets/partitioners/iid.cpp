// IID: a random permutation in equal parts; the first N mod n clients get one example more. The reference
// every skewed split is compared with.
#include "datasets/partition_rules.hpp"

#include <numeric>

namespace fedloom {
namespace {

class Iid final : public Partitioner {
 public:
  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    std::vector<std::uint32_t> order(input.size());
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    random.shuffle(std::span(order));
    return cut(order, even_sizes(order.size(), input.clients));
  }
};

const Registration<PartitionerRegistry, NoSettings> kIid{
    {"iid", "a random permutation in equal parts", ""},
    [](const NoSettings&) { return std::make_unique<Iid>(); }};

}  // namespace
}  // namespace fedloom
