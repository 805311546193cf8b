// A model whose outputs are those of several heads, one after the other: of an example only the head counts
// that its label belongs to. In learning stage by stage that is a head per stage, with the stage known in
// training and in tests. The heads are rows of the model's last layer, so any model will do.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/model.hpp"

namespace fedloom {

/// Where a batch has targets, the logits of an example outside its target's head become -1e30: they have no
/// probability, no gradient, and never win. Without targets logits come as they are. `heads`: outputs of each
/// head, in order; their sum must be model->outputs() (programmer error).
std::unique_ptr<Model> task_heads(std::shared_ptr<const Model> model, const std::vector<std::int64_t>& heads);

}  // namespace fedloom
