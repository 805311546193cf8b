// Running layers in order. Kept memory holds, layer by layer, the output (but for the last layer's) and what
// the layer keeps; scratch holds two gradients that take turns, then the scratch of the layer that runs.
#include "models/layers/chain.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"

namespace fedloom {

Chain::Chain(std::string name, const Shape& input, const std::vector<LayerRecipe>& recipes,
             ParameterPlan& plan)
    : Chain(std::move(name), input, build(input, recipes, plan)) {}

Chain::Chain(std::string name, const Shape& input, Built built)
    : Layer(std::move(name), input, std::move(built.output)),
      layers_(std::move(built.layers)),
      trained_(std::move(built.trained)),
      first_trained_(built.first_trained) {}

Chain::Built Chain::build(const Shape& input, const std::vector<LayerRecipe>& recipes, ParameterPlan& plan) {
  Built built;
  built.output = input;
  for (const LayerRecipe& recipe : recipes) {
    const std::size_t trained = plan.trained().size();
    std::unique_ptr<Layer> layer = recipe(built.output, plan);
    built.output = layer->output_shape();
    if (layer->is_view()) continue;
    if (plan.trained().size() > trained)
      built.first_trained = std::min(built.first_trained, built.layers.size());
    built.layers.push_back(std::move(layer));
    built.trained.emplace_back(plan.trained().begin() + static_cast<std::ptrdiff_t>(trained),
                               plan.trained().end());
  }
  return built;
}

std::size_t Chain::output_bytes(std::size_t i, std::size_t max_batch) const {
  if (i + 1 == layers_.size()) return 0;
  return aligned_bytes(max_batch * layers_[i]->output_width() * sizeof(float));
}

std::size_t Chain::gradient_floats(std::size_t max_batch) const {
  std::size_t widest = 0;
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) widest = std::max(widest, layers_[i]->output_width());
  return aligned_floats(max_batch * widest);
}

std::string Chain::mixing_layer() const {
  for (const auto& layer : layers_)
    if (std::string name = layer->mixing_layer(); !name.empty()) return name;
  return {};
}

LayerNeeds Chain::needs(std::size_t max_batch) const {
  LayerNeeds total;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const LayerNeeds needs = layers_[i]->needs(max_batch);
    total.kept_bytes += output_bytes(i, max_batch) + aligned_bytes(needs.kept_bytes);
    total.scratch_floats = std::max(total.scratch_floats, needs.scratch_floats);
  }
  total.scratch_floats += 2 * gradient_floats(max_batch);
  return total;
}

void Chain::initialize(std::span<float> parameters, Random& random) const {
  for (const auto& layer : layers_) layer->initialize(parameters, random);
}

double Chain::forward_flops() const {
  double total = 0.0;
  for (const auto& layer : layers_) total += layer->forward_flops();
  return total;
}

void Chain::forward(const ForwardPass& pass, const float* input, float* output,
                    const LayerStorage& storage) const {
  std::uint8_t* kept = storage.kept;
  float* scratch = storage.scratch + 2 * gradient_floats(storage.max_batch);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const bool last = i + 1 == layers_.size();
    float* out = last ? output : reinterpret_cast<float*>(kept);  // NOLINT: kept memory is untyped
    kept += output_bytes(i, storage.max_batch);
    layers_[i]->forward(pass, input, out, {kept, scratch, storage.max_batch});
    kept += aligned_bytes(layers_[i]->needs(storage.max_batch).kept_bytes);
    input = out;
  }
}

const float* Chain::output_of(std::size_t i, const LayerStorage& storage) const {
  FEDLOOM_CHECK(i + 1 < layers_.size(), "the output of layer {} of {}", i, layers_.size());
  const std::uint8_t* kept = storage.kept;
  for (std::size_t before = 0; before < i; ++before)
    kept += output_bytes(before, storage.max_batch) +
            aligned_bytes(layers_[before]->needs(storage.max_batch).kept_bytes);
  return reinterpret_cast<const float*>(kept);  // NOLINT: kept memory is untyped
}

void Chain::backward(const BackwardPass& pass, const float* input, const float* output,
                     float* output_gradient, float* input_gradient, const LayerStorage& storage) const {
  const std::size_t gradient_size = gradient_floats(storage.max_batch);
  float* scratch = storage.scratch + 2 * gradient_size;
  float* turns[] = {storage.scratch, storage.scratch + gradient_size};
  std::uint8_t* kept = storage.kept + needs(storage.max_batch).kept_bytes;  // walked from the end
  const float* out = output;
  float* current = output_gradient;
  for (std::size_t i = layers_.size(); i-- > 0;) {
    // Below the first trained layer only the input's gradient could be wanted.
    if (input_gradient == nullptr && (first_trained_ == kNone || i < first_trained_)) return;
    kept -= aligned_bytes(layers_[i]->needs(storage.max_batch).kept_bytes);
    std::uint8_t* own = kept;
    kept -= output_bytes(i, storage.max_batch);
    const float* in = i > 0 ? output_of_below(i, kept, storage) : input;
    float* below = i == 0 ? input_gradient : turns[i % 2];
    if (input_gradient == nullptr && i == first_trained_) below = nullptr;
    backward_layer(i, pass, in, out, current, below, {own, scratch, storage.max_batch});
    current = below;
    out = in;
  }
}

void Chain::backward_layer(std::size_t i, const BackwardPass& pass, const float* input, const float* output,
                           float* output_gradient, float* input_gradient, const LayerStorage& storage) const {
  if (pass.descent == nullptr || layers_[i]->steps(pass.batch.size)) {
    layers_[i]->backward(pass, input, output, output_gradient, input_gradient, storage);
    return;
  }
  BackwardPass without = pass;
  without.descent = nullptr;
  layers_[i]->backward(without, input, output, output_gradient, input_gradient, storage);
  for (const Held& slice : trained_[i])
    add_scaled(pass.descent->parameters + slice.offset, pass.gradient + slice.offset, -pass.descent->rate,
               slice.size);
}

const float* Chain::output_of_below(std::size_t i, const std::uint8_t* end,
                                    const LayerStorage& storage) const {
  const std::size_t kept = aligned_bytes(layers_[i - 1]->needs(storage.max_batch).kept_bytes);
  // NOLINTNEXTLINE: kept memory is untyped
  return reinterpret_cast<const float*>(end - kept - output_bytes(i - 1, storage.max_batch));
}

LayerRecipe chain(std::string name, std::vector<LayerRecipe> layers) {
  return [name = std::move(name), layers = std::move(layers)](const Shape& input, ParameterPlan& plan) {
    return std::make_unique<Chain>(name, input, layers, plan);
  };
}

}  // namespace fedloom
