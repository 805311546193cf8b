// fedloom privacy: the epsilon of given noise, or the noise for a given epsilon, without an experiment.
// The accountants are algorithms/privacy.
#include <array>
#include <cmath>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "algorithms/privacy/calibration.hpp"
#include "algorithms/privacy/rdp_accountant.hpp"
#include "core/error.hpp"
#include "experiments/cli/commands.hpp"

namespace fedloom {

namespace {

using privacy::Accounting;

struct Question {
  std::optional<double> noise, epsilon, rate;
  std::optional<std::int64_t> examples, batch;
  std::int64_t steps = 0;
  double delta = 0.0;
};

double rate_of(const Question& q) {
  if (q.rate.has_value() == (q.examples || q.batch))
    throw user_error("give either --rate or both --examples and --batch, whose quotient it is");
  if (q.rate) return *q.rate;
  if (!q.examples || !q.batch)
    throw user_error("--{} is missing: the rate is --batch divided by --examples",
                     q.examples ? "batch" : "examples");
  if (*q.examples < 1 || *q.batch < 0 || *q.batch > *q.examples)
    throw user_error("--batch {} of --examples {}: a batch has between 0 and all of at least one example",
                     *q.batch, *q.examples);
  return static_cast<double>(*q.batch) / static_cast<double>(*q.examples);
}

// Six digits, never less than the value: both epsilon and noise are upper bounds.
std::string rounded_up(double value) {
  if (!(value > 0.0 && std::isfinite(value))) return fmt::format("{}", value);
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 5.0);
  return fmt::format("{:.6g}", std::ceil(value / unit) * unit);
}

std::string order_text(double noise, const Question& q, double rate) {
  const std::array history{privacy::Release{{noise, rate}, q.steps}};
  const double order = privacy::rdp_epsilon(history, q.delta).order;
  return order == 0.0 ? "" : fmt::format(", best at order {:.4g}", order);
}

int answer(const Question& q) {
  if (q.noise.has_value() == q.epsilon.has_value())
    throw user_error("give either --noise, to learn its epsilon, or --epsilon, to learn the noise it takes");
  const double rate = rate_of(q);
  const auto value = [&](Accounting accounting) {
    return q.noise ? privacy::epsilon_of(accounting, *q.noise, rate, q.steps, q.delta)
                   : privacy::calibrated_noise(accounting, *q.epsilon, q.delta, rate, q.steps);
  };
  const double rdp = value(Accounting::rdp);
  const double prv = value(Accounting::prv);
  const char* const asked = q.noise ? "epsilon" : "noise multiplier";
  fmt::print("{} steps, each with every example at rate {:.6g}; {} {:.6g}, delta {:.6g}\n", q.steps, rate,
             q.noise ? "noise multiplier" : "epsilon", q.noise ? *q.noise : *q.epsilon, q.delta);
  fmt::print("  {} {:<10}  prv: the composed privacy loss\n", asked, rounded_up(prv));
  fmt::print("  {} {:<10}  rdp: Rényi divergences{}\n", asked, rounded_up(rdp),
             order_text(q.noise.value_or(rdp), q, rate));
  if (q.examples && q.delta * static_cast<double>(*q.examples) >= 1.0)
    fmt::print("note: delta {:.6g} is not below 1 / {}, so publishing an example outright would be allowed\n",
               q.delta, *q.examples);
  return 0;
}

}  // namespace

void add_privacy_command(CLI::App& app, Action& action) {
  auto q = std::make_shared<Question>();
  CLI::App* command = app.add_subcommand("privacy", "the epsilon of noise, or the noise for an epsilon");
  command->add_option("--noise", q->noise, "noise multiplier: deviation of the noise / clipping norm");
  command->add_option("--epsilon", q->epsilon, "the epsilon that may be spent");
  command->add_option("--delta", q->delta, "below 1 / number of examples")->required();
  command->add_option("--steps", q->steps, "noisy steps on one client's examples")->required();
  command->add_option("--rate", q->rate, "probability of an example to be in a batch");
  command->add_option("--examples", q->examples, "with --batch instead of --rate: examples of the client");
  command->add_option("--batch", q->batch, "mean size of a batch, its examples times the rate");
  command->footer(
      "Examples:\n  fedloom privacy --noise 1.0 --rate 0.01 --steps 1000 --delta 1e-5\n"
      "  fedloom privacy --epsilon 3 --examples 20000 --batch 200 --steps 1000 --delta 1e-5\n\n"
      "Batches are Poisson samples, neighbours differ by one example; see docs/privacy.md.");
  command->callback([&action, q] { action = [q] { return answer(*q); }; });
}

}  // namespace fedloom
