// A model whose outputs are those of several heads, one after the other: of an example only the head counts
// that its label belongs to. In learning stage by stage that is a head per stage, with the stage known in
// training and in tests. The heads are rows of the model's last layer, so any model will do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "models/model.hpp"

namespace fedloom {

/// Where a batch has targets, the logits of an example outside its target's head become -1e30: they have no
/// probability, no gradient, and never win. Without targets logits come as they are. `heads`: outputs of each
/// head, in order; their sum must be model->outputs() (programmer error).
std::unique_ptr<Model> task_heads(std::shared_ptr<const Model> model, const std::vector<std::int64_t>& heads);

/// What the latest forward in a workspace of task_heads() gave before anything was masked.
struct HeadLogits {
  std::span<const float> values;                                 // (B, outputs)
  std::span<const std::pair<std::size_t, std::size_t>> head_of;  // of each output, [begin, end) of its head
};
/// Nothing for workspaces of other models.
std::optional<HeadLogits> logits_of_heads(const Workspace& workspace);

}  // namespace fedloom
