// Several clients inside each natural group (domain, writer): class by class in Dirichlet(alpha) shares over
// the clients of the group, so that clients differ in their features from group to group and in their labels
// within one. J. Bian, L. Wang, L. Zhang, J. Xu, "LoRA-FAIR: Federated LoRA Fine-Tuning with Aggregation and
// Initialization Refinement", ICCV 2025 (five clients per domain, alpha 0.5, at least 10 examples). Clients
// are numbered group by group. Addition: fewer clients than groups take whole groups, as natural deals them.
#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "datasets/dirichlet_draw.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

struct NaturalDirichletSettings {
  double alpha = 0.5;
  std::uint64_t clients_per_group = 0;
  std::uint64_t min_examples = 10;
  std::uint64_t max_attempts = 1000;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("beta", "alpha");
    v.alias("min_size", "min_examples");
    v("alpha", alpha, "concentration; 0.1 is hard, 0.5 usual, large is IID within the group",
      between(1e-4, 1e6));
    v("clients_per_group", clients_per_group,
      "clients in each group; 0: data.clients spread evenly over the groups (1 each without it)",
      at_least(0));
    v("min_examples", min_examples, "draw a group again until each of its clients has this many",
      at_least(1));
    v("max_attempts", max_attempts, "draws before giving up with an error", between(1, 1e6));
  }
};

class NaturalDirichlet final : public Partitioner {
 public:
  explicit NaturalDirichlet(const NaturalDirichletSettings& settings) : settings_(settings) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    require_enough_examples(input);
    Partition groups = members(input);
    const std::uint64_t each = settings_.clients_per_group;
    if (each > 0 && input.clients != each * groups.size())
      throw user_error(
          "data.clients: found {}, but {} groups with clients_per_group {} are {} clients; leave one of the "
          "two out",
          input.clients, groups.size(), each, each * groups.size());
    if (input.clients < groups.size()) groups = dealt_whole(std::move(groups), input.clients, random);
    Partition partition;
    const auto counts = even_sizes(input.clients, groups.size());
    for (std::size_t g = 0; g < groups.size(); ++g) add_group(partition, input, groups[g], counts[g], random);
    return partition;
  }
  std::size_t default_clients(const PartitionInput& input) const override {
    return members(input).size() * std::max<std::uint64_t>(1, settings_.clients_per_group);
  }

 private:
  /// The positions of each group, ordered by its id.
  static Partition members(const PartitionInput& input) {
    if (input.groups.empty())
      throw user_error(
          "data.partition: natural_dirichlet needs data that says whose each example is (domains, people), "
          "which this data does not; use dirichlet");
    std::map<std::uint32_t, std::vector<std::uint32_t>> of_id;
    for (std::uint32_t i = 0; i < input.size(); ++i) of_id[input.groups[i]].push_back(i);
    Partition lists;
    for (auto& [id, list] : of_id) lists.push_back(std::move(list));
    return lists;
  }

  static Partition dealt_whole(Partition groups, std::size_t clients, Random& random) {
    random.shuffle(std::span(groups));
    Partition joined;
    std::size_t next = 0;
    for (const std::size_t count : even_sizes(groups.size(), clients)) {
      auto& mine = joined.emplace_back();
      for (std::size_t i = 0; i < count; ++i, ++next)
        mine.insert(mine.end(), groups[next].begin(), groups[next].end());
    }
    return joined;
  }

  void add_group(Partition& partition, const PartitionInput& input, const std::vector<std::uint32_t>& group,
                 std::size_t clients, Random& random) const {
    if (clients * settings_.min_examples > group.size())
      throw user_error(
          "data.partition.min_examples: {} clients with {} examples each need more than the {} of their "
          "group; lower it or use fewer clients",
          clients, settings_.min_examples, group.size());
    std::vector<std::int32_t> labels;
    for (const std::uint32_t i : group) labels.push_back(input.labels[i]);
    const DirichletDraw draw =
        dirichlet_by_class(labels, input.classes, clients,
                           {settings_.alpha, settings_.min_examples, true, settings_.max_attempts}, random);
    if (draw.partition.empty())
      throw user_error(
          "data.partition: in {} draws of Dir({}) over {} clients of a group of {} examples the smallest had "
          "at most {}, below min_examples {}; lower min_examples, raise alpha or use fewer clients",
          draw.attempts, settings_.alpha, clients, group.size(), draw.smallest, settings_.min_examples);
    for (const auto& piece : draw.partition) {
      auto& mine = partition.emplace_back();
      for (const std::uint32_t position : piece) mine.push_back(group[position]);
    }
  }

  NaturalDirichletSettings settings_;
};

const Registration<PartitionerRegistry, NaturalDirichletSettings> kNaturalDirichlet{
    {"natural_dirichlet",
     "several clients inside each natural group, each class of it in Dirichlet(alpha) shares",
     "Bian, Wang, Zhang, Xu: LoRA-FAIR: Federated LoRA Fine-Tuning with Aggregation and Initialization "
     "Refinement, ICCV 2025"},
    [](const NaturalDirichletSettings& settings) { return std::make_unique<NaturalDirichlet>(settings); }};

}  // namespace
}  // namespace fedloom
