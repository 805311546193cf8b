// Accounting by the distribution of the privacy loss itself: discretised on a mesh, composed by Fourier
// transforms, and read off with every error on the safe side. Tight within 0.01 of epsilon for ordinary
// histories; rdp_accountant.hpp is the quick and looser one. Source: S. Gopi, Y. T. Lee, L. Wutschitz,
// "Numerical composition of differential privacy", NeurIPS 2021. Deviations: both directions of the
// neighbouring relation are composed and the larger epsilon counts; the grid covers only where the total loss
// lies (loss_range()) instead of a symmetric interval.
#pragma once

#include <span>

#include "algorithms/privacy/sampled_gaussian.hpp"

namespace fedloom::privacy {

/// An upper bound of epsilon, at least 0, never above that of rdp_epsilon(): rounding costs at most 0.01 in
/// epsilon and delta / 1000 in delta, both counted in. When that would take more than 2^20 points (large
/// epsilon, or millions of steps) the mesh gets coarser and the result larger by what that costs. A delta so
/// small that floating point cannot resolve it (below about 1e-15 per step) gives the Rényi bound. Infinite
/// and refused like rdp_epsilon(). Cost: see calibration.hpp.
double prv_epsilon(std::span<const Release> history, double delta);

}  // namespace fedloom::privacy
