// Reading updates of any rank, averaging heads, measuring what aggregation lost.
#include "algorithms/lora/lora_strategy.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.hpp"

namespace fedloom::lora {

namespace {

constexpr const char* kAlpha = "lora_alpha";

Matrix packed_matrix(std::span<const float> values, std::size_t offset, Eigen::Index rows,
                     Eigen::Index columns) {
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Floats>(values.data() + offset, rows, columns).cast<double>();
}

}  // namespace

LoraStrategy::LoraStrategy(Settings settings, RankSettings ranks)
    : settings_(std::move(settings)), ranks_(std::move(ranks)) {}

Traits LoraStrategy::traits() const {
  const bool keeps = needs_updates() || settings_.aggregation_error;
  return {.keeps_updates = keeps,
          .keeps_client_state = local_head(),
          .personal_models = local_head(),
          .needs_rounds = keeps,
          .needs_lora = true};
}

bool LoraStrategy::shares(const Slice& slice) const {
  // Whether a task trains a factor is another matter: its layout may freeze it.
  if (part_of(slice.name) != Part::other) return true;
  return (slice.role == Role::trained && !local_head()) || slice.role == Role::statistic;
}

SliceSet LoraStrategy::exchanged(const Layout& layout) const {
  return {layout, [this](const Slice& slice) { return shares(slice); }};
}

SliceSet LoraStrategy::personal(const Layout& layout) const {
  return {layout, [this](const Slice& slice) {
            return slice.role == Role::trained && part_of(slice.name) == Part::other && local_head();
          }};
}

void LoraStrategy::start(ServerState& state, const PopulationInfo& population) const {
  state.scalars[kAlpha] = population.adapter_alpha;
  if (!has_ranks()) return;
  const std::int64_t largest = *std::max_element(ranks_.ranks.begin(), ranks_.ranks.end());
  const Eigen::Index rank = pairs_of(state.model.layout()).front().rank();
  if (largest != rank)
    throw user_error("strategy.ranks: the largest is {}, and adapter.rank is {}; they must be equal", largest,
                     rank);
}

std::int64_t LoraStrategy::rank_of(const ServerState& state, ClientId client) const {
  if (has_ranks()) return ranks_.ranks[client % ranks_.ranks.size()];
  return pairs_of(state.model.layout()).front().rank();
}

double LoraStrategy::scale_of(const ServerState& state, std::int64_t rank) const {
  const auto server = static_cast<double>(pairs_of(state.model.layout()).front().rank());
  return state.scalars.at(kAlpha) / (scales_by_own_rank() ? static_cast<double>(rank) : server);
}

std::vector<std::string> LoraStrategy::frozen_in(WindowId /*window*/) const { return {}; }

SliceSet LoraStrategy::uploaded_in(const Layout& layout, WindowId window) const {
  Recipe recipe;
  recipe.frozen = frozen_in(window);
  return uploaded(layout, recipe);
}

std::optional<Phase> LoraStrategy::next_phase(const ServerState& state, const WindowSums& window,
                                              const Recipe& base) const {
  if (!window.phases.empty()) return std::nullopt;
  Recipe recipe = base;
  recipe.frozen = frozen_in(window.window);
  return train_phase(recipe, uploaded(state.model.layout(), recipe).size());
}

void LoraStrategy::prepare(const ServerState& state, Task& task) const {
  const std::int64_t own = rank_of(state, task.id.client);
  const std::vector<Pair> pairs = pairs_of(state.model.layout());
  if (own == pairs.front().rank()) return;
  task.recipe.rank = own;
  task.recipe.alpha = scale_of(state, own) * static_cast<double>(own);
  const SliceSet set = exchanged(state.model.layout());
  if (set.size() == 0) return;
  std::map<std::string, Factors> starts;
  for (const Pair& pair : pairs) {
    Factors start = start_factors(state, state.model, pair, own);
    starts[pair.a.name].a = std::move(start.a);
    starts[pair.b.name].b = std::move(start.b);
  }
  FloatBuffer packed;
  for (const PackedSlice& piece : packed_slices(state.model.layout(), set, own)) {
    if (part_of(piece.slice.name) == Part::other) {
      const auto values = state.model.view(piece.slice);
      packed.insert(packed.end(), values.begin(), values.end());
      continue;
    }
    const Factors& start = starts.at(piece.slice.name);
    const Matrix& matrix = start.a.size() > 0 ? start.a : start.b;
    for (Eigen::Index i = 0; i < matrix.size(); ++i) packed.push_back(static_cast<float>(matrix.data()[i]));
  }
  task.extras.push_back(Payload::from("model", Tensor::vector(std::move(packed))));
}

std::size_t LoraStrategy::slot_size(const ServerState& state, const SlotSpec& slot, const Task& task) const {
  if (task.recipe.rank == 0) return slot.size;
  const Layout& layout = state.model.layout();
  const auto packed = packed_slices(layout, uploaded(layout, task.recipe), task.recipe.rank);
  return packed.empty() ? 0 : packed.back().offset + packed.back().size;
}

void LoraStrategy::fold(std::span<const Contribution> contributions, PhaseSum& sum) const {
  if (has_sums()) Strategy::fold(contributions, sum);
}

Factors LoraStrategy::start_factors(const ServerState& /*state*/, const ParameterVector& model,
                                    const Pair& pair, Eigen::Index rank) const {
  const Factors whole = factors_of(model.values(), pair);
  return {whole.a.topRows(rank), whole.b.leftCols(rank)};
}

std::vector<ClientFactors> LoraStrategy::read_updates(const ServerState& state, const ParameterVector& before,
                                                      const PhaseSum& train, WindowId window) const {
  const Layout& layout = before.layout();
  const std::vector<Pair> pairs = pairs_of(layout);
  const SliceSet set = uploaded_in(layout, window);
  std::vector<ClientFactors> clients;
  for (std::size_t k = 0; k < train.updates.size(); ++k) {
    ClientFactors client;
    client.update = &train.updates[k];
    client.client = client.update->id.client;
    client.share = train.shares.at(k);
    const std::int64_t rank = rank_of(state, client.client);
    client.scale = scale_of(state, rank);
    for (const Pair& pair : pairs) client.pairs.push_back(start_factors(state, before, pair, rank));
    const std::span<const float> delta = client.update->slot("delta")->values();
    for (const PackedSlice& piece : packed_slices(layout, set, rank))
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        if (piece.slice.name == pairs[i].a.name)
          client.pairs[i].a += packed_matrix(delta, piece.offset, rank, pairs[i].inputs());
        if (piece.slice.name == pairs[i].b.name)
          client.pairs[i].b += packed_matrix(delta, piece.offset, pairs[i].outputs(), rank);
      }
    clients.push_back(std::move(client));
  }
  return clients;
}

// Where clients differ in rank their updates have no common sum.
void LoraStrategy::average_heads(ServerState& state, const std::vector<ClientFactors>& clients,
                                 WindowId window) const {
  const SliceSet set = uploaded_in(state.model.layout(), window);
  std::map<std::string, std::vector<double>> means;
  for (const ClientFactors& client : clients) {
    const std::span<const float> delta = client.update->slot("delta")->values();
    const std::int64_t rank = rank_of(state, client.client);
    for (const PackedSlice& piece : packed_slices(state.model.layout(), set, rank)) {
      if (part_of(piece.slice.name) != Part::other) continue;
      std::vector<double>& mean = means[piece.slice.name];
      mean.resize(piece.size);
      for (std::size_t i = 0; i < piece.size; ++i)
        mean[i] += client.share * static_cast<double>(delta[piece.offset + i]);
    }
  }
  for (const auto& [name, mean] : means) {
    const std::span<float> values = state.model.view(name);
    for (std::size_t i = 0; i < mean.size(); ++i)
      values[i] = static_cast<float>(static_cast<double>(values[i]) + mean[i]);
  }
}

Metrics LoraStrategy::advance(ServerState& state, const WindowSums& window) const {
  const PhaseSum& train = window.phase("train");
  const ParameterVector before = state.model;
  const std::vector<ClientFactors> clients = read_updates(state, before, train, window.window);
  if (!has_sums())
    average_heads(state, clients, window.window);
  else
    apply_mean_delta(state, uploaded_in(before.layout(), window.window), train.slot("delta"), 1.0);
  // Clients without examples alone have no mean: nothing moves. (Patches are then zero by themselves.)
  const bool weightless = std::all_of(clients.begin(), clients.end(),
                                      [](const ClientFactors& client) { return client.share == 0.0; });
  if (weightless && !clients.empty() && !traits().patches_model) return {};
  Metrics metrics = aggregate(state, before, clients, window.window);
  if (!settings_.aggregation_error || clients.empty()) return metrics;
  ParameterVector after = state.model;
  if (traits().patches_model) {
    ServerState copy = state;
    apply(patch(copy), after);
  }
  const std::int64_t rank = pairs_of(before.layout()).front().rank();
  metrics.merge(lora::aggregation_error(before, after, clients, scale_of(state, rank)));
  return metrics;
}

Metrics LoraStrategy::aggregate(ServerState& /*state*/, const ParameterVector& /*before*/,
                                const std::vector<ClientFactors>& /*clients*/, WindowId /*window*/) const {
  return {};
}

std::vector<PackedSlice> packed_slices(const Layout& layout, const SliceSet& set, std::int64_t rank) {
  std::vector<PackedSlice> packed;
  std::size_t offset = 0;
  for (const Slice& slice : layout.slices()) {
    if (!set.contains(slice)) continue;
    std::size_t size = slice.size;
    if (const Part part = part_of(slice.name); part != Part::other) {
      const auto own = static_cast<std::size_t>(slice.shape[part == Part::first ? 0 : 1]);
      size = size / own * static_cast<std::size_t>(rank);
    }
    packed.push_back({slice, offset, size});
    offset += size;
  }
  return packed;
}

Factors padded_mean(const std::vector<ClientFactors>& clients, std::size_t pair, Eigen::Index rank,
                    std::span<const double> weights) {
  const Factors& form = clients.front().pairs[pair];
  Factors mean{Matrix::Zero(rank, form.a.cols()), Matrix::Zero(form.b.rows(), rank)};
  for (std::size_t k = 0; k < clients.size(); ++k) {
    const Factors& own = clients[k].pairs[pair];
    mean.a.topRows(own.a.rows()) += weights[k] * own.a;
    mean.b.leftCols(own.b.cols()) += weights[k] * own.b;
  }
  return mean;
}

std::vector<double> shares_of(const std::vector<ClientFactors>& clients) {
  std::vector<double> shares;
  for (const ClientFactors& client : clients) shares.push_back(client.share);
  return shares;
}

Factors stacked(const std::vector<ClientFactors>& clients, std::size_t pair) {
  const Factors& first = clients.front().pairs[pair];
  Eigen::Index total = 0;
  for (const ClientFactors& client : clients) total += client.pairs[pair].a.rows();
  Factors all{Matrix(total, first.a.cols()), Matrix(first.b.rows(), total)};
  Eigen::Index at = 0;
  for (const ClientFactors& client : clients) {
    const Factors& own = client.pairs[pair];
    all.a.middleRows(at, own.a.rows()) = own.a;
    all.b.middleCols(at, own.b.cols()) = client.share * client.scale * own.b;
    at += own.a.rows();
  }
  return all;
}

Metrics aggregation_error(const ParameterVector& before, const ParameterVector& after,
                          const std::vector<ClientFactors>& clients, double scale) {
  const std::vector<Pair> pairs = pairs_of(before.layout());
  double error = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Factors ideal = stacked(clients, i);
    const Factors now = factors_of(after.values(), pairs[i]);
    const auto base = [&pair = pairs[i]](const ParameterVector& model) {
      return model.values().subspan(pair.w.offset, pair.w.size);
    };
    if (std::ranges::equal(base(before), base(after))) {
      // Nothing of W's size is made: the difference is one more product of factors.
      Factors difference{Matrix(ideal.a.rows() + now.a.rows(), ideal.a.cols()),
                         Matrix(ideal.b.rows(), ideal.b.cols() + now.b.cols())};
      difference.a << ideal.a, now.a;
      difference.b << ideal.b, -scale * now.b;
      const Eigen::MatrixXd gram = product_gram(difference.b, difference.a);
      error += std::max(0.0, gram.sum());
      size += gram.topLeftCorner(ideal.a.rows(), ideal.a.rows()).sum();
    } else {
      const Matrix moved = matrix_of(after.values(), pairs[i].w) - matrix_of(before.values(), pairs[i].w);
      error += (ideal.product() - moved - scale * now.product()).squaredNorm();
      size += std::pow(product_norm(ideal.b, ideal.a), 2);
    }
  }
  const double relative = size > 0.0 ? std::sqrt(error / size) : 0.0;
  return {{"aggregation_error", std::sqrt(error)}, {"aggregation_error_relative", relative}};
}

}  // namespace fedloom::lora
