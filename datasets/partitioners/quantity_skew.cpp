// Quantity skew: class mixtures are IID, sizes are not. Contiguous pieces of a random permutation.
// dirichlet: Q. Li et al., "Federated Learning on Non-IID Data Silos", ICDE 2022 (iid-diff-quantity:
// Dir(beta) drawn until the smallest piece has min_size). lognormal: D. Zeng et al., "FedLab", JMLR 2023
// (log-normal sizes rescaled, remainder to client 0). linear, square, exponential: sizes as i, i^2, e^i, i
// = 1..n, remainder to the last client (D. J. Beutel et al., "Flower", 2020).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kMostDraws = 20'000'000;

struct QuantitySkewSettings {
  std::string sizes = "dirichlet";
  double beta = 0.5;
  double sigma = 0.3;
  std::uint64_t min_size = 10;
  std::uint64_t max_attempts = 1000;
  template <class Visitor>
  void visit(Visitor& v) {
    v("sizes", sizes, "the law of the sizes",
      one_of({"dirichlet", "lognormal", "linear", "square", "exponential"}));
    v("beta", beta, "dirichlet: concentration; large is even", between(1e-4, 1e6));
    v("sigma", sigma, "lognormal: deviation of the logarithm; 0 is even", between(0, 10));
    v("min_size", min_size, "dirichlet: draw again until every client has this many examples", at_least(1));
    v("max_attempts", max_attempts, "dirichlet: draws before giving up with an error", between(1, 1e6));
  }
};

class QuantitySkew final : public Partitioner {
 public:
  explicit QuantitySkew(const QuantitySkewSettings& settings) : settings_(settings) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    std::vector<std::uint32_t> order(input.size());
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    random.shuffle(std::span(order));
    Partition partition = cut(order, sizes(input, random));
    require_nobody_empty(partition, "the sizes are too uneven for so many clients; use fewer");
    return partition;
  }

 private:
  std::vector<std::size_t> sizes(const PartitionInput& input, Random& random) const {
    if (settings_.sizes == "dirichlet") return dirichlet_sizes(input, random);
    const bool random_sizes = settings_.sizes == "lognormal";
    std::vector<double> weights;
    for (std::size_t k = 0; k < input.clients; ++k) {
      const double i = static_cast<double>(k + 1);
      if (random_sizes)
        weights.push_back(random.lognormal(0.0, settings_.sigma));
      else if (settings_.sizes == "linear")
        weights.push_back(i);
      else if (settings_.sizes == "square")
        weights.push_back(i * i);
      else
        weights.push_back(std::exp(i - static_cast<double>(input.clients)));  // largest weight 1
    }
    return weighted_sizes(input.size(), weights, random_sizes ? 0 : input.clients - 1);
  }

  std::vector<std::size_t> dirichlet_sizes(const PartitionInput& input, Random& random) const {
    if (settings_.min_size > input.size() / input.clients)
      throw user_error(
          "data.partition.min_size: {} clients with {} examples each need more than the {} there are",
          input.clients, settings_.min_size, input.size());
    const std::size_t attempts =
        std::clamp<std::size_t>(kMostDraws / input.clients, 1, settings_.max_attempts);
    for (std::size_t attempt = 0; attempt < attempts; ++attempt) {
      auto pieces = proportional_cut(input.size(), random.dirichlet(input.clients, settings_.beta));
      if (*std::min_element(pieces.begin(), pieces.end()) >= settings_.min_size) return pieces;
    }
    throw user_error(
        "data.partition: no draw of {} gave every client {} examples; lower min_size, raise beta or "
        "use fewer clients",
        attempts, settings_.min_size);
  }

  QuantitySkewSettings settings_;
};

const Registration<PartitionerRegistry, QuantitySkewSettings> kQuantitySkew{
    {"quantity_skew", "IID class mixtures, uneven sizes",
     "Li, Diao, Chen, He: Federated Learning on Non-IID Data Silos, ICDE 2022; Zeng et al.: FedLab, JMLR "
     "2023"},
    [](const QuantitySkewSettings& settings) { return std::make_unique<QuantitySkew>(settings); }};

}  // namespace
}  // namespace fedloom
