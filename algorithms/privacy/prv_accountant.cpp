// One mesh for all steps; per direction: probabilities of the steps, a circle of them, the composed circle,
// and the epsilon that its upper tail allows. Where delta_err goes is said at ErrorBudget.
#include "algorithms/privacy/prv_accountant.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

#include <Eigen/Core>
#include <unsupported/Eigen/FFT>

#include "algorithms/privacy/rdp_accountant.hpp"

namespace fedloom::privacy {

namespace {

constexpr double kEpsilonError = 0.01;
constexpr double kDeltaShare = 1e-3;  // delta_err / delta
constexpr std::size_t kMostPoints = std::size_t{1} << 20;
constexpr double kMostSteps = 1e9;  // beyond, the roundings alone would fill that many points

// Losses h k + shift for whole k; the circle stands for `points` of them beginning at the loss `start`.
struct Mesh {
  double h = 0.0;
  double start = 0.0;
  std::size_t points = 0;

  std::size_t place(std::int64_t k) const {
    const auto n = static_cast<std::int64_t>(points);
    return static_cast<std::size_t>(((k % n) + n) % n);
  }
};

// With T steps in all, the true delta(epsilon) is at most that of the circle at epsilon - epsilon_err, plus
//   delta_err/4       some step has a loss beyond the range kept of it (each: delta_err / 4T)
//   delta_err/12      the T roundings, each within h/2 and of mean zero, add up to more than
//                     epsilon_err = h sqrt(T ln(12/delta_err) / 2) (Hoeffding)
//   delta_err/4 + 1/12   the rounded total lies above the circle's end, and so appears at its beginning
//   T 1e-15           floating point
// What lies below the circle's beginning appears at its end, which only makes epsilon larger.
struct ErrorBudget {
  double steps = 0.0;
  double delta_err = 0.0;

  double step_tail() const { return delta_err / (4.0 * steps); }
  double range_tail() const { return delta_err / 4.0; }
  double epsilon_err(double h) const { return h * std::sqrt(0.5 * steps * std::log(12.0 / delta_err)); }
  double delta_lost() const { return delta_err * (2.0 / 4.0 + 2.0 / 12.0) + steps * 1e-15; }
};

std::size_t circle_size(double least) {
  for (std::size_t power = 256;; power *= 2)
    for (const std::size_t size : {power, power / 4 * 5, power / 2 * 3})  // sizes with small factors
      if (static_cast<double>(size) >= least) return size;
}

Mesh make_mesh(const ErrorBudget& budget, const LossRange& range) {
  Mesh mesh;
  mesh.h = kEpsilonError / budget.epsilon_err(1.0);
  const double length = range.below + range.above;
  // Rounding may carry the total beyond its range by epsilon_err on each side.
  const auto needed = [&](double h) { return (length + 2.0 * budget.epsilon_err(h)) / h + 4.0; };
  const auto most = static_cast<double>(kMostPoints);
  if (needed(mesh.h) > most) mesh.h = length / (most - 4.0 - 2.0 * budget.epsilon_err(1.0));
  mesh.points = circle_size(needed(mesh.h));
  mesh.start = -range.below - budget.epsilon_err(mesh.h);
  return mesh;
}

// One step on the mesh: each loss rounded to the nearest h k, then all shifted so that the mean stays.
struct DiscreteLoss {
  Eigen::ArrayXd circle;
  double shift = 0.0;
};

DiscreteLoss discretise(const PrivacyLoss& loss, const Mesh& mesh, double tail) {
  // Losses below the first count as the first, which is safe with any probability that 1 - it resolves.
  const double lowest = loss.quantile(1.0 - std::max(tail, 1e-14));
  const auto first = static_cast<std::int64_t>(std::floor(lowest / mesh.h));
  const auto last = static_cast<std::int64_t>(std::ceil(loss.quantile(tail) / mesh.h));
  const auto edge = [&](std::int64_t k) { return (static_cast<double>(k) + 0.5) * mesh.h; };
  DiscreteLoss out;
  out.circle = Eigen::ArrayXd::Zero(static_cast<Eigen::Index>(mesh.points));
  double mass = 0.0;
  double mean = 0.0;
  double above = 1.0;
  for (std::int64_t k = first; k <= last; ++k) {
    const double beyond = loss.survival(edge(k));
    out.circle[static_cast<Eigen::Index>(mesh.place(k))] += above - beyond;
    mass += above - beyond;
    mean += (above - beyond) * static_cast<double>(k) * mesh.h;
    above = beyond;
  }
  // The mean of all losses is at least that of those kept.
  out.shift = loss.mean_above(edge(first - 1)) - mean / mass;
  return out;
}

// product *= base^power, a block at a time so that it stays in cache.
void multiply_by_power(Eigen::ArrayXcd& product, const Eigen::ArrayXcd& base, std::int64_t power) {
  constexpr Eigen::Index kBlock = 512;
  Eigen::ArrayXcd square;
  for (Eigen::Index at = 0; at < base.size(); at += kBlock) {
    const Eigen::Index size = std::min(kBlock, base.size() - at);
    auto block = product.segment(at, size);
    square = base.segment(at, size);
    for (std::int64_t left = power; left > 0; left /= 2) {
      if (left % 2 == 1) block *= square;
      if (left > 1) square *= square;
    }
  }
}

class Composition {
 public:
  Composition(const Mesh& mesh, const ErrorBudget& budget) : mesh_(mesh), budget_(budget) {
    fft_.SetFlag(Eigen::FFT<double>::HalfSpectrum);
  }

  /// The epsilon of the whole history in one direction.
  double epsilon(std::span<const Release> history, Direction direction, double delta) {
    const auto points = static_cast<Eigen::Index>(mesh_.points);
    Eigen::ArrayXcd product = Eigen::ArrayXcd::Ones(points / 2 + 1);
    Eigen::ArrayXcd spectrum(points / 2 + 1);
    double shift = 0.0;
    DiscreteLoss step;
    for (const Release& release : history) {
      if (reveals_nothing(release)) continue;
      step = discretise(PrivacyLoss(release.mechanism, direction), mesh_, budget_.step_tail());
      fft_.fwd(spectrum.data(), step.circle.data(), points);
      multiply_by_power(product, spectrum, release.steps);
      shift += static_cast<double>(release.steps) * step.shift;
    }
    fft_.inv(step.circle.data(), product.data(), points);
    return read_off(step.circle, shift, delta - budget_.delta_lost()) + budget_.epsilon_err(mesh_.h);
  }

 private:
  // The epsilon with sum_{t > epsilon} p(t) (1 - e^{epsilon - t}) = delta, from the top down.
  double read_off(const Eigen::ArrayXd& circle, double shift, double delta) const {
    const auto first = static_cast<std::int64_t>(std::ceil((mesh_.start - shift) / mesh_.h));
    const double decay = std::exp(-mesh_.h);
    double mass = 0.0;      // sum p(t)
    double weighted = 0.0;  // sum p(t) e^{now - t}
    std::int64_t k = first + static_cast<std::int64_t>(mesh_.points) - 1;
    for (; k >= first; --k) {
      const double p = circle[static_cast<Eigen::Index>(mesh_.place(k))];
      mass += p;
      weighted = weighted * decay + p;
      // Reached before the next smaller loss: mass - weighted e^(epsilon - now) = delta.
      if (mass - weighted * decay >= delta) break;
    }
    const double now = static_cast<double>(k) * mesh_.h + shift;
    return k < first ? now : now + std::log((mass - delta) / weighted);
  }

  Mesh mesh_;
  ErrorBudget budget_;
  Eigen::FFT<double> fft_;
};

}  // namespace

double prv_epsilon(std::span<const Release> history, double delta) {
  const double renyi = rdp_epsilon(history, delta).epsilon;
  if (renyi == 0.0 || std::isinf(renyi)) return renyi;
  ErrorBudget budget{0.0, kDeltaShare * delta};
  for (const Release& release : history)
    if (!reveals_nothing(release)) budget.steps += static_cast<double>(release.steps);
  if (budget.delta_lost() >= delta || budget.steps > kMostSteps) return renyi;
  const Mesh mesh = make_mesh(budget, loss_range(composed_divergences(history), budget.range_tail()));
  Composition composition(mesh, budget);
  const double remove = composition.epsilon(history, Direction::remove, delta);
  const double add = composition.epsilon(history, Direction::add, delta);
  return std::clamp(std::max(remove, add), 0.0, renyi);
}

}  // namespace fedloom::privacy
