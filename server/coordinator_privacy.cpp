// The run's privacy: what it may still spend, what tasks carry of it, and what the server does where the
// noise is its own. What a mechanism costs is privacy_budget.hpp.
#include <algorithm>
#include <bit>

#include "core/hash.hpp"
#include "server/coordinator.hpp"
#include "transport/codec.hpp"

namespace fedloom {

namespace {

// Of all clients; no client has this number.
constexpr ClientId kEverybody = ~ClientId{0};

// The same for a task that is given out again as it was.
std::uint64_t fingerprint_of(const Task& task) {
  std::uint64_t hash = hash64(encode(task).head);
  for (const Payload& extra : task.extras) hash = mixed({hash, hash64(extra.data.bytes())});
  return hash;
}

}  // namespace

// A run that was interrupted has given these out since the boundary, whoever is chosen now.
void Coordinator::remember_spent() {
  for (const SpentTask& task : config_.spent) {
    if (!budget_ || task.window <= state_.windows) continue;
    ClientRecord& record = state_.records[task.id.client];
    record.private_runs += task.runs;
    record.private_examples = task.examples;
    state_.epsilon = std::max(state_.epsilon, budget_->spent(task.examples, record.private_runs));
    // What comes later may begin from another model than it did.
    if (task.window == open_window()) given_before_.insert(task);
  }
}

// Of them, what the client's next task has paid if it is the one that it was. Where tasks overlap, it may do
// as many steps as its client has lately had time for, which nobody repeats.
std::int64_t Coordinator::paid_before(ClientId client, const ClientRecord& record) const {
  std::int64_t runs = 0;
  for (const SpentTask& task : given_before_)
    if (task.id == TaskId{client, record.tasks + 1} && task.window == open_window() && sums_.phases.empty() &&
        !pacer_.overlaps())
      runs = task.runs;
  return runs;
}

// Of what goes by clients: whether another task of this client stays within the budget.
bool Coordinator::affords(ClientId client) const {
  if (!budget_ || budget_->settings().central()) return true;
  Recipe recipe = config_.recipe;
  if (const std::int64_t steps = pacer_.steps(client, recipe, *facts_); steps > 0) recipe.steps = steps;
  const std::uint64_t examples = population_.examples(client);
  const auto record = state_.records.find(client);
  std::int64_t before = 0;
  if (record != state_.records.end()) {
    before = record->second.private_runs - paid_before(client, record->second);
    // What its earlier steps cost went by another rate.
    if (before > 0 && record->second.private_examples != examples) return false;
  }
  return budget_->allows(examples, before + budget_->runs_of(recipe, examples));
}

// Clients without examples, among them those who have not come yet, spend nothing and bring nothing.
bool Coordinator::somebody_affords() const {
  for (ClientId client = 0; client < population_.clients; ++client)
    if (population_.examples(client) > 0 && affords(client)) return true;
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
  if (task.recipe.batch_size != config_.recipe.batch_size)
    throw user_error("strategy {} changes the batch size of private tasks, by which they are accounted",
                     config_.strategy_name);
  ClientRecord& record = state_.records.at(task.id.client);
  record.private_examples = live.examples;
  const SpentTask spent{task.id, open_window(), fingerprint_of(task),
                        budget_->runs_of(task.recipe, live.examples), live.examples};
  if (spent.runs > 0 && !(sums_.phases.empty() && given_before_.erase(spent) > 0)) {
    record.private_runs += spent.runs;
    port_.spend(spent);
  }
  state_.epsilon = std::max(state_.epsilon, budget_->spent(live.examples, record.private_runs));
}

// Every update is within the norm and weighs 1, so a client moves the sum by at most the norm.
void Coordinator::hide_clients(PhaseSum& sum) {
  const PrivacySettings& settings = budget_->settings();
  double& clip = state_.server.scalars.at(privacy::kClipScalar);
  // Keyed by what it hides as well: the same sum has the same noise again, and no other ever has.
  std::uint64_t key = secret();
  for (const auto& [name, slot] : sum.slots) key = mixed({key, hash64(std::as_bytes(slot.sum.units()))});
  for (const auto& [name, value] : sum.scalars) key = mixed({key, std::bit_cast<std::uint64_t>(value)});
  Random random(key, Stream::noise, kEverybody, static_cast<std::uint32_t>(open_window()));
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
