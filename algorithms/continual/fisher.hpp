// The diagonal of the Fisher information of a model on a client's examples: how much the likelihood of its
// outputs depends on each parameter. What a method does with it is the method's.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "algorithms/local_objective.hpp"

namespace fedloom {

/// Settings of those who use it.
struct FisherSettings {
  std::string labels = "given";
  std::uint64_t examples = 0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("labels", labels,
      "whose gradients are squared: those of the given labels (empirical Fisher), or of labels drawn from "
      "the "
      "model's own outputs (the definition)",
      one_of({"given", "drawn"}));
    v("examples", examples, "use at most so many examples of a client, drawn at random; 0: all");
  }
};

/// Mean over the client's examples of the squared gradient of -log p(label | x) at `parameters`, in
/// evaluation mode, for each exchanged slice in their order; 0 for those that are not trained. Zeros when
/// there is no example.
Tensor fisher_diagonal(TaskRun& run, std::span<const float> parameters, const FisherSettings& settings);

}  // namespace fedloom
