// Sums and a minimum over orders.
#include "algorithms/privacy/rdp_accountant.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace fedloom::privacy {

namespace {

constexpr std::size_t kOrders = 99 + 53 + 4;

constexpr std::array<double, kOrders> make_orders() {
  std::array<double, kOrders> orders{};
  std::size_t n = 0;
  for (int tenths = 11; tenths <= 109; ++tenths) orders[n++] = tenths / 10.0;
  for (int order = 11; order <= 63; ++order) orders[n++] = order;
  for (int order = 128; order <= 1024; order *= 2) orders[n++] = order;
  return orders;
}

constexpr std::array<double, kOrders> kAllOrders = make_orders();

}  // namespace

std::span<const double> rdp_orders() { return kAllOrders; }

std::vector<double> composed_divergences(std::span<const Release> history) {
  std::vector<double> total(kOrders, 0.0);
  for (const Release& release : history) {
    if (reveals_nothing(release)) continue;
    const std::vector<double> one = renyi_divergences(release.mechanism, kAllOrders);
    for (std::size_t i = 0; i < kOrders; ++i) total[i] += static_cast<double>(release.steps) * one[i];
  }
  return total;
}

RdpBound rdp_epsilon(std::span<const Release> history, double delta) {
  require_valid_delta(delta);
  for (const Release& release : history) require_valid(release);
  if (std::all_of(history.begin(), history.end(), reveals_nothing)) return {};
  RdpBound best{std::numeric_limits<double>::infinity(), 0.0};
  if (std::any_of(history.begin(), history.end(), reveals_everything)) return best;
  const std::vector<double> divergences = composed_divergences(history);
  // The smallest order bounds the Kullback-Leibler divergence best.
  if (delta * delta >= -std::expm1(-divergences.front())) return {};
  for (std::size_t i = 0; i < kOrders; ++i) {
    const double a = kAllOrders[i];
    const double epsilon =
        divergences[i] + std::log1p(-1.0 / a) - (std::log(delta) + std::log(a)) / (a - 1.0);
    if (epsilon < best.epsilon) best = {std::max(0.0, epsilon), a};
  }
  return best;
}

// Chernoff's bound. With s = a - 1 above and s = a below, E[e^(s L)] = e^((a-1) rho(a)) and
// E[e^(-s L)] = e^((a-1) rho'(a)), rho' <= rho being the divergence in the other direction.
LossRange loss_range(std::span<const double> divergences, double probability) {
  LossRange range{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  for (std::size_t i = 0; i < kOrders; ++i) {
    const double a = kAllOrders[i];
    range.above = std::min(range.above, divergences[i] - std::log(probability) / (a - 1.0));
    range.below = std::min(range.below, ((a - 1.0) * divergences[i] - std::log(probability)) / a);
  }
  return range;
}

}  // namespace fedloom::privacy
