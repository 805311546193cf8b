// What privacy a run was asked for, what it has spent, and how much noise that takes. It is not the mechanism
// (algorithms/privacy/): the coordinator asks here before it gives out a task, and writes the answer into it.
// Examples of clients count as public.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "algorithms/local_objective.hpp"
#include "algorithms/privacy/calibration.hpp"
#include "algorithms/privacy/private_update.hpp"

namespace fedloom {

struct PrivacySettings {
  PrivacyUnit unit = PrivacyUnit::example;
  bool local_noise =
      false;  // unit client: every client adds noise to its update, instead of the server to the sum
  privacy::Accounting accounting = privacy::Accounting::rdp;
  double epsilon = 0.0;           // the run ends before it spends more; 0: no limit
  double delta = 1e-5;            // in (0, 1)
  double noise_multiplier = 0.0;  // 0: what `epsilon` needs for `participations`
  double clip_norm = 1.0;         // of an example's gradient, or of an update
  std::int64_t participations =
      0;  // tasks of one client, or for central noise rounds, that noise is calibrated for
  std::optional<privacy::AdaptiveClip> adaptive = {};  // unit client, noise at the server

  bool central() const { return unit == PrivacyUnit::client && !local_noise; }
};

/// One kind of mechanism is run again and again: a step of DP-SGD on a client of n examples, a whole update
/// with noise, or a round with noise in its sum. All three are sampled Gaussian mechanisms. Answers are
/// remembered.
class PrivacyBudget {
 public:
  /// `recipe`: the experiment's. `cohort` clients are expected in a round, of `population`.
  PrivacyBudget(const PrivacySettings& settings, const Recipe& recipe, std::uint64_t cohort,
                std::uint64_t population);

  const PrivacySettings& settings() const { return settings_; }
  /// How often a task of this recipe runs the client's mechanism; 0 where that is the server's.
  std::int64_t runs_of(const Recipe& recipe, std::uint64_t examples) const;
  /// Noise in multiples of the norm, for a client with so many examples. Noise at the server: any number.
  double noise(std::uint64_t examples);
  /// Epsilon at settings().delta after so many runs of the mechanism.
  double spent(std::uint64_t examples, std::int64_t runs);
  /// Whether so many runs are within the budget.
  bool allows(std::uint64_t examples, std::int64_t runs);
  /// What a task of this client carries; `clip`: the current norm.
  TaskPrivacy of_task(std::uint64_t examples, double clip);

 private:
  double rate(std::uint64_t examples) const;
  bool of_examples() const { return settings_.unit == PrivacyUnit::example; }
  /// What answers are remembered by: clients of one size are alike, and where clients are hidden all are.
  std::uint64_t key(std::uint64_t examples) const { return of_examples() ? examples : 0; }

  PrivacySettings settings_;
  Recipe recipe_;
  double cohort_share_;
  std::map<std::uint64_t, double> noise_;
  std::map<std::pair<std::uint64_t, std::int64_t>, double> spent_;
  /// As many runs as are known to be within the budget, and the fewest known to be beyond it.
  struct Limits {
    std::int64_t within = 0;
    std::int64_t beyond = std::numeric_limits<std::int64_t>::max();
  };
  std::map<std::uint64_t, Limits> limits_;
};

}  // namespace fedloom
