// FedSVD. S. Lee, S. Park, D. B. Lee, D. Wagner, H. Seong, T. Bocklet, J. Lee, S. J. Hwang, "FedSVD: Adaptive
// Orthogonalization for Private Federated Learning with LoRA", arXiv 2505.12805, 2025.
//
//   each client k:  B_k <- SGD (or DP-SGD) on B alone, A frozen
//   server:         B' = sum p_k B_k,   U S V^T = svd(B' A),   A <- V^T (orthonormal rows),   B <- U S
//
// The product does not change, so averaging is exact as in FFA-LoRA; orthonormal rows of A bound the gradient
// of B. Up goes B, down A and B. What the server does is post-processing and costs no privacy.
#include "algorithms/algorithm.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

class FedSvd : public lora::LoraStrategy {
 public:
  explicit FedSvd(const lora::Settings& settings) : LoraStrategy(settings) {}

 protected:
  std::vector<std::string> frozen_in(WindowId /*window*/) const override { return {"*.lora_A.weight"}; }

  lora::Metrics aggregate(ServerState& state, const ParameterVector& /*before*/,
                          const std::vector<lora::ClientFactors>& /*clients*/,
                          WindowId /*window*/) const override {
    for (const lora::Pair& pair : lora::pairs_of(state.model.layout())) {
      const lora::Factors mean = lora::factors_of(state.model.values(), pair);
      if (mean.b.isZero(0.0)) continue;  // no direction is better than another yet
      const lora::ProductSvd svd = lora::product_svd(mean.b, mean.a);
      lora::write({svd.v.transpose(), svd.u * svd.values.asDiagonal()}, state.model.values(), pair);
    }
    return {};
  }
};

const RegisterAlgorithm<lora::Settings, FedSvd> kFedSvd{
    {"fedsvd", "FFA-LoRA whose frozen factor the server renews by the singular vectors of the average",
     "Lee, Park, Lee, Wagner, Seong, Bocklet, Lee, Hwang: FedSVD: Adaptive Orthogonalization for Private "
     "Federated Learning with LoRA, arXiv "
     "2505.12805, 2025"}};

}  // namespace
}  // namespace fedloom
