// Class-wise Dirichlet: the share of each class that goes to each client is drawn from Dir(beta). Small beta
// is strong label and size skew, beta -> infinity is IID. M. Yurochkin et al., "Bayesian Nonparametric
// Federated Learning of Neural Networks", ICML 2019; with the balance cap and minimum size of Q. Li, Y. Diao,
// Q. Chen, B. He, "Federated Learning on Non-IID Data Silos: An Experimental Study", ICDE 2022. Deviation:
// drawing is over after max_attempts (or 20 million proportions) with an error that says what to change,
// where the published code draws for ever; sizes are drawn first and examples shuffled once at the end, which
// has the same distribution.
#include <algorithm>

#include "core/error.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kMostDraws = 20'000'000;

struct DirichletSettings {
  double beta = 0.5;
  std::uint64_t min_size = 10;
  bool balance = true;
  std::uint64_t max_attempts = 1000;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("alpha", "beta");
    v("beta", beta, "concentration; 0.1 is hard, 0.5 usual, large is IID", between(1e-4, 1e6));
    v("min_size", min_size, "draw again until every client has this many examples", at_least(1));
    v("balance", balance, "a client with its even share gets nothing of the classes that follow");
    v("max_attempts", max_attempts, "draws before giving up with an error", between(1, 1e6));
  }
};

class Dirichlet final : public Partitioner {
 public:
  explicit Dirichlet(const DirichletSettings& settings) : settings_(settings) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    if (settings_.min_size > input.size() / input.clients)
      throw user_error(
          "data.partition.min_size: {} clients with {} examples each need more than the {} there are",
          input.clients, settings_.min_size, input.size());
    auto members = positions_by_class(input.labels, input.classes);
    const auto pieces = draw_sizes(input, members, random);
    Partition partition(input.clients);
    for (std::size_t c = 0; c < members.size(); ++c) {
      random.shuffle(std::span(members[c]));
      std::size_t start = 0;
      for (std::size_t k = 0; k < input.clients; ++k) {
        const auto piece = std::span(members[c]).subspan(start, pieces[c][k]);
        partition[k].insert(partition[k].end(), piece.begin(), piece.end());
        start += piece.size();
      }
    }
    return partition;
  }

 private:
  /// (classes) x (clients): how many examples of each class each client receives.
  std::vector<std::vector<std::size_t>> draw_sizes(const PartitionInput& input,
                                                   const std::vector<std::vector<std::uint32_t>>& members,
                                                   Random& random) const {
    const std::size_t draws = std::max<std::size_t>(1, input.clients * members.size());
    const std::size_t attempts = std::clamp<std::size_t>(kMostDraws / draws, 1, settings_.max_attempts);
    const double cap = static_cast<double>(input.size()) / static_cast<double>(input.clients);
    std::size_t best = 0;
    for (std::size_t attempt = 0; attempt < attempts; ++attempt) {
      std::vector<std::size_t> sizes(input.clients, 0);
      std::vector<std::vector<std::size_t>> pieces;
      for (const auto& of_class : members) {
        auto proportions = random.dirichlet(input.clients, settings_.beta);
        if (settings_.balance) cap_proportions(proportions, sizes, cap);
        pieces.push_back(proportional_cut(of_class.size(), proportions));
        for (std::size_t k = 0; k < input.clients; ++k) sizes[k] += pieces.back()[k];
      }
      const std::size_t smallest = *std::min_element(sizes.begin(), sizes.end());
      if (smallest >= settings_.min_size) return pieces;
      best = std::max(best, smallest);
    }
    throw user_error(
        "data.partition: in {} draws of Dir({}) over {} clients the smallest client had at most {} "
        "examples, below min_size {}; lower min_size, raise beta or use fewer clients",
        attempts, settings_.beta, input.clients, best, settings_.min_size);
  }

  DirichletSettings settings_;
};

const Registration<PartitionerRegistry, DirichletSettings> kDirichlet{
    {"dirichlet", "each class in Dirichlet(beta) shares over the clients, with a minimum size",
     "Yurochkin et al.: Bayesian Nonparametric Federated Learning of Neural Networks, ICML 2019; Li, Diao, "
     "Chen, "
     "He: Federated Learning on Non-IID Data Silos, ICDE 2022"},
    [](const DirichletSettings& settings) { return std::make_unique<Dirichlet>(settings); }};

}  // namespace
}  // namespace fedloom
