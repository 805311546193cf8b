// Running layers in order over the arena of a workspace.
#include "models/sequential.hpp"

#include <algorithm>
#include <array>

#include "core/error.hpp"

namespace fedloom {

namespace {

class Sequential;

struct SequentialSpace final : Workspace {
  using Workspace::Workspace;

  const Model* model = nullptr;
  FloatBuffer arena;
  std::vector<float*> outputs;        // of each layer, (max_batch, output_width)
  std::vector<std::uint8_t*> kept;    // of each layer
  float* scratch = nullptr;           // shared by the layers
  std::array<float*, 2> gradients{};  // of a layer's output and input, in turn
  std::size_t batch = 0;              // size of the latest forward
};

class Sequential final : public Model {
 public:
  Sequential(const Shape& input, const std::vector<LayerRecipe>& recipes) {
    Layout::Builder slices;
    Shape shape = input;
    for (const LayerRecipe& recipe : recipes) {
      std::unique_ptr<Layer> layer = recipe(shape, slices);
      shape = layer->output_shape();
      if (!layer->is_view()) layers_.push_back(std::move(layer));
    }
    FEDLOOM_CHECK(!layers_.empty(), "a model needs a layer that computes; {} were given", recipes.size());
    layout_ = slices.build();
    untrained_ = SliceSet(*layout_, [](const Slice& slice) { return slice.role != Role::trained; });
  }

  const std::shared_ptr<const Layout>& layout() const override { return layout_; }
  std::size_t outputs() const override { return layers_.back()->output_width(); }

  void initialize(std::span<float> parameters, Random& random) const override {
    check_parameters(parameters);
    for (const auto& layer : layers_) layer->initialize(parameters, random);
  }

  std::unique_ptr<Workspace> workspace(std::size_t max_batch) const override;

  std::span<const float> forward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                                 const ForwardOptions& options) const override {
    check_parameters(parameters);
    SequentialSpace& space = own(workspace);
    FEDLOOM_CHECK(batch.size >= 1 && batch.size <= space.max_batch(), "a batch of {} for a workspace of {}",
                  batch.size, space.max_batch());
    space.batch = batch.size;
    const ForwardPass pass{parameters.data(), batch, options};
    const float* input = batch.features;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      layers_[i]->forward(pass, input, space.outputs[i], {space.kept[i], space.scratch});
      input = space.outputs[i];
    }
    return {input, batch.size * outputs()};
  }

  std::size_t feature_width() const override {
    return layers_.size() < 2 ? 0 : layers_.back()->input_width();
  }

  std::span<const float> features(const Workspace& workspace) const override {
    const SequentialSpace& space = own(workspace);
    if (layers_.size() < 2) return {};
    return {space.outputs[layers_.size() - 2], space.batch * feature_width()};
  }

  void backward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                std::span<const float> logit_gradient, std::span<float> gradient,
                const BackwardOptions& options) const override;

  double forward_flops() const override {
    double total = 0.0;
    for (const auto& layer : layers_) total += layer->forward_flops();
    return total;
  }

 private:
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

  std::vector<std::unique_ptr<Layer>> layers_;
  std::shared_ptr<const Layout> layout_;
  SliceSet untrained_;
};

std::unique_ptr<Workspace> Sequential::workspace(std::size_t max_batch) const {
  FEDLOOM_CHECK(max_batch >= 1, "a workspace for {} examples", max_batch);
  auto space = std::make_unique<SequentialSpace>(max_batch);
  space->model = this;
  // Twice the same walk: the first adds up the sizes, the second hands out the addresses.
  std::size_t used = 0;
  const auto part = [&](std::size_t floats) -> float* {
    float* start = space->arena.empty() ? nullptr : space->arena.data() + used;
    used += (floats + 15) / 16 * 16;  // whole cache lines
    return start;
  };
  const auto lay_out = [&] {
    used = 0;
    space->outputs.clear();
    space->kept.clear();
    std::size_t widest = 0;
    std::size_t scratch = 0;
    for (const auto& layer : layers_) {
      const LayerNeeds needs = layer->needs(max_batch);
      space->outputs.push_back(part(max_batch * layer->output_width()));
      // NOLINTNEXTLINE: bytes may live in any memory
      space->kept.push_back(reinterpret_cast<std::uint8_t*>(part((needs.kept_bytes + 3) / 4)));
      widest = std::max(widest, layer->output_width());
      scratch = std::max(scratch, needs.scratch_floats);
    }
    for (float*& gradient : space->gradients) gradient = part(max_batch * widest);
    space->scratch = part(scratch);
  };
  lay_out();
  space->arena.resize(used);
  lay_out();
  return space;
}

void Sequential::backward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                          std::span<const float> logit_gradient, std::span<float> gradient,
                          const BackwardOptions& options) const {
  check_parameters(parameters);
  SequentialSpace& space = own(workspace);
  const std::size_t B = batch.size;
  const std::size_t input_width = layers_.front()->input_width();
  FEDLOOM_CHECK(B == space.batch, "backward of {} examples after forward of {}", B, space.batch);
  FEDLOOM_CHECK(logit_gradient.size() == B * outputs(), "{} logit gradients for {} examples of {} outputs",
                logit_gradient.size(), B, outputs());
  FEDLOOM_CHECK(gradient.empty() || gradient.size() == layout_->size(), "a gradient of {} for a layout of {}",
                gradient.size(), layout_->size());
  FEDLOOM_CHECK(options.example_weights.empty() || options.example_weights.size() == B,
                "{} example weights for {} examples", options.example_weights.size(), B);
  FEDLOOM_CHECK(options.example_square_norms.empty() || options.example_square_norms.size() == B,
                "{} example norms for {} examples", options.example_square_norms.size(), B);
  FEDLOOM_CHECK(options.input_gradient.empty() || options.input_gradient.size() == B * input_width,
                "an input gradient of {} for {} examples of {}", options.input_gradient.size(), B,
                input_width);

  // Examples do not meet below the loss, so weighing an example's logit gradient weighs all that it
  // contributes.
  float* current = space.gradients[0];
  std::copy(logit_gradient.begin(), logit_gradient.end(), current);
  for (std::size_t i = 0; i < options.example_weights.size(); ++i)
    for (std::size_t j = 0; j < outputs(); ++j) current[i * outputs() + j] *= options.example_weights[i];
  std::fill(options.example_square_norms.begin(), options.example_square_norms.end(), 0.0);
  if (!gradient.empty())
    for (const SliceSet::Run& run : untrained_.runs())
      std::fill_n(gradient.data() + run.offset, run.size, 0.0F);

  const BackwardPass pass{
      parameters.data(), batch, gradient.empty() ? nullptr : gradient.data(),
      options.example_square_norms.empty() ? nullptr : options.example_square_norms.data()};
  for (std::size_t i = layers_.size(); i-- > 0;) {
    float* below = i > 0 ? space.gradients[current == space.gradients[0] ? 1 : 0]
                         : (options.input_gradient.empty() ? nullptr : options.input_gradient.data());
    layers_[i]->backward(pass, i > 0 ? space.outputs[i - 1] : batch.features, space.outputs[i], current,
                         below, {space.kept[i], space.scratch});
    current = below;
  }
}

}  // namespace

std::unique_ptr<Model> sequential(const Shape& input, const std::vector<LayerRecipe>& layers) {
  return std::make_unique<Sequential>(input, layers);
}

}  // namespace fedloom
