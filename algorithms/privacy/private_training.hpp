// DP-SGD on one client: M. Abadi, A. Chu, I. Goodfellow, B. McMahan, I. Mironov, K. Talwar, L. Zhang, "Deep
// Learning with Differential Privacy", CCS 2016, algorithm 1. It protects single examples against whoever
// sees what the client returns, the server included. What it costs in epsilon is calibration.hpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/local_objective.hpp"

namespace fedloom::privacy {

/// Whom the steps of a task work with: every example by itself with probability `rate` in [0, 1], which is
/// the sampling that the accounting assumes. A batch may be of any size, empty included.
class PoissonSample {
 public:
  PoissonSample(std::size_t examples, double rate, Random random);
  /// Positions (0 .. examples-1) of the next step, ascending; valid until the next call. O(rate * examples).
  std::span<const std::uint32_t> next();

 private:
  std::size_t examples_;
  double rate_;
  Random random_;
  std::vector<std::uint32_t> positions_;
};

/// Probability with which a step takes an example, where steps of `batch_size` (> 0) are asked for: min(1, B
/// / n).
double sample_rate(std::int64_t batch_size, std::uint64_t examples);

/// sum := (sum + N(0, deviation^2)) / expected on the runs of `trained`, in their order. Draws only where
/// there is noise (deviation > 0).
void add_noise_and_divide(const SliceSet& trained, std::span<float> sum, double deviation, double expected,
                          Random& random);

/// `steps` steps of
///   S = Poisson sample at rate q;  g = (sum_{i in S} clip(g_i, C) + N(0, (z C)^2)) / (q n);
///   g = correct(g);  clip_norm;  optimizer(g, scheduled lr)
/// with C = privacy.example_clip, z = privacy.example_noise, n the client's examples (> 0), over all trained
/// slices taken as one vector. Everything from the division on works on what is private already. An empty
/// sample is a step on noise alone. No loss is kept. Throws UserError for a model that mixes the examples of
/// a batch.
void train_privately(const LocalObjective& objective, TaskRun& run, std::int64_t steps);

}  // namespace fedloom::privacy
