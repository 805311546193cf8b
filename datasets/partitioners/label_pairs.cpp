// FedProx's MNIST split: client u holds the labels u mod C and u + 1 mod C, a few examples of each for
// certain and then log-normal shares of what remains: label skew and a heavy tail of sizes together. T. Li,
// A. K. Sahu, M. Zaheer, M. Sanjabi, A. Talwalkar, V. Smith, "Federated Optimization in Heterogeneous
// Networks", MLSys 2020 (1,000 clients, 5 + 5 examples, sigma 2). Shares are rounded down; the rest of each
// class is left out. Their further 90/10 cut of each client is data.client_test.
#include <cmath>

#include "core/error.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

struct LabelPairsSettings {
  std::int64_t labels_per_client = 2;
  std::uint64_t base = 5;
  double sigma = 2.0;
  template <class Visitor>
  void visit(Visitor& v) {
    v("labels_per_client", labels_per_client, "consecutive labels that a client holds", at_least(1));
    v("base", base, "examples of each of its labels that a client has for certain", between(1, 1e6));
    v("sigma", sigma, "deviation of the logarithm of the further shares; 0 is even", between(0, 10));
  }
};

class LabelPairs final : public Partitioner {
 public:
  explicit LabelPairs(const LabelPairsSettings& settings) : settings_(settings) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    if (settings_.labels_per_client > input.classes)
      throw user_error("data.partition.labels_per_client: found {}, but the data has {} classes",
                       settings_.labels_per_client, input.classes);
    auto members = positions_by_class(input.labels, input.classes);
    std::vector<std::vector<std::size_t>> holders(members.size());
    for (std::size_t k = 0; k < input.clients; ++k)
      for (const std::int64_t c : consecutive_classes(k, settings_.labels_per_client, input.classes))
        holders[static_cast<std::size_t>(c)].push_back(k);
    Partition partition(input.clients);
    for (std::size_t c = 0; c < members.size(); ++c) {
      if (holders[c].empty()) continue;
      random.shuffle(std::span(members[c]));
      deal(members[c], holders[c], c, random, partition);
    }
    return partition;
  }
  bool complete() const override { return false; }

 private:
  void deal(const std::vector<std::uint32_t>& members, const std::vector<std::size_t>& holders,
            std::size_t label, Random& random, Partition& partition) const {
    const std::size_t certain = settings_.base * holders.size();
    if (certain > members.size())
      throw user_error(
          "data.partition.base: {} clients with {} examples of label {} need {}, there are {}; lower "
          "base or use fewer clients",
          holders.size(), settings_.base, label, certain, members.size());
    std::vector<double> weights;
    double total = 0.0;
    for (std::size_t h = 0; h < holders.size(); ++h)
      total += weights.emplace_back(random.lognormal(0.0, settings_.sigma));
    const double rest = static_cast<double>(members.size() - certain);
    std::size_t next = 0;
    for (std::size_t h = 0; h < holders.size(); ++h) {
      const auto extra = static_cast<std::size_t>(rest * (weights[h] / total));
      const std::size_t end =
          static_cast<std::size_t>(std::min<std::uint64_t>(members.size(), next + settings_.base + extra));
      auto& mine = partition[holders[h]];
      for (; next < end; ++next) mine.push_back(members[next]);
    }
  }

  LabelPairsSettings settings_;
};

const Registration<PartitionerRegistry, LabelPairsSettings> kLabelPairs{
    {"label_pairs", "two consecutive labels a client and log-normal sizes (the rounding rest is left out)",
     "Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith: Federated Optimization in Heterogeneous Networks, MLSys "
     "2020"},
    [](const LabelPairsSettings& settings) { return std::make_unique<LabelPairs>(settings); }};

}  // namespace
}  // namespace fedloom
