// Client-wise Dirichlet: every client has the same number of examples and its own class mixture drawn from
// Dir(alpha * prior), filled one example at a time without replacement.
// T.-M. H. Hsu, H. Qi, M. Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated
// Visual Classification", arXiv 1909.06335, 2019. alpha -> infinity is IID, alpha -> 0 one class for each
// client. A class that runs out is struck from every mixture and the rest renormalised. The N mod n examples
// that make no full quota are left out.
#include <algorithm>
#include <numeric>

#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

struct DirichletClientSettings {
  double alpha = 0.5;
  std::string prior = "uniform";
  template <class Visitor>
  void visit(Visitor& v) {
    v("alpha", alpha, "concentration; large is IID, near 0 one class for each client", between(1e-4, 1e6));
    v("prior", prior, "mean of the mixtures: all classes alike, or as frequent as in the data",
      one_of({"uniform", "empirical"}));
  }
};

class DirichletClient final : public Partitioner {
 public:
  explicit DirichletClient(const DirichletClientSettings& settings) : settings_(settings) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    auto members = positions_by_class(input.labels, input.classes);
    for (auto& of_class : members) random.shuffle(std::span(of_class));
    const auto concentrations = prior(input, members);
    std::vector<std::vector<double>> mixtures;
    for (std::size_t k = 0; k < input.clients; ++k) mixtures.push_back(random.dirichlet(concentrations));
    // Clients take turns in a random order, so that running out of a class falls on all alike.
    Partition partition(input.clients);
    std::vector<std::uint32_t> order(input.clients);
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    for (std::size_t quota = input.size() / input.clients; quota > 0; --quota) {
      random.shuffle(std::span(order));
      for (const std::uint32_t k : order) {
        auto& from = members[draw_class(mixtures[k], members, random)];
        partition[k].push_back(from.back());
        from.pop_back();
      }
    }
    return partition;
  }
  bool complete() const override { return false; }

 private:
  std::vector<double> prior(const PartitionInput& input,
                            const std::vector<std::vector<std::uint32_t>>& members) const {
    std::vector<double> concentrations;
    for (const auto& of_class : members) {
      const double share = settings_.prior == "uniform"
                               ? 1.0 / static_cast<double>(members.size())
                               : static_cast<double>(of_class.size()) / static_cast<double>(input.size());
      concentrations.push_back(std::max(settings_.alpha * share, 1e-9));
    }
    return concentrations;
  }

  static std::size_t draw_class(const std::vector<double>& mixture,
                                const std::vector<std::vector<std::uint32_t>>& members, Random& random) {
    double total = 0.0;
    double left = 0.0;
    for (std::size_t c = 0; c < members.size(); ++c) {
      total += members[c].empty() ? 0.0 : mixture[c];
      left += static_cast<double>(members[c].size());
    }
    // A mixture whose classes are all used up takes what is left as it lies.
    const bool own = total > 0.0;
    double point = random.uniform() * (own ? total : left);
    std::size_t last = 0;
    for (std::size_t c = 0; c < members.size(); ++c) {
      if (members[c].empty() || (own && mixture[c] <= 0.0)) continue;
      last = c;
      point -= own ? mixture[c] : static_cast<double>(members[c].size());
      if (point < 0.0) break;
    }
    return last;
  }

  DirichletClientSettings settings_;
};

const Registration<PartitionerRegistry, DirichletClientSettings> kDirichletClient{
    {"dirichlet_client",
     "equal sizes, each client with its own Dirichlet(alpha) class mixture (a remainder is "
     "left out)",
     "Hsu, Qi, Brown: Measuring the Effects of Non-Identical Data Distribution for Federated Visual "
     "Classification, arXiv 1909.06335, 2019"},
    [](const DirichletClientSettings& settings) { return std::make_unique<DirichletClient>(settings); }};

}  // namespace
}  // namespace fedloom
