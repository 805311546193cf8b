// Class fractions: client k receives the share f[k][c] of class c, as the experiment writes it down. The
// label skew of Y. Sun, Z. Li, Y. Li, B. Ding, "Improving LoRA in Privacy-preserving Federated Learning",
// ICLR 2024: [0.1, 0.9], [0.9, 0.1], [0.5, 0.5] for two classes, rows (0.9, 0.05, 0.05) permuted for three.
// Deviation: where the fractions of a class sum to more than 1 (1.5 in the first example) they are divided by
// their sum, while code that slices in order leaves the last client short; where they sum to less, the rest
// is left out.
#include <algorithm>

#include "core/error.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

constexpr double kDominant = 0.9;
constexpr double kRounding = 1e-9;  // sums that miss 1 by less than this are 1

using Fractions = std::vector<std::vector<double>>;  // (clients) x (classes)

struct ClassFractionsSettings {
  Fractions fractions;
  template <class Visitor>
  void visit(Visitor& v) {
    v("fractions", fractions,
      "a row for each client: its share of every class; classes whose shares sum to more than 1 are scaled "
      "down to 1. Left out: 0.9 of the class that is the client's in turn and the rest evenly",
      between(0, 1));
  }
};

class ClassFractions final : public Partitioner {
 public:
  explicit ClassFractions(const ClassFractionsSettings& settings) : fractions_(settings.fractions) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    const Fractions rows = fractions_.empty() ? one_dominant_class(input) : fractions_;
    check_form(rows, input);
    auto members = positions_by_class(input.labels, input.classes);
    Partition partition(input.clients);
    for (std::size_t c = 0; c < members.size(); ++c) {
      random.shuffle(std::span(members[c]));
      const Partition pieces = cut(members[c], proportional_cut(members[c].size(), column(rows, c)));
      for (std::size_t k = 0; k < input.clients; ++k)
        partition[k].insert(partition[k].end(), pieces[k].begin(), pieces[k].end());
    }
    require_nobody_empty(partition, "give every client a share of a class with enough examples");
    return partition;
  }
  std::size_t default_clients(const PartitionInput& input) const override {
    return fractions_.empty() ? Partitioner::default_clients(input) : fractions_.size();
  }
  bool complete() const override { return false; }

 private:
  static Fractions one_dominant_class(const PartitionInput& input) {
    const auto classes = static_cast<std::size_t>(input.classes);
    if (classes == 1) return Fractions(input.clients, {1.0});
    const double other = (1.0 - kDominant) / static_cast<double>(classes - 1);
    Fractions rows(input.clients, std::vector<double>(classes, other));
    for (std::size_t k = 0; k < rows.size(); ++k) rows[k][k % classes] = kDominant;
    return rows;
  }

  static void check_form(const Fractions& rows, const PartitionInput& input) {
    if (rows.size() != input.clients)
      throw user_error("data.partition.fractions: found {} rows for {} clients; write one for each",
                       rows.size(), input.clients);
    for (std::size_t k = 0; k < rows.size(); ++k)
      if (rows[k].size() != static_cast<std::size_t>(input.classes))
        throw user_error("data.partition.fractions: row {} has {} numbers for {} classes", k, rows[k].size(),
                         input.classes);
  }

  /// Shares of class c, one for each client and one for nobody; they sum to 1.
  static std::vector<double> column(const Fractions& rows, std::size_t c) {
    std::vector<double> shares;
    double sum = 0.0;
    for (const auto& row : rows) sum += shares.emplace_back(row[c]);
    if (sum > 1.0)
      for (double& share : shares) share /= sum;
    const double left = std::max(0.0, 1.0 - sum);
    // The last piece of a cut takes what rounding leaves, which is nobody's only where something is.
    if (left > kRounding) shares.push_back(left);
    return shares;
  }

  Fractions fractions_;
};

const Registration<PartitionerRegistry, ClassFractionsSettings> kClassFractions{
    {"class_fractions", "each client the given share of each class (what nobody is given is left out)",
     "Sun, Li, Li, Ding: Improving LoRA in Privacy-preserving Federated Learning, ICLR 2024"},
    [](const ClassFractionsSettings& settings) { return std::make_unique<ClassFractions>(settings); }};

}  // namespace
}  // namespace fedloom
