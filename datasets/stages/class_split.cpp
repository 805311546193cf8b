// The classes of one set, a few in each stage: Split CIFAR-10, Split CIFAR-100 and their like.
// F. Zenke, B. Poole, S. Ganguli, "Continual Learning Through Synaptic Intelligence", ICML 2017.
#include <numeric>

#include "core/error.hpp"
#include "datasets/partition_rules.hpp"
#include "datasets/split.hpp"
#include "datasets/stage_rule.hpp"

namespace fedloom {
namespace {

struct ClassSplitSettings {
  std::uint64_t count = 5;
  std::vector<std::int64_t> order;
  bool shuffle = false;
  template <class Visitor>
  void visit(Visitor& v) {
    v("count", count, "number of stages; the classes are shared out evenly, the first stages one more",
      between(1, 1000));
    v("order", order, "all classes in the order in which they come; left out: 0, 1, 2, …", at_least(0));
    v("shuffle", shuffle, "put that order in another one, drawn from the seed");
  }
};

class ClassSplit final : public StageRule {
 public:
  explicit ClassSplit(const ClassSplitSettings& settings) : settings_(settings) {}

  std::size_t count() const override { return settings_.count; }

  std::vector<StageExamples> cut(const std::vector<SplitExamples>& sources,
                                 std::uint64_t seed) const override {
    const SplitExamples& all = sources.front();
    const std::vector<std::int64_t> order = class_order(all.train->spec(), seed);
    std::vector<StageExamples> stages;
    auto next = order.begin();
    for (const std::size_t size : even_sizes(order.size(), settings_.count)) {
      const std::vector<std::int64_t> classes(next, next + static_cast<std::ptrdiff_t>(size));
      next += static_cast<std::ptrdiff_t>(size);
      const auto belongs = [&](const Examples& store, std::uint32_t i) {
        return std::find(classes.begin(), classes.end(), store.label(i)) != classes.end();
      };
      stages.push_back({only_those(all, belongs), classes, 0});
    }
    return stages;
  }

 private:
  std::vector<std::int64_t> class_order(const DataSpec& spec, std::uint64_t seed) const {
    std::vector<std::int64_t> order = settings_.order.empty() ? all_classes(spec) : settings_.order;
    std::vector<std::int64_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    if (sorted != all_classes(spec))
      throw user_error("continual.stages.order: has to name each of the {} classes 0 … {} once", spec.classes,
                       spec.classes - 1);
    if (settings_.count > order.size())
      throw user_error("continual.stages.count: {} stages, but only {} classes to share out", settings_.count,
                       order.size());
    if (settings_.shuffle) {
      Random random = split_random(seed, SplitTask::permutation);
      random.shuffle(std::span(order));
    }
    return order;
  }

  ClassSplitSettings settings_;
};

const Registration<StageRuleRegistry, ClassSplitSettings> kClassSplit{
    {"class_split", "the classes of one set, a few in each stage",
     "Zenke, Poole, Ganguli: Continual Learning Through Synaptic Intelligence, ICML 2017"},
    [](const ClassSplitSettings& settings) { return std::make_unique<ClassSplit>(settings); }};

}  // namespace
}  // namespace fedloom
