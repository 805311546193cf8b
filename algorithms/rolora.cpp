// RoLoRA. S. Chen, Y. Guo, Y. Ju, H. Dalal, Z. Zhu, A. Khisti, "Robust Federated Finetuning of LLMs via
// Alternating Optimization of LoRA", arXiv 2409.02346, 2024.
//
//   odd rounds:   B_k <- SGD on B with A fixed,   B <- sum p_k B_k
//   even rounds:  A_k <- SGD on A with B fixed,   A <- sum p_k A_k
//
// All clients hold the same fixed factor, so both averages are exact. Only the factor that moved travels: up
// after its round, down before the next; a client that missed rounds is sent what it missed. The order B
// first is that of the independent implementations known to us. The optimizer starts anew with every task.
#include "algorithms/algorithm.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

constexpr const char* kMoved = "moved_in";  // scalar: the window whose average is to be sent

class RoLora : public lora::LoraStrategy {
 public:
  explicit RoLora(const lora::Settings& settings) : LoraStrategy(settings) {}

  Traits traits() const override {
    Traits traits = LoraStrategy::traits();
    traits.patches_model = true;
    traits.needs_rounds = true;
    return traits;
  }

  PatchParts patch(ServerState& state) const override {
    const auto window = static_cast<WindowId>(state.scalars.at(kMoved));
    const SliceSet moved = uploaded_in(state.model.layout(), window);
    Tensor values = Tensor::zeros({static_cast<std::int64_t>(moved.size())});
    moved.gather(state.model.values(), values.data);
    return {Payload::from(trains_second(window) ? "second" : "first", std::move(values))};
  }

  void apply(const PatchParts& parts, ParameterVector& model) const override {
    if (parts.size() != 1 || (parts[0].name != "second" && parts[0].name != "first"))
      throw user_error("rolora: a step is one factor, first or second");
    const SliceSet moved = uploaded_in(model.layout(), parts[0].name == "second" ? 1 : 2);
    if (parts[0].values().size() != moved.size())
      throw user_error("rolora: a step of {} floats, not {}", parts[0].values().size(), moved.size());
    moved.scatter(parts[0].values(), model.values());
  }

 protected:
  std::vector<std::string> frozen_in(WindowId window) const override {
    return {trains_second(window) ? "*.lora_A.weight" : "*.lora_B.weight"};
  }

  lora::Metrics aggregate(ServerState& state, const ParameterVector& /*before*/,
                          const std::vector<lora::ClientFactors>& /*clients*/,
                          WindowId window) const override {
    state.scalars[kMoved] = static_cast<double>(window);
    return {};
  }

 private:
  // By the round itself, so that a factor never changes in the middle of one.
  static bool trains_second(WindowId window) { return window % 2 == 1; }
};

const RegisterAlgorithm<lora::Settings, RoLora> kRoLora{
    {"rolora", "trains and averages the two LoRA factors in turn, round by round",
     "Chen, Guo, Ju, Dalal, Zhu, Khisti: Robust Federated Finetuning of LLMs via Alternating Optimization of "
     "LoRA, arXiv 2409.02346, 2024"}};

}  // namespace
}  // namespace fedloom
