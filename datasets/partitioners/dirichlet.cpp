// Class-wise Dirichlet: the share of each class that goes to each client is drawn from Dir(beta). Small beta
// is strong label and size skew, beta -> infinity is IID. M. Yurochkin et al., "Bayesian Nonparametric
// Federated Learning of Neural Networks", ICML 2019; with the balance cap and minimum size of Q. Li, Y. Diao,
// Q. Chen, B. He, "Federated Learning on Non-IID Data Silos: An Experimental Study", ICDE 2022. The draw is
// dirichlet_draw.hpp, which says where it deviates; inside natural groups it is natural_dirichlet.cpp.
#include "core/error.hpp"
#include "datasets/dirichlet_draw.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

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
    DirichletDraw draw = dirichlet_by_class(
        input.labels, input.classes, input.clients,
        {settings_.beta, settings_.min_size, settings_.balance, settings_.max_attempts}, random);
    if (draw.partition.empty())
      throw user_error(
          "data.partition: in {} draws of Dir({}) over {} clients the smallest client had at most {} "
          "examples, below min_size {}; lower min_size, raise beta or use fewer clients",
          draw.attempts, settings_.beta, input.clients, draw.smallest, settings_.min_size);
    return std::move(draw.partition);
  }

 private:
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
