// Randomness keyed by what it is for, never by who draws it or when: Philox4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with key = (seed, stream) and counter =
// (client, task, draw). Distributions are our own, since the standard library's differ between
// implementations.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace fedloom {

/// What randomness is used for. Each purpose has its own stream, so adding one never shifts another.
enum class Stream : std::uint32_t {
  init = 1,        // model weights
  partition = 2,   // splitting data over clients
  sampling = 3,    // who takes part
  data_order = 4,  // mini-batch shuffling
  dropout = 5,
  duration = 6,
  availability = 7,
  noise = 8,  // differential privacy
  compress = 9,
  dataset = 10,  // synthetic data
  attack = 11,
  strategy = 12,
  network = 13,
  loss = 14,      // tasks that break off on their device
  estimate = 15,  // draws that a server plans with
  augment = 16,   // changes to training batches
  masking = 17,   // tokens that are hidden to be predicted
};

/// One block of Philox4x32-10. A pure function; see the known answers in tests/core/random_test.cpp.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// A sequence of random numbers fixed by (seed, stream, client, task). Copying forks the sequence.
class Random {
 public:
  using result_type = std::uint32_t;

  Random(std::uint64_t seed, Stream stream, std::uint64_t client = 0, std::uint32_t task = 0);

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffffU; }
  result_type operator()() { return next32(); }

  std::uint32_t next32();
  std::uint64_t next64();
  /// Uniform integer in [0, bound), bound > 0; unbiased (Lemire's multiply-and-reject).
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1) with 53 random bits.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Standard normal (polar method; the second of each pair is kept).
  double normal();
  double normal(double mean, double deviation) { return mean + deviation * normal(); }
  /// exp(N(mu, sigma)).
  double lognormal(double mu, double sigma);
  /// Exponential with the given mean > 0.
  double exponential(double mean);
  /// Gamma(shape, 1), shape > 0 (Marsaglia and Tsang 2000; boosted below shape 1).
  double gamma(double shape);
  bool bernoulli(double probability) { return uniform() < probability; }
  /// Dirichlet with the given concentrations (all > 0); sums to 1.
  std::vector<double> dirichlet(std::span<const double> concentrations);
  std::vector<double> dirichlet(std::size_t count, double concentration);
  /// Fisher-Yates.
  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }
  /// `count` distinct integers of [0, population), ascending; time and memory O(count) (Floyd 1987).
  std::vector<std::uint64_t> choose(std::uint64_t population, std::uint64_t count);

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
  double spare_ = 0.0;
  bool has_spare_ = false;
};

}  // namespace fedloom
