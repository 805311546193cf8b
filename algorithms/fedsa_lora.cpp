// FedSA-LoRA. P. Guo, S. Zeng, Y. Wang, H. Fan, F. Wang, L. Qu, "Selective Aggregation for Low-Rank
// Adaptation in Federated Learning", ICLR 2025. Federated Share A.
//
//   each client k:  (A_k, B_k) <- SGD from (A, its own B_k); a client new to the run starts with B_k = 0
//   sends A_k; B_k, and the head unless it is averaged, stay with the client
//   server:         A <- sum p_k A_k
//
// The model of client k is W + s B_k A, so quality is that of the clients' own models on their own held-out
// data. The server never sees B_k: what a round loses, |B_k (A_k - A)|, every client measures itself at its
// next task.
#include <cmath>

#include "algorithms/algorithm.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

constexpr const char* kSent = "sent";             // kept slot: the first factors that a client uploaded last
constexpr const char* kSquare = "squared_error";  // scalar of an update, without the scale
constexpr const char* kCount = "measured";

struct FedSaConfig {
  lora::Settings lora{.head = "local"};
  template <class Visitor>
  void visit(Visitor& v) {
    lora.visit(v);
  }
};

class FedSaLora : public lora::LoraStrategy {
 public:
  explicit FedSaLora(const FedSaConfig& config)
      : LoraStrategy({config.lora.head, false}), measures_(config.lora.aggregation_error) {}

  Traits traits() const override {
    Traits traits = LoraStrategy::traits();
    traits.keeps_client_state = true;
    traits.personal_models = true;
    return traits;
  }

  SliceSet exchanged(const Layout& layout) const override {
    return {layout, [this](const Slice& slice) {
              return lora::part_of(slice.name) != lora::Part::second && shares(slice);
            }};
  }

  SliceSet personal(const Layout& layout) const override {
    return {layout, [this](const Slice& slice) {
              return slice.role == Role::trained &&
                     (lora::part_of(slice.name) == lora::Part::second || !shares(slice));
            }};
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    LoraStrategy::advance(state, window);
    const std::map<std::string, double>& sums = window.phase("train").scalars;
    const auto count = sums.find(kCount);
    if (!measures_ || count == sums.end() || count->second == 0.0) return {};
    const double scale = scale_of(state, lora::pairs_of(state.model.layout()).front().rank());
    // Root mean square over clients, of the latest round of each.
    return {{"aggregation_error", scale * std::sqrt(sums.at(kSquare) / count->second)}};
  }

 private:
  bool measures_;
};

class SharesFirst : public LocalObjective {
 public:
  explicit SharesFirst(const FedSaConfig& config) : measures_(config.lora.aggregation_error) {}

  bool corrects() const override { return false; }
  std::string privacy_gap(PrivacyUnit unit) const override {
    return unit == PrivacyUnit::client && measures_ ? "it returns what its aggregation error is measured "
                                                      "from; set strategy.aggregation_error: false"
                                                    : "";
  }

  void begin(TaskRun& run) const override {
    const auto sent = run.kept.find(kSent);
    if (!measures_ || sent == run.kept.end()) return;
    double square = 0.0;
    std::size_t offset = 0;
    for (const lora::Pair& pair : lora::pairs_of(*run.model->layout())) {
      lora::Matrix moved = -lora::matrix_of(run.start, pair.a);
      if (offset + pair.a.size > sent->second.data.size())
        throw user_error("a client keeps first factors of {} floats, too few for its model",
                         sent->second.data.size());
      for (Eigen::Index i = 0; i < moved.size(); ++i)
        moved.data()[i] += static_cast<double>(sent->second.data[offset + static_cast<std::size_t>(i)]);
      offset += pair.a.size;
      square += (lora::matrix_of(run.start, pair.b) * moved).squaredNorm();
    }
    run.scratch[kSquare] = Tensor::vector({static_cast<float>(square)});
  }

  void finish(TaskRun& run, Update& update) const override {
    LocalObjective::finish(run, update);
    if (!measures_) return;
    if (const auto square = run.scratch.find(kSquare); square != run.scratch.end()) {
      update.scalars[kSquare] = static_cast<double>(square->second.data.front());
      update.scalars[kCount] = 1.0;
    }
    FloatBuffer first;
    for (const lora::Pair& pair : lora::pairs_of(*run.model->layout())) {
      const auto values = run.parameters.subspan(pair.a.offset, pair.a.size);
      first.insert(first.end(), values.begin(), values.end());
    }
    run.kept[kSent] = Tensor::vector(std::move(first));
  }

 private:
  bool measures_;
};

const RegisterAlgorithm<FedSaConfig, FedSaLora, SharesFirst> kFedSaLora{
    {"fedsa_lora", "averages the first LoRA factor; the second and the head stay with every client",
     "Guo, Zeng, Wang, Fan, Wang, Qu: Selective Aggregation for Low-Rank Adaptation in Federated Learning, "
     "ICLR "
     "2025"}};

}  // namespace
}  // namespace fedloom
