// The run's privacy: what it may still spend, what tasks carry of it, and what the server does where the
// noise is its own. What a mechanism costs is privacy_budget.hpp.
#include <algorithm>

#include "server/coordinator.hpp"

namespace fedloom {

namespace {

// Of all clients; no client has this number.
constexpr ClientId kEverybody = ~ClientId{0};

}  // namespace

// Of what goes by clients: whether another task of this client stays within the budget.
bool Coordinator::affords(ClientId client) const {
  if (!budget_ || budget_->settings().central()) return true;
  Recipe recipe = config_.recipe;
  if (const std::int64_t steps = pacer_.steps(client, recipe, *facts_); steps > 0) recipe.steps = steps;
  const std::uint64_t examples = population_.examples(client);
  const auto record = state_.records.find(client);
  const std::int64_t before = record == state_.records.end() ? 0 : record->second.private_runs;
  return budget_->allows(examples, before + budget_->runs_of(recipe, examples));
}

bool Coordinator::somebody_affords() const {
  for (ClientId client = 0; client < population_.clients; ++client)
    if (affords(client)) return true;
  return false;
}

// Of what goes by rounds.
bool Coordinator::affords_round() const {
  return !hides_clients() || budget_->allows(0, static_cast<std::int64_t>(state_.windows) + 1);
}

double Coordinator::clip_norm() const {
  return hides_clients() ? state_.server.scalars.at(privacy::kClipScalar) : budget_->settings().clip_norm;
}

double Coordinator::expected_cohort() const {
  return static_cast<double>(
      sampler_.expected(pacer_.largest_cohort(population_.clients), population_.clients));
}

// What a task costs is spent when it is given out: nobody can take back what a client has sent.
void Coordinator::protect(LiveTask& live) {
  Task& task = live.task;
  task.recipe.privacy = budget_->of_task(live.examples, clip_norm());
  std::int64_t& runs = state_.records.at(task.id.client).private_runs;
  runs += budget_->runs_of(task.recipe, live.examples);
  state_.epsilon = std::max(state_.epsilon, budget_->spent(live.examples, runs));
}

// Every update is within the norm and weighs 1, so a client moves the sum by at most the norm.
void Coordinator::hide_clients(PhaseSum& sum) {
  const PrivacySettings& settings = budget_->settings();
  double& clip = state_.server.scalars.at(privacy::kClipScalar);
  Random random(secret(), Stream::noise, kEverybody, static_cast<std::uint32_t>(open_window()));
  const double multiplier = budget_->noise(0);
  privacy::add_noise(sum, clip * (settings.adaptive ? settings.adaptive->sum_noise(multiplier) : multiplier),
                     random);
  if (!settings.adaptive) return;
  // The count without noise is nobody's business.
  clip = settings.adaptive->next(clip, std::exchange(sum.scalars[privacy::kWithinClip], 0.0),
                                 expected_cohort(), random);
  sum.scalars.erase(privacy::kWithinClip);
}

void Coordinator::note_privacy() {
  if (hides_clients()) state_.epsilon = budget_->spent(0, static_cast<std::int64_t>(state_.windows));
  closed_.metrics["epsilon"] = state_.epsilon;
  if (budget_->settings().adaptive) closed_.metrics["clip_norm"] = clip_norm();
}

}  // namespace fedloom
