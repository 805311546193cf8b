// The step of a model that has no better way than its gradient.
#include "models/model.hpp"

#include "models/elementwise.hpp"

namespace fedloom {

void Model::descend(std::span<float> parameters, const Batch& batch, Workspace& workspace,
                    std::span<const float> logit_gradient, std::span<float> scratch, float rate) const {
  backward(parameters, batch, workspace, logit_gradient, scratch, {});
  for (const Slice& slice : layout()->slices())
    if (slice.role == Role::trained)
      add_scaled(parameters.data() + slice.offset, scratch.data() + slice.offset, -rate, slice.size);
}

}  // namespace fedloom
