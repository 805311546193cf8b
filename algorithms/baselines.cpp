// The two ends every federated method is compared with. Not federated learning, but run by the same engine
// on the same data with the same local SGD.
//
//   centralised  one client holds the training data of all; a round is `epochs` passes over it
//   local_only   every client trains its own model on its own data and nothing is exchanged
#include <algorithm>

#include "algorithms/algorithm.hpp"

namespace fedloom {
namespace {

class Centralised : public Strategy {
 public:
  Traits traits() const override { return {.pools_data = true}; }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    apply_mean_delta(state, exchanged(state.model.layout()), window.phase("train").slot("delta"), 1.0);
    return {};
  }
};

class LocalOnly : public Strategy {
 public:
  Traits traits() const override {
    return {.keeps_client_state = true, .exchanges = false, .personal_models = true};
  }

  std::optional<Phase> next_phase(const ServerState&, const WindowSums& window,
                                  const Recipe& base) const override {
    if (!window.phases.empty()) return std::nullopt;
    Phase phase;
    phase.recipe = base;
    return phase;
  }

  std::map<std::string, double> advance(ServerState&, const WindowSums&) const override { return {}; }
};

class PersonalObjective : public LocalObjective {
 public:
  std::string privacy_gap(PrivacyUnit) const override { return {}; }

  void begin(TaskRun& run) const override {
    const auto kept = run.kept.find("model");
    if (kept == run.kept.end()) return;
    const FloatBuffer& model = kept->second.data;
    if (model.size() != run.parameters.size())
      throw user_error("client {} keeps a model of {} floats, not {}", run.task->id.client, model.size(),
                       run.parameters.size());
    std::copy(model.begin(), model.end(), run.parameters.begin());
  }

  void finish(TaskRun& run, Update&) const override {
    run.kept["model"] = Tensor::vector({run.parameters.begin(), run.parameters.end()});
  }
};

const RegisterAlgorithm<NoSettings, Centralised> kCentralised{
    {"centralised", "baseline: all data in one place, the upper bound", ""}};
const RegisterAlgorithm<NoSettings, LocalOnly, PersonalObjective> kLocalOnly{
    {"local_only", "baseline: every client alone, the lower bound", ""}};

}  // namespace
}  // namespace fedloom
