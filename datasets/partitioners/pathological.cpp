// Pathological: every client holds k classes; a class is shuffled and split evenly among its holders.
// Q. Li, Y. Diao, Q. Chen, B. He, "Federated Learning on Non-IID Data Silos: An Experimental Study", ICDE
// 2022
// ("#label = k"): client i holds class i mod C and k - 1 others at random. With fewer clients than classes
// some classes may have no holder; their examples are left out.
#include <numeric>

#include "core/error.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

struct PathologicalSettings {
  std::int64_t classes_per_client = 2;
  std::string choice = "first_in_turn";
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("num_classes_per_partition", "classes_per_client");
    v("classes_per_client", classes_per_client, "classes that a client holds", at_least(1));
    v("choice", choice,
      "first_in_turn: class i mod C and others at random; in_turn: i, i+1, … mod C; random: all at random",
      one_of({"first_in_turn", "in_turn", "random"}));
  }
};

class Pathological final : public Partitioner {
 public:
  explicit Pathological(const PathologicalSettings& settings) : settings_(settings) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    if (settings_.classes_per_client > input.classes)
      throw user_error("data.partition.classes_per_client: found {}, but the data has {} classes",
                       settings_.classes_per_client, input.classes);
    std::vector<std::vector<std::int64_t>> held;
    for (std::size_t k = 0; k < input.clients; ++k) held.push_back(choose(k, input.classes, random));
    auto members = positions_by_class(input.labels, input.classes);
    for (auto& of_class : members) random.shuffle(std::span(of_class));
    Partition partition = deal_classes(held, members);
    require_nobody_empty(partition,
                         "too many clients share its classes: use fewer clients or more classes_per_client");
    return partition;
  }
  bool complete() const override { return false; }

 private:
  std::vector<std::int64_t> choose(std::size_t client, std::int64_t classes, Random& random) const {
    const std::int64_t wanted = settings_.classes_per_client;
    if (settings_.choice == "in_turn") return consecutive_classes(client, wanted, classes);
    std::vector<std::int64_t> pool(static_cast<std::size_t>(classes));
    std::iota(pool.begin(), pool.end(), std::int64_t{0});
    std::size_t fixed = 0;
    if (settings_.choice == "first_in_turn") std::swap(pool[0], pool[client % pool.size()]), fixed = 1;
    random.shuffle(std::span(pool).subspan(fixed));
    pool.resize(static_cast<std::size_t>(wanted));
    return pool;
  }

  PathologicalSettings settings_;
};

const Registration<PartitionerRegistry, PathologicalSettings> kPathological{
    {"pathological", "every client holds k classes (classes that nobody holds are left out)",
     "Li, Diao, Chen, He: Federated Learning on Non-IID Data Silos: An Experimental Study, ICDE 2022"},
    [](const PathologicalSettings& settings) { return std::make_unique<Pathological>(settings); }};

}  // namespace
}  // namespace fedloom
