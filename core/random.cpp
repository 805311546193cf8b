// Philox4x32-10 and the distributions drawn from it.
#include "core/random.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "core/error.hpp"

namespace fedloom {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53U;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = kMultiplier0 * c[0];
    const std::uint64_t p1 = kMultiplier1 * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    k[0] += kWeyl0;
    k[1] += kWeyl1;
  }
  return c;
}

// The counter's last word counts blocks; the high half of a client id and the high half of the seed are
// folded into the key, so the common case (32-bit ids and seeds) is exactly (seed, stream) and
// (client, task, draw).
Random::Random(std::uint64_t seed, Stream stream, std::uint64_t client, std::uint32_t task)
    : key_{static_cast<std::uint32_t>(seed),
           static_cast<std::uint32_t>(stream) ^ (static_cast<std::uint32_t>(seed >> 32) * 0x9E3779B9U)},
      counter_{static_cast<std::uint32_t>(client), task, 0, static_cast<std::uint32_t>(client >> 32)} {}

std::uint32_t Random::next32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    ++counter_[2];
    used_ = 0;
  }
  return block_[used_++];
}

std::uint64_t Random::next64() {
  const std::uint64_t high = next32();
  return (high << 32) | next32();
}

namespace {

struct Product {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
};

// All 128 bits; by halves where the processor's words are of 32.
Product multiply(std::uint64_t a, std::uint64_t b) {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
#else
  constexpr std::uint64_t kHalf = 0xffffffff;
  const std::uint64_t low = (a & kHalf) * (b & kHalf);
  const std::uint64_t first = (a >> 32) * (b & kHalf) + (low >> 32);
  const std::uint64_t second = (a & kHalf) * (b >> 32) + (first & kHalf);
  return {(a >> 32) * (b >> 32) + (first >> 32) + (second >> 32), (second << 32) | (low & kHalf)};
#endif
}

}  // namespace

std::uint64_t Random::below(std::uint64_t bound) {
  FEDLOOM_CHECK(bound > 0, "below({})", bound);
  // Lemire, "Fast random integer generation in an interval" (2019), on 64-bit words.
  Product product = multiply(next64(), bound);
  if (product.low < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (product.low < threshold) product = multiply(next64(), bound);
  }
  return product.high;
}

double Random::uniform() { return static_cast<double>(next64() >> 11) * 0x1.0p-53; }

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double u = 0.0;
  double v = 0.0;
  double s = 0.0;
  do {
    u = 2.0 * uniform() - 1.0;
    v = 2.0 * uniform() - 1.0;
    s = u * u + v * v;
  } while (s >= 1.0 || s == 0.0);
  const double scale = std::sqrt(-2.0 * std::log(s) / s);
  spare_ = v * scale;
  has_spare_ = true;
  return u * scale;
}

double Random::lognormal(double mu, double sigma) { return std::exp(normal(mu, sigma)); }

double Random::exponential(double mean) { return -mean * std::log1p(-uniform()); }

double Random::gamma(double shape) {
  FEDLOOM_CHECK(shape > 0.0, "gamma({})", shape);
  if (shape < 1.0) {
    // Gamma(a) = Gamma(a + 1) * U^(1/a).
    const double boosted = gamma(shape + 1.0);
    return boosted * std::pow(1.0 - uniform(), 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = normal();
    const double t = 1.0 + c * x;
    if (t <= 0.0) continue;
    const double v = t * t * t;
    const double u = 1.0 - uniform();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

std::vector<double> Random::dirichlet(std::span<const double> concentrations) {
  std::vector<double> shares;
  shares.reserve(concentrations.size());
  double total = 0.0;
  for (const double concentration : concentrations) total += shares.emplace_back(gamma(concentration));
  if (total <= 0.0 || !std::isfinite(total)) {
    // Every gamma underflowed (tiny concentrations): the limit puts all mass on one coordinate.
    std::fill(shares.begin(), shares.end(), 0.0);
    shares[static_cast<std::size_t>(below(shares.size()))] = 1.0;
    return shares;
  }
  for (double& share : shares) share /= total;
  return shares;
}

std::vector<double> Random::dirichlet(std::size_t count, double concentration) {
  const std::vector<double> concentrations(count, concentration);
  return dirichlet(concentrations);
}

std::vector<std::uint64_t> Random::choose(std::uint64_t population, std::uint64_t count) {
  FEDLOOM_CHECK(count <= population, "cannot choose {} of {}", count, population);
  std::unordered_set<std::uint64_t> chosen;
  chosen.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t j = population - count; j < population; ++j) {
    const std::uint64_t candidate = below(j + 1);
    if (!chosen.insert(candidate).second) chosen.insert(j);
  }
  std::vector<std::uint64_t> sorted(chosen.begin(), chosen.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace fedloom
