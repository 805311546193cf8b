// Forward passes over pieces of a data set, in parallel, summed in order.
#include "experiments/evaluator.hpp"

#include <algorithm>
#include <numeric>

#include <omp.h>

#include "client/batch_buffer.hpp"
#include "core/error.hpp"
#include "models/loss.hpp"

namespace fedloom {

namespace {
constexpr std::size_t kPiece = 200;
}

struct Evaluator::Lane {
  std::unique_ptr<Workspace> workspace;
  BatchBuffer buffer;
};

Evaluator::Evaluator(std::shared_ptr<const Model> model, std::size_t threads) : model_(std::move(model)) {
  for (std::size_t i = 0; i < threads; ++i) lanes_.push_back(std::make_shared<Lane>());
}

std::optional<EvaluationResult> Evaluator::evaluate(std::span<const float> parameters,
                                                    const ExampleView& view,
                                                    std::span<std::int32_t> predictions) {
  if (view.size() == 0) return std::nullopt;
  FEDLOOM_CHECK(predictions.empty() || predictions.size() == view.size(), "{} predictions of {} examples",
                predictions.size(), view.size());
  if (!predictions.empty() && view.examples->spec().predictions > 0)
    throw user_error("hidden tokens have no predicted class of an example; leave the predictions out");
  const std::size_t pieces = (view.size() + kPiece - 1) / kPiece;
  std::vector<LossSum> sums(pieces);
  std::vector<std::size_t> judged(pieces);
  const auto evaluate_piece = [&](std::size_t piece, Lane& lane) {
    const std::size_t begin = piece * kPiece;
    const std::size_t count = std::min(kPiece, view.size() - begin);
    const std::span<const std::uint32_t> indices(view.indices.data() + begin, count);
    if (!lane.workspace) lane.workspace = model_->workspace(kPiece);
    const Batch batch = lane.buffer.gather(*view.examples, indices);
    const std::span<const float> logits = model_->forward(parameters, batch, *lane.workspace, {});
    sums[piece] = softmax_cross_entropy(logits, batch);
    judged[piece] = batch.judged();
    if (predictions.empty()) return;
    const std::size_t classes = model_->outputs();
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = logits.begin() + static_cast<std::ptrdiff_t>(i * classes);
      predictions[begin + i] =
          static_cast<std::int32_t>(std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row);
    }
  };
#pragma omp parallel for schedule(dynamic) num_threads(static_cast <int>(lanes_.size()))
  for (std::size_t piece = 0; piece < pieces; ++piece)
    evaluate_piece(piece, *lanes_[static_cast<std::size_t>(omp_get_thread_num())]);

  EvaluationResult result;
  std::uint64_t correct = 0;
  for (const LossSum& sum : sums) {
    result.loss += sum.loss;
    correct += sum.correct;
  }
  result.examples = std::accumulate(judged.begin(), judged.end(), std::uint64_t{0});
  const double count = static_cast<double>(std::max<std::uint64_t>(result.examples, 1));
  result.loss /= count;
  result.accuracy = static_cast<double>(correct) / count;
  return result;
}

}  // namespace fedloom
