// Privacy of whole clients: what a client does to its update, and what the server adds to the sum.
// H. B. McMahan, D. Ramage, K. Talwar, L. Zhang, "Learning Differentially Private Recurrent Language Models",
// ICLR 2018 (clipped updates, fixed denominator); G. Andrew, O. Thakkar, H. B. McMahan, S. Ramaswamy,
// "Differentially Private Learning with Adaptive Clipping", NeurIPS 2021 (the bound follows a quantile).
#pragma once

#include <cstdint>

#include "algorithms/local_objective.hpp"
#include "algorithms/strategy.hpp"

namespace fedloom::privacy {

/// Scalar of an update whose norm may be counted: b - 1/2, with b = 1 where the norm was within the bound.
inline constexpr const char* kWithinClip = "within_clip";
/// Scalar of the server's state: the norm that updates are clipped to, where the noise is the server's.
inline constexpr const char* kClipScalar = "privacy/clip_norm";

/// On the client, after finish(): delta := delta min(1, C / |delta|) + N(0, (z C)^2), with C =
/// privacy.update_clip and z = privacy.update_noise, 0 where the server adds the noise. With counts_clipped,
/// adds kWithinClip. The norm is taken over the whole slot. An update that is not finite stays so, and is
/// refused by the server. Throws UserError when the update holds anything else, which the bound would not
/// cover.
void make_private(const TaskRun& run, Update& update);

/// On the server: one more term N(0, deviation^2), of weight 1, in the sum of "delta". Throws UserError where
/// noise is beyond what the sum can hold.
void add_noise(PhaseSum& sum, double deviation, Random& random);

/// The bound that a share of the updates is within, followed geometrically from round to round.
struct AdaptiveClip {
  double quantile = 0.5;     // gamma, in (0, 1): the share of updates that shall be within the bound
  double rate = 0.2;         // eta_C, above 0
  double count_noise = 0.0;  // sigma_b, above z / 2: deviation of the noise in the count of those within

  /// z_delta = (z^-2 - (2 sigma_b)^-2)^(-1/2): the multiplier left for the sum, so that the two together cost
  /// what one with multiplier z > 0 does (Andrew et al., theorem 1).
  double sum_noise(double noise_multiplier) const;
  /// C exp(-eta_C (b - gamma)), b = (count / expected + 1/2) + noise: `count` is the sum of kWithinClip over
  /// a cohort of `expected` clients.
  double next(double clip, double count, double expected, Random& random) const;
};

}  // namespace fedloom::privacy
