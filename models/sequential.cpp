// A chain of layers with a workspace around it.
#include "models/sequential.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "models/layers/chain.hpp"

namespace fedloom {

namespace {

struct SequentialSpace final : Workspace {
  using Workspace::Workspace;

  const Model* model = nullptr;
  FloatBuffer arena;
  LayerStorage storage{};
  float* output = nullptr;    // (max_batch, outputs)
  float* gradient = nullptr;  // of the output, where layers may overwrite it
  std::size_t batch = 0;      // of the latest forward
  bool training = false;      // likewise
};

class Sequential final : public Model {
 public:
  Sequential(const ModelContext& context, const std::vector<LayerRecipe>& recipes) {
    ParameterPlan plan(context.adaptation);
    chain_ = std::make_unique<Chain>("model", context.data.shape, recipes, plan);
    FEDLOOM_CHECK(chain_->size() > 0, "a model needs a layer that computes; {} were given", recipes.size());
    layout_ = plan.build();
    untrained_ = SliceSet(*layout_, [](const Slice& slice) { return slice.role != Role::trained; });
  }

  const std::shared_ptr<const Layout>& layout() const override { return layout_; }
  std::size_t outputs() const override { return chain_->output_width(); }
  double forward_flops() const override { return chain_->forward_flops(); }
  std::string mixing_layer() const override { return chain_->mixing_layer(); }

  void initialize(std::span<float> parameters, Random& random) const override {
    check_parameters(parameters);
    chain_->initialize(parameters, random);
  }

  std::unique_ptr<Workspace> workspace(std::size_t max_batch) const override {
    FEDLOOM_CHECK(max_batch >= 1, "a workspace for {} examples", max_batch);
    auto space = std::make_unique<SequentialSpace>(max_batch);
    const LayerNeeds needs = chain_->needs(max_batch);
    const std::size_t kept = aligned_floats((needs.kept_bytes + sizeof(float) - 1) / sizeof(float));
    const std::size_t ends = aligned_floats(max_batch * outputs());
    const std::size_t scratch = aligned_floats(needs.scratch_floats);
    space->model = this;
    space->arena.resize(kept + scratch + 2 * ends);
    float* start = space->arena.data();
    // NOLINTNEXTLINE: bytes may live in any memory
    space->storage = {reinterpret_cast<std::uint8_t*>(start), start + kept, max_batch};
    space->output = start + kept + scratch;
    space->gradient = space->output + ends;
    return space;
  }

  std::span<const float> forward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                                 const ForwardOptions& options) const override {
    check_parameters(parameters);
    SequentialSpace& space = own(workspace);
    FEDLOOM_CHECK(batch.size >= 1 && batch.size <= space.max_batch(), "a batch of {} for a workspace of {}",
                  batch.size, space.max_batch());
    FEDLOOM_CHECK(options.statistics.empty() || options.statistics.size() == layout_->size(),
                  "statistics of {} for a layout of {}", options.statistics.size(), layout_->size());
    space.batch = batch.size;
    space.training = options.training;
    chain_->forward({parameters.data(), batch, options}, batch.features, space.output, space.storage);
    return {space.output, batch.size * outputs()};
  }

  std::size_t feature_width() const override {
    return chain_->size() < 2 ? 0 : chain_->layer(chain_->size() - 1).input_width();
  }

  std::span<const float> features(const Workspace& workspace) const override {
    const SequentialSpace& space = own(workspace);
    if (chain_->size() < 2) return {};
    return {chain_->output_of(chain_->size() - 2, space.storage), space.batch * feature_width()};
  }

  void backward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                std::span<const float> logit_gradient, std::span<float> gradient,
                const BackwardOptions& options) const override;
  void descend(std::span<float> parameters, const Batch& batch, Workspace& workspace,
               std::span<const float> logit_gradient, std::span<float> scratch, float rate) const override;

 private:
  void check_backward(std::span<const float> parameters, const Batch& batch, const SequentialSpace& space,
                      std::span<const float> logit_gradient) const {
    check_parameters(parameters);
    FEDLOOM_CHECK(batch.size == space.batch, "backward of {} examples after forward of {}", batch.size,
                  space.batch);
    FEDLOOM_CHECK(logit_gradient.size() == batch.size * outputs(),
                  "{} logit gradients for {} examples of {} outputs", logit_gradient.size(), batch.size,
                  outputs());
  }
  void check_parameters(std::span<const float> parameters) const {
    FEDLOOM_CHECK(parameters.size() == layout_->size(), "{} parameters for a layout of {}", parameters.size(),
                  layout_->size());
  }

  const SequentialSpace& own(const Workspace& workspace) const {
    const auto* space = dynamic_cast<const SequentialSpace*>(&workspace);
    FEDLOOM_CHECK(space != nullptr && space->model == this, "the workspace belongs to another model");
    return *space;
  }
  SequentialSpace& own(Workspace& workspace) const {
    return const_cast<SequentialSpace&>(
        own(static_cast<const Workspace&>(workspace)));  // NOLINT: it came in mutable
  }

  std::unique_ptr<Chain> chain_;
  std::shared_ptr<const Layout> layout_;
  SliceSet untrained_;
};

void Sequential::backward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                          std::span<const float> logit_gradient, std::span<float> gradient,
                          const BackwardOptions& options) const {
  SequentialSpace& space = own(workspace);
  check_backward(parameters, batch, space, logit_gradient);
  const std::size_t B = batch.size;
  const std::size_t input_width = chain_->input_width();
  FEDLOOM_CHECK(gradient.empty() || gradient.size() == layout_->size(), "a gradient of {} for a layout of {}",
                gradient.size(), layout_->size());
  FEDLOOM_CHECK(options.example_weights.empty() || options.example_weights.size() == B,
                "{} example weights for {} examples", options.example_weights.size(), B);
  FEDLOOM_CHECK(options.example_square_norms.empty() || options.example_square_norms.size() == B,
                "{} example norms for {} examples", options.example_square_norms.size(), B);
  FEDLOOM_CHECK(options.input_gradient.empty() || options.input_gradient.size() == B * input_width,
                "an input gradient of {} for {} examples of {}", options.input_gradient.size(), B,
                input_width);
  FEDLOOM_CHECK(options.input_gradient.empty() || batch.features != nullptr, "tokens have no gradient");

  // Examples do not meet below the loss, so weighing an example's logit gradient weighs all that it
  // contributes.
  float* current = space.gradient;
  std::copy(logit_gradient.begin(), logit_gradient.end(), current);
  for (std::size_t i = 0; i < options.example_weights.size(); ++i)
    for (std::size_t j = 0; j < outputs(); ++j) current[i * outputs() + j] *= options.example_weights[i];
  std::fill(options.example_square_norms.begin(), options.example_square_norms.end(), 0.0);
  if (!gradient.empty())
    for (const SliceSet::Run& run : untrained_.runs())
      std::fill_n(gradient.data() + run.offset, run.size, 0.0F);

  const BackwardPass pass{
      parameters.data(), batch, gradient.empty() ? nullptr : gradient.data(),
      options.example_square_norms.empty() ? nullptr : options.example_square_norms.data(), space.training};
  chain_->backward(pass, batch.features, space.output, current,
                   options.input_gradient.empty() ? nullptr : options.input_gradient.data(), space.storage);
}

void Sequential::descend(std::span<float> parameters, const Batch& batch, Workspace& workspace,
                         std::span<const float> logit_gradient, std::span<float> scratch, float rate) const {
  SequentialSpace& space = own(workspace);
  check_backward(parameters, batch, space, logit_gradient);
  FEDLOOM_CHECK(scratch.size() == layout_->size(), "a gradient of {} for a layout of {}", scratch.size(),
                layout_->size());
  std::copy(logit_gradient.begin(), logit_gradient.end(), space.gradient);
  const Descent descent{parameters.data(), rate};
  const BackwardPass pass{parameters.data(), batch, scratch.data(), nullptr, space.training, &descent};
  chain_->backward(pass, batch.features, space.output, space.gradient, nullptr, space.storage);
}

}  // namespace

std::unique_ptr<Model> sequential(const ModelContext& context, const std::vector<LayerRecipe>& layers) {
  return std::make_unique<Sequential>(context, layers);
}

}  // namespace fedloom
