// One set again and again, each time with the features of all its examples in another fixed order: Permuted
// MNIST and its like. I. J. Goodfellow, M. Mirza, D. Xiao, A. Courville, Y. Bengio, "An Empirical
// Investigation of Catastrophic Forgetting in Gradient-Based Neural Networks", ICLR 2014. Orders are drawn
// from the experiment's seed and are the same for all clients.
#include <numeric>

#include "core/error.hpp"
#include "datasets/altered_examples.hpp"
#include "datasets/split.hpp"
#include "datasets/stage_rule.hpp"

namespace fedloom {
namespace {

struct PermutedSettings {
  std::uint64_t count = 10;
  bool keep_first = true;
  template <class Visitor>
  void visit(Visitor& v) {
    v("count", count, "number of stages", between(1, 1000));
    v("keep_first", keep_first, "the first stage has the features in their own order");
  }
};

class Permuted final : public StageRule {
 public:
  explicit Permuted(const PermutedSettings& settings) : settings_(settings) {}

  std::size_t count() const override { return settings_.count; }

  std::vector<StageExamples> cut(const std::vector<SplitExamples>& sources,
                                 std::uint64_t seed) const override {
    const SplitExamples& all = sources.front();
    const DataSpec& spec = all.train->spec();
    if (spec.vocabulary > 0)
      throw user_error("continual.stages: permuted reorders features, and the data set consists of tokens");
    std::vector<StageExamples> stages;
    for (std::size_t stage = 0; stage < settings_.count; ++stage)
      stages.push_back(
          {stage == 0 && settings_.keep_first ? all : permuted(all, seed, stage), all_classes(spec), 0});
    return stages;
  }

 private:
  static SplitExamples permuted(const SplitExamples& all, std::uint64_t seed, std::size_t stage) {
    std::vector<std::uint32_t> order(static_cast<std::size_t>(all.train->spec().width()));
    std::iota(order.begin(), order.end(), 0U);
    Random random = split_random(seed, SplitTask::permutation, stage);
    random.shuffle(std::span(order));
    return over_altered(all, [&](std::shared_ptr<const Examples> store) {
      const DataSpec spec = store->spec();
      return std::make_shared<AlteredExamples>(std::move(store), spec, order, std::vector<std::int32_t>{});
    });
  }

  PermutedSettings settings_;
};

const Registration<StageRuleRegistry, PermutedSettings> kPermuted{
    {"permuted", "the same examples with their features in another order each time",
     "Goodfellow, Mirza, Xiao, Courville, Bengio: An Empirical Investigation of Catastrophic Forgetting in "
     "Gradient-Based Neural Networks, ICLR 2014"},
    [](const PermutedSettings& settings) { return std::make_unique<Permuted>(settings); }};

}  // namespace
}  // namespace fedloom
