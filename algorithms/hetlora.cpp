// HetLoRA. Y. J. Cho, L. Liu, Z. Xu, A. Fahrezi, G. Joshi, "Heterogeneous LoRA for Federated Fine-tuning of
// On-Device Foundation Models", EMNLP 2024.
//
//   sends       A[:r_k], B[:, :r_k] of the server's factors to a client of rank r_k
//   local loss  L + lambda |A[g:]|_F |B[:, g:]|_F,   g = round(gamma r_k)
//   pruning     a client whose |A[g:]|_F |B[:, g:]|_F fell during the task drops this tail:
//               r_k <- max(r_min, g)
//   server      A = sum w_k A_k,  B = sum w_k B_k  padded with zeros;  w_k ~ |B_k A_k|_F
//
// The norms weigh each layer by itself, or with `weights: client` the client by the sum over its layers.
// Heads are weighed by examples. No code of the authors is known to us: the pruning test is that of
// reimplementations.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "algorithms/algorithm.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

constexpr const char* kPruned = "pruned_rank";  // scalar of an update: the client's rank from now on
constexpr const char* kTail = "tail";           // scratch: the tail's norm product at the start

struct HetLoraConfig {
  lora::Settings lora;
  lora::RankSettings ranks;
  double gamma = 0.99;
  double lambda = 1e-3;
  std::int64_t min_rank = 1;
  std::string weights = "layer";
  template <class Visitor>
  void visit(Visitor& v) {
    lora.visit(v);
    ranks.visit(v);
    v("gamma", gamma,
      "share of a client's rank, rounded, that is never pruned: at 0.99 ranks below 50 have no tail",
      between(0, 1));
    v("lambda", lambda, "pull on the tail beyond it; 0: nothing is pulled or pruned", at_least(0));
    v("min_rank", min_rank, "ranks are not pruned below this", at_least(1));
    v("weights", weights,
      "norms that weigh a client: of each layer by itself, or the client's sum over layers",
      one_of({"layer", "client"}));
  }
};

/// round(gamma r), the rank that stays.
std::int64_t head_rank(double gamma, std::int64_t rank) {
  return std::clamp<std::int64_t>(std::llround(gamma * static_cast<double>(rank)), 0, rank);
}

class HetLora : public lora::LoraStrategy {
 public:
  explicit HetLora(const HetLoraConfig& config) : LoraStrategy(config.lora, config.ranks), config_(config) {}

  void start(ServerState& state, const PopulationInfo& population) const override {
    LoraStrategy::start(state, population);
    const std::int64_t rank = lora::pairs_of(state.model.layout()).front().rank();
    if (config_.min_rank > rank)
      throw user_error("strategy.min_rank: {} is above adapter.rank, {}", config_.min_rank, rank);
  }

  // Ranks shrink by themselves, so updates may differ in size whatever they began with.
  void fold(std::span<const Contribution> /*contributions*/, PhaseSum& /*sum*/) const override {}

 protected:
  bool needs_updates() const override { return true; }
  bool has_sums() const override { return false; }

  std::int64_t rank_of(const ServerState& state, ClientId client) const override {
    const auto pruned = state.scalars.find(fmt::format("rank/{}", client));
    return pruned != state.scalars.end() ? static_cast<std::int64_t>(pruned->second)
                                         : LoraStrategy::rank_of(state, client);
  }

  lora::Metrics aggregate(ServerState& state, const ParameterVector& before,
                          const std::vector<lora::ClientFactors>& clients,
                          WindowId /*window*/) const override {
    const std::vector<lora::Pair> pairs = lora::pairs_of(before.layout());
    std::vector<std::vector<double>> norms(pairs.size());
    for (std::size_t i = 0; i < pairs.size(); ++i)
      for (const lora::ClientFactors& client : clients)
        norms[i].push_back(lora::product_norm(client.pairs[i].b, client.pairs[i].a));
    if (config_.weights == "client") add_up(norms);
    for (std::size_t i = 0; i < pairs.size(); ++i)
      lora::write(lora::padded_mean(clients, i, pairs[i].rank(), normalised(norms[i])), state.model.values(),
                  pairs[i]);
    for (const lora::ClientFactors& client : clients)
      if (const auto pruned = client.update->scalars.find(kPruned); pruned != client.update->scalars.end())
        state.scalars[fmt::format("rank/{}", client.client)] =
            std::clamp(pruned->second, 1.0, static_cast<double>(client.pairs.front().a.rows()));
    return {};
  }

 private:
  static void add_up(std::vector<std::vector<double>>& norms) {
    std::vector<double> sums(norms.front().size(), 0.0);
    for (const std::vector<double>& layer : norms)
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += layer[k];
    for (std::vector<double>& layer : norms) layer = sums;
  }

  // Uniform where no client has moved away from zero.
  static std::vector<double> normalised(std::vector<double> norms) {
    double total = 0.0;
    for (const double norm : norms) total += norm;
    for (double& norm : norms) norm = total > 0.0 ? norm / total : 1.0 / static_cast<double>(norms.size());
    return norms;
  }

  HetLoraConfig config_;
};

/// Where the tail of one pair lies, and how long its two sides are.
struct Tail {
  lora::Pair pair;
  std::int64_t from;
  double first;   // |A[g:]|
  double second;  // |B[:, g:]|
};

class PullsTail : public LocalObjective {
 public:
  explicit PullsTail(const HetLoraConfig& config) : config_(config) {}

  bool corrects() const override { return config_.lambda > 0.0; }
  std::string privacy_gap(PrivacyUnit unit) const override {
    return unit == PrivacyUnit::client && config_.lambda > 0.0
               ? "it returns the rank that it prunes itself to; set strategy.lambda: 0"
               : "";
  }

  void begin(TaskRun& run) const override { run.scratch[kTail] = Tensor::vector({size_of_tails(run)}); }

  // d/dA |A||B| = |B| A / |A| on the tail, and the same for B.
  void correct(TaskRun& run, std::span<float> gradient) const override {
    if (config_.lambda == 0.0) return;
    for (const Tail& tail : tails(run)) {
      if (tail.first == 0.0 || tail.second == 0.0) continue;
      pull(run, gradient, tail, tail.pair.a, config_.lambda * tail.second / tail.first);
      pull(run, gradient, tail, tail.pair.b, config_.lambda * tail.first / tail.second);
    }
  }

  // A pruned tail is sent as zeros, this once; from the next task on it does not exist.
  void finish(TaskRun& run, Update& update) const override {
    const std::int64_t rank = lora::pairs_of(*run.model->layout()).front().rank();
    const std::int64_t left = std::max(config_.min_rank, head_rank(config_.gamma, rank));
    if (config_.lambda > 0.0 && left < rank && size_of_tails(run) < run.scratch.at(kTail).data.front()) {
      update.scalars[kPruned] = static_cast<double>(left);
      for (const lora::Pair& pair : lora::pairs_of(*run.model->layout())) {
        lora::Factors factors = lora::factors_of(run.parameters, pair);
        factors.a.bottomRows(rank - left).setZero();
        factors.b.rightCols(rank - left).setZero();
        lora::write(factors, run.parameters, pair);
      }
    }
    LocalObjective::finish(run, update);
  }

 private:
  std::vector<Tail> tails(const TaskRun& run) const {
    std::vector<Tail> tails;
    for (const lora::Pair& pair : lora::pairs_of(*run.model->layout())) {
      const std::int64_t from = head_rank(config_.gamma, pair.rank());
      const lora::Factors factors = lora::factors_of(run.parameters, pair);
      tails.push_back({pair, from, factors.a.bottomRows(pair.rank() - from).norm(),
                       factors.b.rightCols(pair.rank() - from).norm()});
    }
    return tails;
  }

  // As a float, as it is kept: what has not moved must compare equal.
  float size_of_tails(const TaskRun& run) const {
    double size = 0.0;
    for (const Tail& tail : tails(run)) size += tail.first * tail.second;
    return static_cast<float>(size);
  }

  static void pull(const TaskRun& run, std::span<float> gradient, const Tail& tail, const Slice& factor,
                   double strength) {
    const bool first = factor.name == tail.pair.a.name;
    const auto columns = static_cast<std::size_t>(factor.shape[1]);
    const auto from = static_cast<std::size_t>(tail.from);
    for (std::size_t i = 0; i < factor.size; ++i)
      if ((first ? i / columns : i % columns) >= from)
        gradient[factor.offset + i] +=
            static_cast<float>(strength * static_cast<double>(run.parameters[factor.offset + i]));
  }

  HetLoraConfig config_;
};

const RegisterAlgorithm<HetLoraConfig, HetLora, PullsTail> kHetLora{
    {"hetlora",
     "LoRA factors of different ranks that prune themselves, weighed by the norms of their products",
     "Cho, Liu, Xu, Fahrezi, Joshi: Heterogeneous LoRA for Federated Fine-tuning of On-Device Foundation "
     "Models, "
     "EMNLP 2024"}};

}  // namespace
}  // namespace fedloom
