// Synthetic(alpha, beta) by name: the default, since it needs no files.
// The generator is datasets/synthetic.hpp; here are its settings.
#include "datasets/synthetic.hpp"
#include "datasets/data_source.hpp"

namespace fedloom {
namespace {

constexpr std::uint64_t kAuthorsClients = 30;

class SyntheticSource final : public DataSource {
 public:
  explicit SyntheticSource(const SyntheticConfig& config) : config_(config) {}
  std::shared_ptr<const FederatedData> federate(const FederationRequest& request) const override {
    return make_synthetic(config_, request.clients.value_or(kAuthorsClients), request.validation,
                          request.seed);
  }

 private:
  SyntheticConfig config_;
};

const Registration<DatasetRegistry, SyntheticConfig> kSynthetic{
    {"synthetic",
     "Synthetic(alpha, beta): generated clients with models and inputs of their own; needs no files",
     "Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith: Federated Optimization in Heterogeneous Networks, MLSys "
     "2020"},
    [](const SyntheticConfig& config) { return std::make_unique<SyntheticSource>(config); }};

}  // namespace
}  // namespace fedloom
