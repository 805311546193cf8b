// Legend: B images (C, height, width) of N patches of P x P pixels, K = C P P, D features; patches u (B N,
// K), W (D, K), b (D), y (B N, D); d* is the gradient of *.
//   y = u W^T + b;   dW = dy^T u;   db = sum of dy;   du = dy W
#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/initializer.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/outer_norm.hpp"

namespace fedloom {

namespace {

class PatchEmbedding final : public Layer {
 public:
  PatchEmbedding(const std::string& name, const Shape& image, std::int64_t patch, std::int64_t features,
                 ParameterPlan& plan)
      : Layer(name, image, {image[1] / patch * (image[2] / patch), features}),
        patch_(static_cast<std::size_t>(patch)),
        features_(static_cast<std::size_t>(features)),
        inputs_(static_cast<std::size_t>(image[0] * patch * patch)),
        weight_(plan.add(name + ".weight", {features, image[0], patch, patch})),
        bias_(plan.add(name + ".bias", {features})) {}

  LayerNeeds needs(std::size_t max_batch) const override {
    const std::size_t patches = max_batch * input_width();
    const std::size_t norms = outer_norm_scratch({positions(), inputs_, features_});
    return {.kept_bytes = weight_.trained ? patches * sizeof(float) : 0,
            .scratch_floats = std::max(aligned_floats(patches), norms)};
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    truncated_normal(parameters.subspan(weight_.offset, weight_.size), random);
    std::fill_n(parameters.data() + bias_.offset, bias_.size, 0.0F);
  }

  double forward_flops() const override {
    return 2.0 * static_cast<double>(positions() * inputs_) * static_cast<double>(features_);
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const std::size_t rows = pass.batch.size * positions();
    float* u = patches(storage);
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      visit_rows(b, [&](std::size_t pixel, std::size_t at) { std::copy_n(x + pixel, patch_, u + at); });
    if (pass.options.observer != nullptr)
      pass.options.observer->layer_input(name(), {u, rows * inputs_}, rows, inputs_);
    gemm({rows, features_, inputs_, plain(u, inputs_), transposed(pass.parameters + weight_.offset, inputs_),
          y, features_});
    add_bias(y, pass.parameters + bias_.offset, rows, features_);
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage& storage) const override {
    const std::size_t N = positions();
    const std::size_t rows = pass.batch.size * N;
    const float* u = patches(storage);
    if (pass.gradient != nullptr && weight_.trained)
      gemm({features_, inputs_, rows, transposed(dy, features_), plain(u, inputs_),
            pass.gradient + weight_.offset, inputs_});
    if (pass.gradient != nullptr && bias_.trained)
      column_sums(dy, rows, features_, pass.gradient + bias_.offset);
    for (std::size_t b = 0; pass.square_norms != nullptr && b < pass.batch.size; ++b) {
      const float* own = dy + b * N * features_;
      if (weight_.trained)
        pass.square_norms[b] += outer_square_norm({N, inputs_, features_}, u + b * N * inputs_, inputs_, own,
                                                  features_, storage.scratch);
      if (bias_.trained) pass.square_norms[b] += column_sums_square_norm(own, N, features_);
    }
    if (dx == nullptr) return;
    float* du = storage.scratch;
    gemm({rows, inputs_, features_, plain(dy, features_), plain(pass.parameters + weight_.offset, inputs_),
          du, inputs_});
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      visit_rows(b, [&](std::size_t pixel, std::size_t at) { std::copy_n(du + at, patch_, dx + pixel); });
  }

 private:
  std::size_t positions() const { return output_width() / features_; }
  float* patches(const LayerStorage& storage) const {
    return weight_.trained ? reinterpret_cast<float*>(storage.kept)
                           : storage.scratch;  // NOLINT: untyped memory
  }

  // Every row of P pixels of every patch of image b: where it starts among the pixels and among the patches.
  template <class Visit>
  void visit_rows(std::size_t b, Visit visit) const {
    const auto height = static_cast<std::size_t>(input_shape()[1]);
    const auto width = static_cast<std::size_t>(input_shape()[2]);
    const std::size_t across = width / patch_;
    for (std::size_t plane = 0; plane < static_cast<std::size_t>(input_shape()[0]); ++plane)
      for (std::size_t row = 0; row < height; ++row)
        for (std::size_t column = 0; column < across; ++column)
          visit(b * input_width() + (plane * height + row) * width + column * patch_,
                (b * positions() + row / patch_ * across + column) * inputs_ +
                    (plane * patch_ + row % patch_) * patch_);
  }

  std::size_t patch_;     // P
  std::size_t features_;  // D
  std::size_t inputs_;    // K
  Held weight_;
  Held bias_;
};

}  // namespace

LayerRecipe patch_embedding(std::string name, std::int64_t patch, std::int64_t features) {
  FEDLOOM_CHECK(patch >= 1 && features >= 1, "patch embedding '{}' of {} pixels in {} features", name, patch,
                features);
  return [name = std::move(name), patch, features](const Shape& input, ParameterPlan& plan) {
    if (input.size() != 3 || input[1] % patch != 0 || input[2] % patch != 0)
      throw user_error("patches of {0} x {0} pixels do not tile examples of shape {1}", patch,
                       to_string(input));
    return std::make_unique<PatchEmbedding>(name, input, patch, features, plan);
  };
}

}  // namespace fedloom
