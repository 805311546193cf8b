// One backward pass for each example, since the square of a sum is not the sum of squares.
#include "algorithms/continual/fisher.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "algorithms/continual/some_examples.hpp"

namespace fedloom {

namespace {

// A label with the probabilities of these logits.
std::int32_t drawn_label(std::span<const float> logits, Random& random) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const float logit : logits) largest = std::max(largest, static_cast<double>(logit));
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  double left = random.uniform() * sum;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    left -= std::exp(static_cast<double>(logits[i]) - largest);
    if (left < 0.0) return static_cast<std::int32_t>(i);
  }
  return static_cast<std::int32_t>(logits.size()) - 1;
}

}  // namespace

Tensor fisher_diagonal(TaskRun& run, std::span<const float> parameters, const FisherSettings& settings) {
  const std::vector<std::uint32_t> positions = some_examples(run, settings.examples);
  Random random = run.random(Stream::strategy);
  std::vector<double> sum(run.exchanged->size(), 0.0);
  FloatBuffer dlogits(run.model->outputs());
  for (const std::uint32_t position : positions) {
    const Batch batch = run.data->batch({&position, 1});
    const std::span<const float> logits = run.model->forward(parameters, batch, *run.workspace, {});
    const std::int32_t label = settings.labels == "drawn" ? drawn_label(logits, random) : *batch.targets;
    softmax_cross_entropy(logits, {&label, 1}, run.model->outputs(), dlogits);
    run.model->backward(parameters, batch, *run.workspace, dlogits, run.gradient, {});
    std::size_t packed = 0;
    for (const SliceSet::Run& slice : run.exchanged->runs())
      for (std::size_t i = 0; i < slice.size; ++i, ++packed) {
        const auto g = static_cast<double>(run.gradient[slice.offset + i]);
        sum[packed] += g * g;
      }
  }
  Tensor mean = Tensor::zeros({static_cast<std::int64_t>(sum.size())});
  const auto count = static_cast<double>(std::max<std::size_t>(1, positions.size()));
  for (std::size_t i = 0; i < sum.size(); ++i) mean.data[i] = static_cast<float>(sum[i] / count);
  return mean;
}

}  // namespace fedloom
