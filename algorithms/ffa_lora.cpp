// FFA-LoRA. Y. Sun, Z. Li, Y. Li, B. Ding, "Improving LoRA in Privacy-Preserving Federated Learning", ICLR
// 2024. Federated Freeze A.
//
//   A0 is drawn once, the same for all, and never trained or sent
//   each client k:  B_k <- SGD (or DP-SGD) on B alone
//   server:         B <- sum p_k B_k           exact: B A0 = sum p_k B_k A0
//
// A client sends and receives r O floats a layer instead of r (I + O). With plain SGD, alpha and the learning
// rate are one parameter: (alpha, lr) and (c alpha, lr / c^2) are the same run.
#include "algorithms/algorithm.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

class FfaLora : public lora::LoraStrategy {
 public:
  explicit FfaLora(const lora::Settings& settings) : LoraStrategy(settings) {}

  SliceSet exchanged(const Layout& layout) const override {
    return {layout, [this](const Slice& slice) {
              return lora::part_of(slice.name) != lora::Part::first && shares(slice);
            }};
  }

 protected:
  std::vector<std::string> frozen_in(WindowId /*window*/) const override { return {"*.lora_A.weight"}; }
};

const RegisterAlgorithm<lora::Settings, FfaLora> kFfaLora{
    {"ffa_lora", "trains and averages the second LoRA factor alone; the first is frozen at its random start",
     "Sun, Li, Li, Ding: Improving LoRA in Privacy-Preserving Federated Learning, ICLR 2024"}};

}  // namespace
}  // namespace fedloom
