// A model whose every number can be checked by hand: each example e pulls the d parameters y towards b_e with
// strength a_e,  f_e(y) = a_e / 2 |y - b_e|^2, so its gradient is a_e (y - b_e). It is a real Model: logits
// (0, 0) with label 0 make cross-entropy's logit gradient (-1/2, 1/2), and the scale that the training loop
// puts on it (1/B) is read back from there. Features of an example: a_e, b_e[0], …, b_e[d-1].
#pragma once

#include <memory>
#include <vector>

#include "algorithms/local_objective.hpp"
#include "models/elementwise.hpp"
#include "models/model.hpp"

namespace fedloom::testing {

class QuadraticModel : public Model {
 public:
  /// `trained` parameters, and after them `statistics` that no gradient moves.
  explicit QuadraticModel(std::size_t trained, std::size_t statistics = 0) {
    Layout::Builder builder;
    builder.add("y", {static_cast<std::int64_t>(trained)});
    if (statistics > 0) builder.add("s", {static_cast<std::int64_t>(statistics)}, Role::statistic);
    layout_ = builder.build();
    trained_ = trained;
  }

  const std::shared_ptr<const Layout>& layout() const override { return layout_; }
  std::size_t outputs() const override { return 2; }
  void initialize(std::span<float> parameters, Random&) const override {
    std::fill(parameters.begin(), parameters.end(), 0.0F);
  }
  std::unique_ptr<Workspace> workspace(std::size_t max_batch) const override {
    return std::make_unique<Logits>(max_batch);
  }
  std::span<const float> forward(std::span<const float>, const Batch& batch, Workspace& workspace,
                                 const ForwardOptions&) const override {
    FEDLOOM_CHECK(batch.size <= workspace.max_batch(), "{} examples for {}", batch.size,
                  workspace.max_batch());
    return std::span(static_cast<Logits&>(workspace).zeros).first(2 * batch.size);
  }
  std::span<const float> features(const Workspace&) const override { return {}; }
  std::size_t feature_width() const override { return 0; }
  void backward(std::span<const float> parameters, const Batch& batch, Workspace&,
                std::span<const float> logit_gradient, std::span<float> gradient,
                const BackwardOptions& options) const override {
    std::fill(gradient.begin(), gradient.end(), 0.0F);
    for (std::size_t e = 0; e < batch.size; ++e) {
      const float* example = batch.features + e * (1 + trained_);
      const float weight = options.example_weights.empty() ? 1.0F : options.example_weights[e];
      const float scale = 2.0F * logit_gradient[2 * e + 1] * weight * example[0];
      double square = 0.0;
      for (std::size_t i = 0; i < trained_; ++i) {
        const float own = scale * (parameters[i] - example[1 + i]);
        if (!gradient.empty()) gradient[i] += own;
        square += static_cast<double>(own) * static_cast<double>(own);
      }
      if (!options.example_square_norms.empty()) options.example_square_norms[e] = square;
    }
  }
  double forward_flops() const override { return 2.0 * static_cast<double>(trained_); }

 private:
  struct Logits : Workspace {
    explicit Logits(std::size_t max_batch) : Workspace(max_batch), zeros(2 * max_batch, 0.0F) {}
    FloatBuffer zeros;
  };

  std::shared_ptr<const Layout> layout_;
  std::size_t trained_ = 0;
};

/// Examples of the quadratic model; remembers which positions were asked for, batch by batch.
class QuadraticData : public LocalData {
 public:
  QuadraticData(std::size_t parameters, std::vector<std::vector<float>> examples)
      : width_(1 + parameters), examples_(std::move(examples)) {
    for (const auto& example : examples_)
      FEDLOOM_CHECK(example.size() == width_, "an example of {} values, not {}", example.size(), width_);
  }
  std::size_t size() const override { return examples_.size(); }
  Batch batch(std::span<const std::uint32_t> positions) override {
    batches.emplace_back(positions.begin(), positions.end());
    features_.clear();
    for (const std::uint32_t position : positions)
      features_.insert(features_.end(), examples_.at(position).begin(), examples_.at(position).end());
    labels_.assign(positions.size(), 0);
    Batch batch;
    batch.size = positions.size();
    batch.features = features_.data();
    batch.targets = labels_.data();
    return batch;
  }

  std::vector<std::vector<std::uint32_t>> batches;

 private:
  std::size_t width_;
  std::vector<std::vector<float>> examples_;
  FloatBuffer features_;
  std::vector<std::int32_t> labels_;
};

/// y -= rate * gradient on every parameter that is trained (the first slice of the quadratic model).
class PlainDescent : public Optimizer {
 public:
  void reset(const Layout&) override {}
  void step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
            double learning_rate) override {
    const Slice& y = layout.slices().front();
    // The library's kernel, so that its rounding is that of every other plain SGD.
    add_scaled(parameters.data() + y.offset, gradient.data() + y.offset, -static_cast<float>(learning_rate),
               y.size);
  }
  bool is_plain_sgd() const override { return true; }
};

}  // namespace fedloom::testing
