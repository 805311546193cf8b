// The section `adapter:` of an experiment file.
// What it means is models/adapters/adaptation.hpp; here are its keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "models/adapters/adaptation.hpp"

namespace fedloom {

struct AdapterConfig {
  std::string name = "none";
  std::vector<std::string> targets;
  std::vector<std::string> train;
  std::int64_t rank = 4;
  double alpha = 8.0;
  double dropout = 0.0;
  std::string init = "kaiming_uniform";
  std::int64_t tokens = 8;

  template <class Visitor>
  void visit(Visitor& v) {
    v("name", name,
      "none: train the whole model; freeze: only what `train` names; lora: low-rank factors (Hu et al., ICLR "
      "2022); ssf: a scale and a shift per output (Lian et al., NeurIPS 2022); prompt: learned tokens (Jia "
      "et "
      "al., ECCV 2022)",
      one_of({"none", "freeze", "lora", "ssf", "prompt"}));
    v("targets", targets, "layers that carry the adapter, e.g. [\"*.query\", \"*.value\"] (lora, ssf)");
    v("train", train, "slices of the model that are trained as well, e.g. [head]; the rest is frozen");
    v.alias("r", "rank");
    v("rank", rank, "lora: rank of the factors", between(1, 1024));
    v.alias("lora_alpha", "alpha");
    v("alpha", alpha, "lora: the factors' product is scaled by alpha / rank", above(0));
    v.alias("lora_dropout", "dropout");
    v("dropout", dropout, "lora: share of the adapter's inputs dropped in training", between(0, 0.99));
    v("init", init, "lora: how the first factor starts; the second starts at zero",
      one_of({"kaiming_uniform", "gaussian"}));
    v("tokens", tokens, "prompt: learned tokens in front of the sequence", between(1, 4096));
  }
};

/// Throws UserError when keys and method do not fit each other.
Adaptation to_adaptation(const AdapterConfig& config);

}  // namespace fedloom
