// The section `privacy:` of an experiment file: its keys, and what cannot be accounted for. How it works is
// algorithms/privacy/ and server/privacy_budget.hpp, how to use it docs/privacy.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/config.hpp"

namespace fedloom {

/// privacy.adaptive: the norm follows a quantile of the updates' norms.
struct AdaptiveClipConfig {
  double quantile = 0.5;
  double rate = 0.2;
  double count_noise = 0.0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("quantile", quantile, "share of the updates that the norm shall be above", between(0.01, 0.99));
    v("rate", rate, "how fast it follows: it moves by a factor of exp(-rate (share within - quantile))",
      between(1e-6, 10));
    v("count_noise", count_noise,
      "deviation of the noise in the number of updates within the norm; 0: a twentieth of the cohort",
      at_least(0));
  }
};

struct PrivacyConfig {
  std::string unit = "none";
  double epsilon = 0.0;
  double delta = 1e-5;
  double clip_norm = 1.0;
  double noise_multiplier = 0.0;
  std::string noise = "server";
  std::optional<AdaptiveClipConfig> adaptive;
  std::string accountant = "rdp";
  std::int64_t participations = 0;

  /// Whether the noise follows from the number of rounds.
  bool depends_on_rounds() const { return unit != "none" && noise_multiplier == 0.0 && participations == 0; }

  template <class Visitor>
  void visit(Visitor& v) {
    v("unit", unit,
      "what is protected. example: every example of a client, by DP-SGD on the client (Abadi et al., CCS "
      "2016); "
      "client: all of a client's data, by clipped updates and noise (McMahan et al., ICLR 2018)",
      one_of({"none", "example", "client"}));
    v("epsilon", epsilon, "the budget, which the run ends before it overspends; 0: no limit, only counted",
      between(0, 1000));
    v("delta", delta, "probability with which epsilon may not hold; well below 1 / (number of units)",
      between(1e-300, 0.5));
    v.alias("max_grad_norm", "clip_norm");
    v("clip_norm", clip_norm, "L2 norm that an example's gradient, or an update, is clipped to", above(0));
    v("noise_multiplier", noise_multiplier,
      "deviation of the noise in multiples of clip_norm; 0: as much as epsilon needs", between(0, 1e6));
    v("noise", noise,
      "unit client: who adds the noise. server: once to a round's sum, so the server is trusted; client: "
      "every "
      "client to its update",
      one_of({"server", "client"}));
    v("adaptive", adaptive,
      "unit client, noise of the server: the norm, from clip_norm on, follows the updates (Andrew et al., "
      "NeurIPS 2021)");
    v("accountant", accountant, "rdp: Rényi moments, quick; prv: privacy loss by numbers, tighter and slower",
      one_of({"rdp", "prv"}));
    v("participations", participations,
      "tasks of one client, or with noise of the server rounds, that the noise is computed for; 0: `rounds`. "
      "Who has used them up is not asked any more",
      between(0, 1e9));
  }
};

}  // namespace fedloom
