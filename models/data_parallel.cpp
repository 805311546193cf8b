// Cutting batches, and adding what the pieces give.
//
//   B  examples of a batch        P  pieces         W  values of an example
//   piece p has the examples [p B / P, (p + 1) B / P): a function of B and P alone
//   gradient := sum over p = 0 … P-1, in this order, of the gradients of the pieces
#include "models/data_parallel.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/simd.hpp"
#include "models/crew.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kRange = 16384;  // floats that one thread adds at a time

FEDLOOM_SIMD_CLONES
void add(const float* values, float* sum, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sum[i] += values[i];
}

FEDLOOM_SIMD_CLONES
void add_scaled(const float* values, float factor, float* sum, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sum[i] += factor * values[i];
}

// What lies at examples [begin, begin + count) of a per-example span; empty stays empty.
template <class T>
std::span<T> examples_of(std::span<T> all, std::size_t batch, std::size_t begin, std::size_t count) {
  if (all.empty()) return {};
  const std::size_t each = all.size() / batch;
  return all.subspan(begin * each, count * each);
}

struct Piece {
  std::unique_ptr<Workspace> workspace;
  FloatBuffer gradient;    // of all but the first, which writes into the caller's
  FloatBuffer statistics;  // where the model has any
  std::optional<Random> random;
  std::size_t begin = 0;  // its examples of the latest batch
  std::size_t count = 0;
  std::span<const float> logits;
};

struct PieceSpace final : Workspace {
  PieceSpace(std::size_t max_batch, std::size_t threads) : Workspace(max_batch), crew(threads) {}

  const Model* model = nullptr;
  std::vector<Piece> pieces;
  std::size_t active = 0;  // pieces of the latest batch that have examples
  std::size_t batch = 0;   // its size
  FloatBuffer logits;
  FloatBuffer features;
  Crew crew;  // last: its threads end before what they use
};

class DataParallelModel final : public Model {
 public:
  DataParallelModel(std::shared_ptr<const Model> model, const DataParallel& how)
      : model_(std::move(model)), how_(how) {
    FEDLOOM_CHECK(how_.pieces >= 1 && how_.threads >= 1 && how_.width >= 1,
                  "{} pieces, {} threads, examples of {} values", how_.pieces, how_.threads, how_.width);
    statistics_ =
        SliceSet(*model_->layout(), [](const Slice& slice) { return slice.role == Role::statistic; });
  }

  const std::shared_ptr<const Layout>& layout() const override { return model_->layout(); }
  std::size_t outputs() const override { return model_->outputs(); }
  std::string mixing_layer() const override { return model_->mixing_layer(); }
  void initialize(std::span<float> parameters, Random& random) const override {
    model_->initialize(parameters, random);
  }
  std::size_t feature_width() const override { return model_->feature_width(); }
  double forward_flops() const override { return model_->forward_flops(); }

  std::unique_ptr<Workspace> workspace(std::size_t max_batch) const override;
  std::span<const float> forward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                                 const ForwardOptions& options) const override;
  std::span<const float> features(const Workspace& workspace) const override;
  void backward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                std::span<const float> logit_gradient, std::span<float> gradient,
                const BackwardOptions& options) const override;

 private:
  const PieceSpace& own(const Workspace& workspace) const {
    const auto* space = dynamic_cast<const PieceSpace*>(&workspace);
    FEDLOOM_CHECK(space != nullptr && space->model == this, "the workspace belongs to another model");
    return *space;
  }
  PieceSpace& own(Workspace& workspace) const {
    return const_cast<PieceSpace&>(
        own(static_cast<const Workspace&>(workspace)));  // NOLINT: it came in mutable
  }

  Batch part_of(const Batch& batch, const Piece& piece) const;
  void cut(PieceSpace& space, std::size_t batch) const;
  void forward_piece(std::span<const float> parameters, const Batch& batch, Piece& piece,
                     const ForwardOptions& options) const;
  void join_outputs(PieceSpace& space) const;
  void average_statistics(PieceSpace& space, std::span<float> statistics) const;
  void add_gradients(PieceSpace& space, std::span<float> gradient) const;

  std::shared_ptr<const Model> model_;
  DataParallel how_;
  SliceSet statistics_;
};

std::unique_ptr<Workspace> DataParallelModel::workspace(std::size_t max_batch) const {
  FEDLOOM_CHECK(max_batch >= 1, "a workspace for {} examples", max_batch);
  const std::size_t pieces = std::min(how_.pieces, max_batch);
  auto space = std::make_unique<PieceSpace>(max_batch, std::min(how_.threads, pieces));
  space->model = this;
  space->pieces.resize(pieces);
  const std::size_t largest = (max_batch + how_.pieces - 1) / how_.pieces;
  const std::size_t floats = layout()->size();
  for (std::size_t p = 0; p < pieces; ++p) {
    Piece& piece = space->pieces[p];
    piece.workspace = model_->workspace(largest);
    if (p > 0) piece.gradient.resize(floats);
    if (statistics_.size() > 0) piece.statistics.resize(floats);
  }
  space->logits.resize(max_batch * outputs());
  space->features.resize(max_batch * feature_width());
  return space;
}

Batch DataParallelModel::part_of(const Batch& batch, const Piece& piece) const {
  Batch part;
  part.size = piece.count;
  if (batch.features != nullptr) part.features = batch.features + piece.begin * how_.width;
  if (batch.tokens != nullptr) part.tokens = batch.tokens + piece.begin * how_.width;
  if (batch.mask != nullptr) part.mask = batch.mask + piece.begin * how_.width;
  part.targets_each = batch.targets_each;
  if (batch.targets != nullptr) part.targets = batch.targets + piece.begin * batch.targets_each;
  if (batch.places != nullptr) part.places = batch.places + piece.begin * batch.targets_each;
  return part;
}

// With fewer examples than pieces every example is a piece.
void DataParallelModel::cut(PieceSpace& space, std::size_t batch) const {
  space.batch = batch;
  space.active = std::min(how_.pieces, batch);
  for (std::size_t p = 0; p < space.active; ++p) {
    Piece& piece = space.pieces[p];
    piece.begin = p * batch / space.active;
    piece.count = (p + 1) * batch / space.active - piece.begin;
  }
}

void DataParallelModel::forward_piece(std::span<const float> parameters, const Batch& batch, Piece& piece,
                                      const ForwardOptions& options) const {
  ForwardOptions own = options;
  own.random = piece.random ? &*piece.random : nullptr;
  if (!options.statistics.empty() && !piece.statistics.empty()) own.statistics = piece.statistics;
  piece.logits = model_->forward(parameters, part_of(batch, piece), *piece.workspace, own);
}

std::span<const float> DataParallelModel::forward(std::span<const float> parameters, const Batch& batch,
                                                  Workspace& workspace, const ForwardOptions& options) const {
  PieceSpace& space = own(workspace);
  FEDLOOM_CHECK(batch.size >= 1 && batch.size <= space.max_batch(), "a batch of {} for a workspace of {}",
                batch.size, space.max_batch());
  cut(space, batch.size);
  const std::uint64_t key = options.random != nullptr ? options.random->next64() : 0;
  for (std::size_t p = 0; p < space.active; ++p) {
    if (options.random != nullptr)
      space.pieces[p].random.emplace(key, Stream::dropout, p);
    else
      space.pieces[p].random.reset();
  }
  const auto forward_one = [&](std::size_t p) { forward_piece(parameters, batch, space.pieces[p], options); };
  if (options.observer != nullptr) {
    for (std::size_t p = 0; p < space.active; ++p) forward_one(p);
  } else {
    space.crew.run(space.active, forward_one);
  }
  join_outputs(space);
  if (options.training && !options.statistics.empty()) average_statistics(space, options.statistics);
  return {space.logits.data(), batch.size * outputs()};
}

void DataParallelModel::join_outputs(PieceSpace& space) const {
  for (std::size_t p = 0; p < space.active; ++p) {
    const Piece& piece = space.pieces[p];
    std::copy(piece.logits.begin(), piece.logits.end(), space.logits.data() + piece.begin * outputs());
    const std::span<const float> features = model_->features(*piece.workspace);
    std::copy(features.begin(), features.end(), space.features.data() + piece.begin * feature_width());
  }
}

void DataParallelModel::average_statistics(PieceSpace& space, std::span<float> statistics) const {
  for (const SliceSet::Run& run : statistics_.runs()) {
    float* mean = statistics.data() + run.offset;
    std::fill_n(mean, run.size, 0.0F);
    for (std::size_t p = 0; p < space.active; ++p) {
      const Piece& piece = space.pieces[p];
      add_scaled(piece.statistics.data() + run.offset,
                 static_cast<float>(piece.count) / static_cast<float>(space.batch), mean, run.size);
    }
  }
}

std::span<const float> DataParallelModel::features(const Workspace& workspace) const {
  const PieceSpace& space = own(workspace);
  return {space.features.data(), space.batch * feature_width()};
}

void DataParallelModel::backward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                                 std::span<const float> logit_gradient, std::span<float> gradient,
                                 const BackwardOptions& options) const {
  PieceSpace& space = own(workspace);
  const std::size_t B = batch.size;
  FEDLOOM_CHECK(B == space.batch, "backward of {} examples after forward of {}", B, space.batch);
  FEDLOOM_CHECK(logit_gradient.size() == B * outputs(), "{} logit gradients for {} examples of {} outputs",
                logit_gradient.size(), B, outputs());
  FEDLOOM_CHECK(gradient.empty() || gradient.size() == layout()->size(),
                "a gradient of {} for a layout of {}", gradient.size(), layout()->size());
  FEDLOOM_CHECK(options.input_gradient.empty() || options.input_gradient.size() == B * how_.width,
                "an input gradient of {} for {} examples of {}", options.input_gradient.size(), B,
                how_.width);
  FEDLOOM_CHECK(options.example_weights.empty() || options.example_weights.size() == B,
                "{} example weights for {} examples", options.example_weights.size(), B);
  FEDLOOM_CHECK(options.example_square_norms.empty() || options.example_square_norms.size() == B,
                "{} example norms for {} examples", options.example_square_norms.size(), B);
  space.crew.run(space.active, [&](std::size_t p) {
    Piece& piece = space.pieces[p];
    BackwardOptions own;
    own.input_gradient = examples_of(options.input_gradient, B, piece.begin, piece.count);
    own.example_weights = examples_of(options.example_weights, B, piece.begin, piece.count);
    own.example_square_norms = examples_of(options.example_square_norms, B, piece.begin, piece.count);
    std::span<float> target = gradient;
    if (p > 0 && !gradient.empty()) target = piece.gradient;
    model_->backward(parameters, part_of(batch, piece), *piece.workspace,
                     examples_of(logit_gradient, B, piece.begin, piece.count), target, own);
  });
  if (!gradient.empty()) add_gradients(space, gradient);
}

// Each range is added by one thread, piece after piece, so its values see one order of additions.
void DataParallelModel::add_gradients(PieceSpace& space, std::span<float> gradient) const {
  const std::size_t ranges = space.active > 1 ? (gradient.size() + kRange - 1) / kRange : 0;
  space.crew.run(ranges, [&](std::size_t range) {
    const std::size_t begin = range * kRange;
    const std::size_t count = std::min(kRange, gradient.size() - begin);
    for (std::size_t p = 1; p < space.active; ++p)
      add(space.pieces[p].gradient.data() + begin, gradient.data() + begin, count);
  });
}

}  // namespace

std::unique_ptr<Model> data_parallel(std::shared_ptr<const Model> model, const DataParallel& how) {
  return std::make_unique<DataParallelModel>(std::move(model), how);
}

}  // namespace fedloom
