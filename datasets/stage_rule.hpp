// How data comes as a sequence of stages, by name: permutations of one set, its classes a few at a time, one
// set after the other. What papers on continual learning call a task is a stage here, because a task is what
// one client does in one round. One file for each rule in stages/; clients come in in continual.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/registry.hpp"
#include "datasets/examples.hpp"

namespace fedloom {

/// The examples of one stage, not yet spread over clients.
struct StageExamples {
  SplitExamples split;                // example i of its stores is example i of those of `source`
  std::vector<std::int64_t> classes;  // labels that may occur, in the order of this stage's own head
  std::size_t source = 0;             // of the sources: 0 is data.source
};

class StageRule {
 public:
  virtual ~StageRule() = default;
  /// Number of stages, at least 1.
  virtual std::size_t count() const = 0;
  /// Data sets beside data.source, which are sources 1, 2, …
  virtual std::vector<ComponentSpec> more_sources() const { return {}; }
  /// The stages in order, all of one shape. A pure function. Throws UserError when the sources do not fit.
  virtual std::vector<StageExamples> cut(const std::vector<SplitExamples>& sources,
                                         std::uint64_t seed) const = 0;
};

using StageRuleRegistry = Registry<std::unique_ptr<StageRule>>;

/// The same split over stores that `alter` makes of its stores, example by example.
SplitExamples over_altered(
    const SplitExamples& split,
    const std::function<std::shared_ptr<const Examples>(std::shared_ptr<const Examples>)>& alter);

/// The examples of all parts for which `keep(store, index)` holds.
SplitExamples only_those(const SplitExamples& split,
                         const std::function<bool(const Examples&, std::uint32_t)>& keep);

/// 0 .. classes-1.
std::vector<std::int64_t> all_classes(const DataSpec& spec);

}  // namespace fedloom
