// FlexLoRA. J. Bai, D. Chen, B. Qian, L. Yao, Y. Li, "Federated Fine-tuning of Large Language Models under
// Heterogeneous Tasks and Client Resources", NeurIPS 2024.
//
//   each client k of rank r_k:  (A_k, B_k) <- SGD from what it was sent
//   server:  M = sum p_k (alpha / r_k) B_k A_k,   U S V^T = svd(M)
//   sends    A = V^T[:r],  B = U[:, :r] S[:r] r / alpha   to a client of rank r: (alpha / r) B A is the best
//            approximation of M of that rank
//
// All singular values go to B. The decomposition is exact and never makes M: QR of the stacked factors and a
// core of sum r_k. Where clients bring fewer components than r, the rest keep their first factor beside a
// second of zeros.
#include "algorithms/algorithm.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

struct FlexLoraConfig {
  lora::Settings lora;
  lora::RankSettings ranks;
  template <class Visitor>
  void visit(Visitor& v) {
    lora.visit(v);
    ranks.visit(v);
  }
};

class FlexLora : public lora::LoraStrategy {
 public:
  explicit FlexLora(const FlexLoraConfig& config) : LoraStrategy(config.lora, config.ranks) {}

 protected:
  bool needs_updates() const override { return true; }
  bool scales_by_own_rank() const override { return true; }

  // The server holds its own rank R; (alpha / r) B_r = (alpha / R) B.
  lora::Factors start_factors(const ServerState& /*state*/, const ParameterVector& model,
                              const lora::Pair& pair, Eigen::Index rank) const override {
    const lora::Factors whole = lora::factors_of(model.values(), pair);
    const double ratio = static_cast<double>(rank) / static_cast<double>(pair.rank());
    return {whole.a.topRows(rank), ratio * whole.b.leftCols(rank)};
  }

  lora::Metrics aggregate(ServerState& state, const ParameterVector& before,
                          const std::vector<lora::ClientFactors>& clients,
                          WindowId /*window*/) const override {
    const std::vector<lora::Pair> pairs = lora::pairs_of(before.layout());
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const lora::Pair& pair = pairs[i];
      const lora::Factors all = lora::stacked(clients, i);
      const lora::ProductSvd svd = lora::product_svd(all.b, all.a, pair.rank());
      const Eigen::Index kept = svd.values.size();
      lora::Factors next{lora::factors_of(before.values(), pair).a,
                         lora::Matrix::Zero(pair.outputs(), pair.rank())};
      next.a.topRows(kept) = svd.v.transpose();
      next.b.leftCols(kept) = svd.u * svd.values.asDiagonal() / scale_of(state, pair.rank());
      lora::write(next, state.model.values(), pair);
    }
    return {};
  }
};

const RegisterAlgorithm<FlexLoraConfig, FlexLora> kFlexLora{
    {"flexlora",
     "averages products of LoRA factors and deals them out by singular values, each client its rank",
     "Bai, Chen, Qian, Yao, Li: Federated Fine-tuning of Large Language Models under Heterogeneous Tasks and "
     "Client Resources, NeurIPS 2024"}};

}  // namespace
}  // namespace fedloom
