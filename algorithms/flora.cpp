// FLoRA. Z. Wang, Z. Shen, Y. He, G. Sun, H. Wang, L. Lyu, A. Li, "FLoRA: Federated Fine-Tuning Large
// Language Models with Heterogeneous Low-Rank Adaptations", NeurIPS 2024.
//
//   each client k:  A_k ~ its random start, B_k = 0, anew in every round;  (A_k, B_k) <- SGD beside W
//   server:         stacks A = [p_1 s A_1; …; p_K s A_K] (sum r_k, I) and B = [B_1 … B_K] (O, sum r_k),
//                   and every client adds W <- W + B A = W + s sum p_k B_k A_k
//
// Exact for clients of any rank (`ranks`; s = alpha / r is the same for all, as in the authors' code).
// Weights go on A alone. Up go r_k (I + O) floats a layer, down those of all clients together, or the dense
// weight where that is smaller. A client that missed rounds is sent the stacks that it missed.
#include <algorithm>
#include <utility>

#include "algorithms/algorithm.hpp"
#include "algorithms/lora/base_update.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

constexpr const char* kHead = "head";

struct FLoraConfig {
  lora::Settings lora;
  lora::RankSettings ranks;
  template <class Visitor>
  void visit(Visitor& v) {
    lora.visit(v);
    ranks.visit(v);
  }
};

class FLora : public lora::LoraStrategy {
 public:
  explicit FLora(const FLoraConfig& config) : LoraStrategy(config.lora, config.ranks) {}

  Traits traits() const override {
    Traits traits = LoraStrategy::traits();
    traits.patches_model = true;
    return traits;
  }

  // Factors live for one task; what goes on is the bases and the head.
  SliceSet exchanged(const Layout& layout) const override {
    return lora::with_bases(layout, [this](const Slice& slice) { return is_head(slice); });
  }

  SliceSet uploaded(const Layout& layout, const Recipe& /*recipe*/) const override {
    return {layout, [this](const Slice& slice) { return shares(slice); }};
  }

  void prepare(const ServerState& state, Task& task) const override {
    const std::int64_t own = rank_of(state, task.id.client);
    if (own == rank_of_server(state)) return;
    task.recipe.rank = own;
    task.recipe.alpha = scale_of(state, own) * static_cast<double>(own);
  }

  PatchParts patch(ServerState& state) const override {
    const SliceSet head = heads(state.model.layout());
    Tensor values = Tensor::zeros({static_cast<std::int64_t>(head.size())});
    head.gather(state.model.values(), values.data);
    PatchParts parts = lora::take_base_update(state);
    parts.push_back(Payload::from(kHead, std::move(values)));
    return parts;
  }

  void apply(const PatchParts& parts, ParameterVector& model) const override {
    const SliceSet head = heads(model.layout());
    head.scatter(lora::part_named(parts, kHead, head.size()), model.values());
    lora::apply_base_update(parts, model);
    for (const lora::Pair& pair : lora::pairs_of(model.layout()))
      for (const Slice* factor : {&pair.a, &pair.b}) std::ranges::fill(model.view(*factor), 0.0F);
  }

 protected:
  bool needs_updates() const override { return true; }

  // Clients send their factors as they are, not by how much they have changed.
  lora::Factors start_factors(const ServerState& /*state*/, const ParameterVector& /*model*/,
                              const lora::Pair& pair, Eigen::Index rank) const override {
    return {lora::Matrix::Zero(rank, pair.inputs()), lora::Matrix::Zero(pair.outputs(), rank)};
  }

  lora::Metrics aggregate(ServerState& state, const ParameterVector& before,
                          const std::vector<lora::ClientFactors>& clients,
                          WindowId /*window*/) const override {
    const std::vector<lora::Pair> pairs = lora::pairs_of(before.layout());
    lora::BaseUpdate update;
    for (std::size_t i = 0; i < pairs.size(); ++i) update.push_back(stacked(clients, pairs[i], i));
    lora::keep_base_update(state, update);
    return {};
  }

 private:
  static std::int64_t rank_of_server(const ServerState& state) {
    return lora::pairs_of(state.model.layout()).front().rank();
  }

  bool is_head(const Slice& slice) const {
    return shares(slice) && lora::part_of(slice.name) == lora::Part::other;
  }

  SliceSet heads(const Layout& layout) const {
    return {layout, [this](const Slice& slice) { return is_head(slice); }};
  }

  static lora::Sides stacked(const std::vector<lora::ClientFactors>& clients, const lora::Pair& pair,
                             std::size_t index) {
    Eigen::Index total = 0;
    for (const lora::ClientFactors& client : clients) total += client.pairs[index].a.rows();
    lora::Sides sides{lora::Matrix(pair.outputs(), total), lora::Matrix(total, pair.inputs())};
    Eigen::Index at = 0;
    for (const lora::ClientFactors& client : clients) {
      const lora::Factors& own = client.pairs[index];
      sides.left.middleCols(at, own.b.cols()) = own.b;
      sides.right.middleRows(at, own.a.rows()) = client.share * client.scale * own.a;
      at += own.a.rows();
    }
    return sides;
  }
};

class StartsAnew : public LocalObjective {
 public:
  explicit StartsAnew(const FLoraConfig&) {}

  bool corrects() const override { return false; }
  std::string privacy_gap(PrivacyUnit) const override { return {}; }

  // As the model would start, with randomness of this task.
  void begin(TaskRun& run) const override {
    FloatBuffer fresh(run.parameters.size());
    Random random = run.random(Stream::init);
    run.model->initialize(fresh, random);
    for (const lora::Pair& pair : lora::pairs_of(*run.model->layout()))
      for (const Slice* factor : {&pair.a, &pair.b})
        std::copy_n(fresh.begin() + static_cast<std::ptrdiff_t>(factor->offset), factor->size,
                    run.parameters.begin() + static_cast<std::ptrdiff_t>(factor->offset));
  }

  void finish(TaskRun& run, Update& update) const override {
    FloatBuffer from(run.start.begin(), run.start.end());
    for (const lora::Pair& pair : lora::pairs_of(*run.model->layout()))
      for (const Slice* factor : {&pair.a, &pair.b})
        std::fill_n(from.begin() + static_cast<std::ptrdiff_t>(factor->offset), factor->size, 0.0F);
    const std::span<const float> start = std::exchange(run.start, std::span<const float>(from));
    update.slots.push_back(delta_payload(run));
    run.start = start;
  }
};

const RegisterAlgorithm<FLoraConfig, FLora, StartsAnew> kFLora{
    {"flora", "stacks all clients' LoRA factors into the frozen weights; clients of any rank",
     "Wang, Shen, He, Sun, Wang, Lyu, Li: FLoRA: Federated Fine-Tuning Large Language Models with "
     "Heterogeneous "
     "Low-Rank Adaptations, NeurIPS 2024"}};

}  // namespace
}  // namespace fedloom
