// Accounting by Rényi differential privacy: divergences of steps add up order by order, and each order gives
// an epsilon. Quick, a little loose; the tight one is prv_accountant.hpp. Sources: I. Mironov, "Rényi
// differential privacy", CSF 2017; for the conversion C. Canonne, G. Kamath, T. Steinke, "The discrete
// Gaussian for differential privacy", NeurIPS 2020, proposition 12.
#pragma once

#include <span>
#include <vector>

#include "algorithms/privacy/sampled_gaussian.hpp"

namespace fedloom::privacy {

/// The orders in use: 1.1, 1.2 … 10.9, the whole ones from 11 to 63, then 128, 256, 512 and 1024.
std::span<const double> rdp_orders();

/// The divergences of a whole history, one per order of rdp_orders(). Infinite where a step has no noise.
std::vector<double> composed_divergences(std::span<const Release> history);

struct RdpBound {
  double epsilon = 0.0;  // >= 0, maybe infinite
  double order = 0.0;    // the one that gave it; 0 when nothing was revealed or no order was needed
};

/// min over the orders a of  rho + ln((a-1)/a) - (ln delta + ln a)/(a-1), at least 0; and 0 where
/// delta >= sqrt(1 - e^-rho), which bounds the total variation (Bretagnolle, Huber). Throws UserError for
/// releases that require_valid() refuses and for a delta outside (0, 1).
RdpBound rdp_epsilon(std::span<const Release> history, double delta);

/// Bounds of the total privacy loss L from its divergences (as of composed_divergences), in either direction:
/// P(L > above) <= probability and P(L < -below) <= probability.
struct LossRange {
  double below = 0.0;
  double above = 0.0;
};
LossRange loss_range(std::span<const double> divergences, double probability);

}  // namespace fedloom::privacy
