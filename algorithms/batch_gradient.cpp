// The walk over pieces, and what each of the two sums asks of backward.
#include "algorithms/batch_gradient.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "models/elementwise.hpp"

namespace fedloom {

namespace {

// A hair below the bound, so that a weight rounded to a float does not go beyond it.
constexpr double kBelow = 1.0 - 1e-6;

// Of one target among so many; without any there is nothing to share.
float share_of(std::size_t judged) { return 1.0F / static_cast<float>(std::max<std::size_t>(judged, 1)); }

}  // namespace

BatchGradient::BatchGradient(const LocalObjective& objective, TaskRun& run)
    : objective_(objective),
      run_(run),
      at_once_(std::min(static_cast<std::size_t>(run.recipe.examples_at_once()),
                        std::max<std::size_t>(run.data->size(), 1))),
      dropout_(run.step_random(Stream::dropout)),
      logit_gradient_(at_once_ * run.model->outputs()) {}

// `backward(batch, logit gradient, gradient)` fills the gradient of one piece and returns what it clipped.
template <class Backward>
BatchGradient::Sum BatchGradient::in_pieces(std::span<const std::uint32_t> positions, Backward backward) {
  Sum sum;
  for (std::size_t begin = 0; begin < positions.size(); begin += at_once_) {
    const Batch batch =
        run_.data->batch(positions.subspan(begin, std::min(at_once_, positions.size() - begin)));
    const std::span<const float> logits =
        run_.model->forward(run_.parameters, batch, *run_.workspace,
                            {.training = true, .random = &dropout_, .statistics = run_.parameters});
    const std::span<float> dlogits(logit_gradient_.data(), logits.size());
    sum.loss += objective_.loss(run_, logits, run_.model->features(*run_.workspace), batch, dlogits).loss;
    sum.judged += batch.judged();
    const bool first = begin == 0;
    const std::span<float> gradient = first ? run_.gradient : piece_gradient();
    sum.clipped += backward(batch, dlogits, gradient);
    if (!first) add_scaled(run_.gradient.data(), gradient.data(), 1.0F, gradient.size());
  }
  return sum;
}

BatchGradient::Sum BatchGradient::mean(std::span<const std::uint32_t> positions) {
  FEDLOOM_CHECK(!positions.empty(), "the mean gradient of no examples");
  const bool whole = in_one_piece(positions);
  const Sum sum =
      in_pieces(positions, [&](const Batch& batch, std::span<float> dlogits, std::span<float> gradient) {
        // Scaling the small logit gradient makes backward's sum the mean over the batch.
        scale(dlogits.data(), share_of(whole ? batch.judged() : positions.size()), dlogits.size());
        run_.model->backward(run_.parameters, batch, *run_.workspace, dlogits, gradient, {});
        return std::uint64_t{0};
      });
  // How many targets all pieces have is known only now, unless each example has its one.
  if (!whole && sum.judged != positions.size())
    scale(run_.gradient.data(), share_of(sum.judged) * static_cast<float>(positions.size()),
          run_.gradient.size());
  return sum;
}

BatchGradient::Sum BatchGradient::descend(std::span<const std::uint32_t> positions, double rate) {
  FEDLOOM_CHECK(!positions.empty() && in_one_piece(positions), "a joined step on {} examples, {} at once",
                positions.size(), at_once_);
  return in_pieces(positions, [&](const Batch& batch, std::span<float> dlogits, std::span<float> gradient) {
    scale(dlogits.data(), share_of(batch.judged()), dlogits.size());
    run_.model->descend(run_.parameters, batch, *run_.workspace, dlogits, gradient, static_cast<float>(rate));
    return std::uint64_t{0};
  });
}

BatchGradient::Sum BatchGradient::clipped_sum(std::span<const std::uint32_t> positions, double bound) {
  FEDLOOM_CHECK(bound > 0.0, "clipping examples to a norm of {}", bound);
  if (const std::string mixing = run_.model->mixing_layer(); !mixing.empty())
    throw user_error(
        "gradients cannot be clipped example by example: the batch normalisation '{}' mixes the examples of "
        "a "
        "batch; choose a model with group normalisation, such as resnet with 'norm: group'",
        mixing);
  square_norms_.resize(at_once_);
  example_weights_.resize(at_once_);
  if (positions.empty()) std::fill(run_.gradient.begin(), run_.gradient.end(), 0.0F);
  std::vector<std::uint32_t> unsound;
  std::size_t begin = 0;
  Sum sum = in_pieces(positions, [&](const Batch& batch, std::span<float> dlogits,
                                     std::span<float> gradient) {
    const std::span<double> squares(square_norms_.data(), batch.size);
    const std::span<float> weights(example_weights_.data(), batch.size);
    const Model& model = *run_.model;
    model.backward(run_.parameters, batch, *run_.workspace, dlogits, {}, {.example_square_norms = squares});
    std::uint64_t clipped = 0;
    for (std::size_t i = 0; i < batch.size; ++i) {
      const auto share = static_cast<double>(share_of(batch.judged(i)));
      // Norms come from sums of products, which may end a hair below zero.
      const double norm = share * std::sqrt(std::max(0.0, squares[i]));
      weights[i] = static_cast<float>(norm <= bound ? share : share * (bound / norm * kBelow));
      clipped += norm <= bound ? 0 : 1;
      if (!std::isfinite(squares[i])) unsound.push_back(static_cast<std::uint32_t>(begin + i));
    }
    begin += batch.size;
    model.backward(run_.parameters, batch, *run_.workspace, dlogits, gradient, {.example_weights = weights});
    return clipped;
  });
  if (unsound.empty()) return sum;
  // What is not finite would make the sum so, whatever its weight, and tell who is in it: it is left out.
  std::vector<std::uint32_t> sound;
  for (std::uint32_t i = 0; i < positions.size(); ++i)
    if (!std::binary_search(unsound.begin(), unsound.end(), i)) sound.push_back(positions[i]);
  sum = clipped_sum(sound, bound);
  sum.clipped += unsound.size();
  return sum;
}

std::span<float> BatchGradient::piece_gradient() {
  piece_gradient_.resize(run_.gradient.size());
  return piece_gradient_;
}

}  // namespace fedloom
