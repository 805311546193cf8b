// From the keys to what the models understand.
#include "wiring/adapter_config.hpp"

#include "core/error.hpp"

namespace fedloom {

Adaptation to_adaptation(const AdapterConfig& config) {
  using Method = Adaptation::Method;
  Adaptation how;
  how.method = config.name == "freeze"   ? Method::freeze
               : config.name == "lora"   ? Method::lora
               : config.name == "ssf"    ? Method::ssf
               : config.name == "prompt" ? Method::prompt
                                         : Method::none;
  const bool chooses = how.method == Method::lora || how.method == Method::ssf;
  if (chooses && config.targets.empty())
    throw user_error(
        "adapter: {} needs `targets`, the layers that carry it, e.g. targets: [\"*.query\", \"*.value\"]",
        config.name);
  if (!chooses && !config.targets.empty())
    throw user_error("adapter: `targets` means nothing with name: {}; it is for lora and ssf", config.name);
  if (how.method == Method::freeze && config.train.empty())
    throw user_error("adapter: freeze needs `train`, the slices that are still trained, e.g. train: [head]");
  if (how.method == Method::none && !config.train.empty())
    throw user_error(
        "adapter: `train` chooses what an adapted model trains; give name: freeze, lora, ssf or "
        "prompt");
  how.targets = config.targets;
  how.train = config.train;
  how.rank = config.rank;
  how.alpha = config.alpha;
  how.dropout = config.dropout;
  how.initializer = config.init;
  how.tokens = config.tokens;
  return how;
}

}  // namespace fedloom
