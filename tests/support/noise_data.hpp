// Examples of noise in the form that a model accepts, as a client's data: for tests that need real models and
// no meaning. Gathers into its own buffers, which are as large as the largest batch after that batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "algorithms/local_objective.hpp"
#include "core/random.hpp"
#include "tests/support/small_models.hpp"

namespace fedloom::testing {

class NoiseData : public LocalData {
 public:
  NoiseData(const DataSpec& spec, std::size_t count, std::uint64_t seed = 11)
      : width_(static_cast<std::size_t>(spec.width())),
        each_(static_cast<std::size_t>(spec.predictions)),
        labels_(count) {
    Random random(seed, Stream::dataset);
    for (std::int32_t& label : labels_)
      label = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(spec.classes)));
    if (spec.vocabulary > 0) {
      tokens_.resize(count * width_);
      for (std::int32_t& token : tokens_)
        token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(spec.vocabulary)));
    } else {
      features_.resize(count * width_);
      for (float& value : features_) value = static_cast<float>(random.normal());
    }
    if (each_ > 0) hidden_ = HiddenTokens(spec, count, random);
  }

  std::size_t size() const override { return labels_.size(); }
  /// Makes every feature of an example infinite.
  void spoil(std::size_t example) {
    std::fill_n(features_.begin() + static_cast<std::ptrdiff_t>(example * width_), width_,
                std::numeric_limits<float>::infinity());
  }
  Batch batch(std::span<const std::uint32_t> positions) override {
    batch_features_.clear();
    batch_tokens_.clear();
    batch_labels_.clear();
    batch_places_.clear();
    for (const std::uint32_t position : positions) {
      const auto begin = static_cast<std::ptrdiff_t>(position * width_);
      const auto end = begin + static_cast<std::ptrdiff_t>(width_);
      if (each_ == 0) batch_labels_.push_back(labels_.at(position));
      for (std::size_t k = position * each_; k < (position + 1) * each_; ++k) {
        batch_places_.push_back(hidden_->places.at(k));
        batch_labels_.push_back(hidden_->targets.at(k));
      }
      if (tokens_.empty())
        batch_features_.insert(batch_features_.end(), features_.begin() + begin, features_.begin() + end);
      else
        batch_tokens_.insert(batch_tokens_.end(), tokens_.begin() + begin, tokens_.begin() + end);
    }
    mask_.assign(batch_tokens_.size(), 1);
    Batch batch;
    batch.size = positions.size();
    batch.targets = batch_labels_.data();
    if (each_ > 0) batch.places = batch_places_.data();
    if (each_ > 0) batch.targets_each = each_;
    if (tokens_.empty()) {
      batch.features = batch_features_.data();
    } else {
      batch.tokens = batch_tokens_.data();
      batch.mask = mask_.data();
    }
    return batch;
  }

 private:
  std::size_t width_;
  std::size_t each_;  // targets of an example; 0: its label is the one
  std::vector<std::int32_t> labels_, tokens_;
  std::optional<HiddenTokens> hidden_;
  std::vector<float> features_;
  std::vector<std::int32_t> batch_labels_, batch_tokens_, batch_places_;
  std::vector<float> batch_features_;
  std::vector<std::uint8_t> mask_;
};

/// One task on a model and noise, ready for objectives and BatchGradient.
struct NoiseTask {
  NoiseTask(FittingModel fitting, std::size_t examples, const Recipe& recipe, Optimizer* optimizer = nullptr)
      : made(std::move(fitting)),
        exchanged(SliceSet::exchanged(*made.model->layout())),
        data(made.spec, examples),
        workspace(made.model->workspace(static_cast<std::size_t>(recipe.examples_at_once()))),
        start(made.model->layout()->size()),
        gradient(start.size()) {
    Random random(3, Stream::init);
    made.model->initialize(start, random);
    parameters = start;
    run.task = &task;
    run.model = made.model.get();
    run.exchanged = run.uploaded = &exchanged;
    run.data = &data;
    run.workspace = workspace.get();
    run.optimizer = optimizer;
    run.recipe = recipe;
    run.seed = 1;
    run.start = start;
    run.parameters = parameters;
    run.gradient = gradient;
  }
  NoiseTask(const NoiseTask&) = delete;

  FittingModel made;
  SliceSet exchanged;
  NoiseData data;
  std::unique_ptr<Workspace> workspace;
  FloatBuffer start, parameters, gradient;
  Task task;
  TaskRun run;
};

}  // namespace fedloom::testing
