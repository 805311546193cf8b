// The natural groups of one set one after the other: photographs, then paintings, then sketches. All stages
// have the same classes, which look different each time.
#include <set>

#include "core/error.hpp"
#include "datasets/stage_rule.hpp"

namespace fedloom {
namespace {

struct DomainsSettings {
  std::vector<std::uint64_t> order = {0, 1, 2, 3};
  template <class Visitor>
  void visit(Visitor& v) {
    v("order", order,
      "numbers of the groups in the order in which they come, each once (pacs: 0 photo, 1 art_painting, 2 "
      "cartoon, 3 sketch)",
      at_least(0));
  }
};

class Domains final : public StageRule {
 public:
  explicit Domains(const DomainsSettings& settings) : order_(settings.order) {
    const std::set<std::uint64_t> different(order_.begin(), order_.end());
    if (order_.empty() || different.size() != order_.size())
      throw user_error("continual.stages.order: has to name at least one group, and each only once");
  }

  std::size_t count() const override { return order_.size(); }

  std::vector<StageExamples> cut(const std::vector<SplitExamples>& sources, std::uint64_t) const override {
    const SplitExamples& all = sources.front();
    std::vector<StageExamples> stages;
    for (const std::uint64_t group : order_) {
      const auto belongs = [group](const Examples& store, std::uint32_t i) {
        return store.group(i) == group;
      };
      stages.push_back({only_those(all, belongs), all_classes(all.train->spec()), 0});
      if (stages.back().split.train_indices.empty())
        throw user_error("continual.stages.order: the data set has no training examples of group {}", group);
    }
    return stages;
  }

 private:
  std::vector<std::uint64_t> order_;
};

const Registration<StageRuleRegistry, DomainsSettings> kDomains{
    {"domains", "the natural groups (domains) of one set one after the other", ""},
    [](const DomainsSettings& settings) { return std::make_unique<Domains>(settings); }};

}  // namespace
}  // namespace fedloom
