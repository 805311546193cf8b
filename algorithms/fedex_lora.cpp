// FedEx-LoRA. R. Singhal, K. Ponkshe, P. Vepakomma, "FedEx-LoRA: Exact Aggregation for Federated and
// Efficient Fine-Tuning of Large Language Models", ACL 2025.
//
//   each client k:  (A_k, B_k) <- SGD from (A, B) beside W
//   server:         A <- sum p_k A_k,   B <- sum p_k B_k,   W <- W + s R,   R = sum p_k B_k A_k - B A
//
// p_k = n_k / sum n; the paper takes 1/K. Every client adds the same s R to its copy of W. R is sent as two
// sides of rank (K - 1) r, which is exact: with sum p_k (B_k - B) = 0,
//   R = sum_{k<K} p_k (B_k - B) (A_k - A_K).
// `truncate` > 0 sends the best approximation of that rank instead (the paper's section on communication);
// what is cut is then lost, here as there.
#include <algorithm>

#include "algorithms/algorithm.hpp"
#include "algorithms/lora/base_update.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

constexpr const char* kAverages = "averages";

struct FedExConfig {
  lora::Settings lora;
  std::int64_t truncate = 0;
  template <class Visitor>
  void visit(Visitor& v) {
    lora.visit(v);
    v("truncate", truncate, "rank to which the residual is cut before it is sent; 0 sends all of it",
      at_least(0));
  }
};

class FedExLora : public lora::LoraStrategy {
 public:
  explicit FedExLora(const FedExConfig& config) : LoraStrategy(config.lora), truncate_(config.truncate) {}

  Traits traits() const override {
    Traits traits = LoraStrategy::traits();
    traits.patches_model = true;
    return traits;
  }

  // The bases that carry factors travel too: they change.
  SliceSet exchanged(const Layout& layout) const override {
    return lora::with_bases(layout, [this](const Slice& slice) { return shares(slice); });
  }

  PatchParts patch(ServerState& state) const override {
    const SliceSet averaged = uploaded_in(state.model.layout(), 0);
    Tensor values = Tensor::zeros({static_cast<std::int64_t>(averaged.size())});
    averaged.gather(state.model.values(), values.data);
    PatchParts parts = lora::take_base_update(state);
    parts.push_back(Payload::from(kAverages, std::move(values)));
    return parts;
  }

  void apply(const PatchParts& parts, ParameterVector& model) const override {
    const SliceSet averaged = uploaded_in(model.layout(), 0);
    averaged.scatter(lora::part_named(parts, kAverages, averaged.size()), model.values());
    lora::apply_base_update(parts, model);
  }

 protected:
  bool needs_updates() const override { return true; }

  lora::Metrics aggregate(ServerState& state, const ParameterVector& /*before*/,
                          const std::vector<lora::ClientFactors>& clients,
                          WindowId /*window*/) const override {
    const std::vector<lora::Pair> pairs = lora::pairs_of(state.model.layout());
    lora::BaseUpdate update;
    for (std::size_t i = 0; i < pairs.size(); ++i) update.push_back(residual(clients, pairs[i], i));
    lora::keep_base_update(state, update);
    return {};
  }

 private:
  lora::Sides residual(const std::vector<lora::ClientFactors>& clients, const lora::Pair& pair,
                       std::size_t index) const {
    const Eigen::Index r = pair.rank();
    const auto count = static_cast<Eigen::Index>(clients.size());
    lora::Matrix mean = lora::Matrix::Zero(pair.outputs(), r);
    for (const lora::ClientFactors& client : clients) mean += client.share * client.pairs[index].b;
    lora::Sides sides{lora::Matrix(pair.outputs(), (count - 1) * r),
                      lora::Matrix((count - 1) * r, pair.inputs())};
    for (Eigen::Index k = 0; k + 1 < count; ++k) {
      const lora::ClientFactors& client = clients[static_cast<std::size_t>(k)];
      sides.left.middleCols(k * r, r) = client.scale * client.share * (client.pairs[index].b - mean);
      sides.right.middleRows(k * r, r) = client.pairs[index].a - clients.back().pairs[index].a;
    }
    if (truncate_ == 0 || sides.right.rows() <= truncate_) return sides;
    const lora::ProductSvd svd = lora::product_svd(sides.left, sides.right, truncate_);
    // A small layer's residual may have a smaller rank; zeros fill it up to that of all layers.
    const Eigen::Index kept = svd.values.size();
    lora::Sides cut{lora::Matrix::Zero(pair.outputs(), truncate_),
                    lora::Matrix::Zero(truncate_, pair.inputs())};
    cut.left.leftCols(kept) = svd.u * svd.values.asDiagonal();
    cut.right.topRows(kept) = svd.v.transpose();
    return cut;
  }

  std::int64_t truncate_;
};

const RegisterAlgorithm<FedExConfig, FedExLora> kFedExLora{
    {"fedex_lora", "averages both LoRA factors and adds what that loses to the frozen weights",
     "Singhal, Ponkshe, Vepakomma: FedEx-LoRA: Exact Aggregation for Federated and Efficient Fine-Tuning of "
     "Large "
     "Language Models, ACL 2025"}};

}  // namespace
}  // namespace fedloom
