// What several rules need to do to a split.
#include "datasets/stage_rule.hpp"

#include <numeric>

namespace fedloom {

SplitExamples over_altered(
    const SplitExamples& split,
    const std::function<std::shared_ptr<const Examples>(std::shared_ptr<const Examples>)>& alter) {
  SplitExamples altered = split;
  altered.train = alter(split.train);
  altered.validation.examples = altered.train;
  // A test part may be cut from the training store, and then stays there.
  altered.test.examples = split.test.examples == split.train ? altered.train : alter(split.test.examples);
  return altered;
}

SplitExamples only_those(const SplitExamples& split,
                         const std::function<bool(const Examples&, std::uint32_t)>& keep) {
  SplitExamples some = split;
  std::erase_if(some.train_indices, [&](std::uint32_t i) { return !keep(*split.train, i); });
  std::erase_if(some.validation.indices, [&](std::uint32_t i) { return !keep(*split.train, i); });
  std::erase_if(some.test.indices, [&](std::uint32_t i) { return !keep(*split.test.examples, i); });
  return some;
}

std::vector<std::int64_t> all_classes(const DataSpec& spec) {
  std::vector<std::int64_t> classes(static_cast<std::size_t>(spec.classes));
  std::iota(classes.begin(), classes.end(), std::int64_t{0});
  return classes;
}

}  // namespace fedloom
