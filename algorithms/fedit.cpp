// FedIT. J. Zhang, S. Vahidian, M. Kuo, C. Li, R. Zhang, T. Yu, G. Wang, Y. Chen, "Towards Building the
// FederatedGPT: Federated Instruction Tuning", ICASSP 2024.
//
//   each client k:  (A_k, B_k) <- SGD from (A, B)
//   server:         A <- sum p_k A_k,   B <- sum p_k B_k,   p_k = n_k / sum n
//
// The mean of products is not the product of means: sum p_k B_k A_k - B A = sum_{i<j} p_i p_j (B_i - B_j)
// (A_i - A_j) is what a round loses, reported as aggregation_error. With `ranks`, factors are padded with
// zeros to the largest rank, averaged, and cut back to each client's; the scale s = alpha / r is the server's
// for all.
#include "algorithms/algorithm.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

struct FedItConfig {
  lora::Settings lora;
  lora::RankSettings ranks;
  template <class Visitor>
  void visit(Visitor& v) {
    lora.visit(v);
    ranks.visit(v);
  }
};

class FedIt : public lora::LoraStrategy {
 public:
  explicit FedIt(const FedItConfig& config) : LoraStrategy(config.lora, config.ranks) {}

 protected:
  // Of equal ranks the averages are there already.
  lora::Metrics aggregate(ServerState& state, const ParameterVector& /*before*/,
                          const std::vector<lora::ClientFactors>& clients,
                          WindowId /*window*/) const override {
    if (!has_ranks()) return {};
    const std::vector<lora::Pair> pairs = lora::pairs_of(state.model.layout());
    for (std::size_t i = 0; i < pairs.size(); ++i)
      lora::write(lora::padded_mean(clients, i, pairs[i].rank(), lora::shares_of(clients)),
                  state.model.values(), pairs[i]);
    return {};
  }
};

const RegisterAlgorithm<FedItConfig, FedIt> kFedIt{
    {"fedit", "averages both LoRA factors apart",
     "Zhang, Vahidian, Kuo, Li, Zhang, Yu, Wang, Chen: Towards Building the FederatedGPT: Federated "
     "Instruction "
     "Tuning, ICASSP 2024"}};

}  // namespace
}  // namespace fedloom
