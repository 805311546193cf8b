// What the fleet gathers from many peers at once: sums of updates, whole updates, evaluations. A peer that
// dies meanwhile only costs time: its part is asked for again elsewhere.
#include <algorithm>
#include <memory>
#include <utility>

#include "server/fleet.hpp"
#include "transport/codec.hpp"

namespace fedloom {

namespace {

// Updates that wait to be summed here are summed four at a time, which reads the sums a quarter as often.
constexpr std::size_t kFoldBatch = 4;
// Updates that a worker holds, as a mean over workers, before it is told to add them up.
constexpr std::size_t kHeldBatch = 2;

}  // namespace

// ---- sums ----

void Fleet::open_sum(PhaseSum sum) { sum_ = std::move(sum); }

void Fleet::accept(const Fold::Term& term) {
  Tracked& tracked = tasks_.at(term.id);
  tracked.weight = term.weight;
  summing_.insert(term.id);
  if (strategy_.traits().keeps_updates) return;
  if (tracked.here)
    fold_here(kFoldBatch);
  else if (++held_ >= kHeldBatch * peers_.size())
    fold_at_workers(false);
}

void Fleet::fold_here(std::size_t at_least) {
  std::vector<Contribution> contributions;
  std::vector<Tracked*> batch;
  for (const TaskId& id : summing_)
    if (Tracked& tracked = tasks_.at(id); tracked.here) {
      contributions.push_back({&*tracked.update, tracked.weight});
      batch.push_back(&tracked);
    }
  std::uint64_t bytes = 0;
  for (const Contribution& contribution : contributions)
    for (const Payload& slot : contribution.update->slots) bytes += slot.data.size();
  // Large updates are summed at once: holding four of them would cost more than it saves.
  if (contributions.empty() || (contributions.size() < at_least && bytes < (64U << 20U))) return;
  strategy_.fold(contributions, sum_);
  for (Tracked* tracked : batch) {
    tracked->folded = true;
    tracked->update->slots.clear();
    summing_.erase(tracked->task.id);
  }
}

// What workers hold for the sum and have not been told to add.
std::map<PeerId, std::vector<Fold::Term>> Fleet::held_terms() const {
  std::set<TaskId> told;
  for (const auto& [number, fold] : folds_) told.insert(fold.tasks.begin(), fold.tasks.end());
  std::map<PeerId, std::vector<Fold::Term>> terms;
  for (const TaskId& id : summing_) {
    const Tracked& tracked = tasks_.at(id);
    if (!tracked.here && tracked.update && tracked.peer && !told.contains(id))
      terms[*tracked.peer].push_back({id, tracked.weight});
  }
  return terms;
}

// Each worker adds what it holds to one sum of its own, now and then, so that its memory does not grow with
// the cohort. `close`: it sends the sum, which is then full.
void Fleet::fold_at_workers(bool close) {
  std::map<PeerId, std::vector<Fold::Term>> terms = held_terms();
  std::map<PeerId, std::uint64_t> open;
  for (const auto& [number, fold] : folds_) {
    if (fold.asked) continue;
    open[fold.peer] = number;
    if (close) terms[fold.peer];
  }
  for (auto& [peer, list] : terms) {
    Fold fold;
    const auto known = open.find(peer);
    fold.number = known != open.end() ? known->second : ++fold_number_;
    fold.terms = std::move(list);
    fold.answer = close;
    for (const auto& [name, slot] : sum_.slots)
      fold.slots.push_back({name, slot.size(), slot.weighting, slot.sum.scale()});
    PendingFold& pending = folds_[fold.number];
    pending.peer = peer;
    pending.asked = close;
    for (const Fold::Term& term : fold.terms) pending.tasks.push_back(term.id);
    channel_.send(peer, encode(fold));
  }
  held_ = 0;
}

void Fleet::on_partial(PeerId peer, const PartialSum& partial) {
  const auto it = folds_.find(partial.number);
  if (it == folds_.end() || it->second.peer != peer || !it->second.asked)
    return refuse(peer, Reason::unknown_task, "a partial sum nobody asked for");
  bool sound = partial.units.size() == sum_.slots.size() && partial.terms == it->second.tasks.size();
  std::size_t index = 0;
  for (const auto& [name, slot] : sum_.slots) {
    if (!sound) break;
    sound = partial.units[index++].size() == slot.size() * sizeof(std::int64_t);
  }
  if (!sound) {
    refuse(peer, Reason::layout, "a partial sum of the wrong size");
    drop(peer, Reason::layout);  // nothing better will come
    return;
  }
  index = 0;
  for (auto& [name, slot] : sum_.slots) slot.sum.merge(partial.units[index++].as<std::int64_t>());
  for (const TaskId& task : it->second.tasks) {
    tasks_.at(task).folded = true;
    summing_.erase(task);
  }
  folds_.erase(it);
}

bool Fleet::sum_complete() const { return summing_.empty(); }

PhaseSum Fleet::close_sum() {
  if (strategy_.traits().keeps_updates) {
    const auto all_here = [this] {
      return std::all_of(summing_.begin(), summing_.end(),
                         [this](const TaskId& id) { return tasks_.at(id).here; });
    };
    std::map<PeerId, Collect> requests;
    for (const TaskId& id : summing_)
      if (const Tracked& tracked = tasks_.at(id); !tracked.here && tracked.peer)
        requests[*tracked.peer].tasks.push_back(id);
    for (const auto& [peer, collect] : requests) channel_.send(peer, encode(collect));
    pump_(all_here);
    std::vector<Contribution> contributions;
    for (const TaskId& id : summing_) contributions.push_back({&*tasks_.at(id).update, tasks_.at(id).weight});
    strategy_.fold(contributions, sum_);
    for (const TaskId& id : std::exchange(summing_, {})) {
      sum_.updates.push_back(*tasks_.at(id).update);
      tasks_.at(id).folded = true;
    }
    return std::move(sum_);
  }
  fold_here(1);
  // Terms whose holder dies meanwhile are trained again elsewhere and asked for again.
  while (!sum_complete()) {
    fold_at_workers(true);
    const std::size_t asked = folds_.size();
    pump_([this, asked] { return sum_complete() || folds_.size() != asked || !held_terms().empty(); });
  }
  return std::move(sum_);
}

// ---- evaluation on clients ----

// Workers are asked until every client has a result. A deployed client is asked once for each connection it
// has within lost_after; one that does not answer is not evaluated.
std::vector<ClientEvaluation> Fleet::evaluate_clients(Version version, const std::vector<TaskId>& clients) {
  evaluations_.clear();
  evaluated_ = version;
  for (const TaskId& client : clients) to_evaluate_[client.client] = client;
  const auto late = std::make_shared<bool>(false);  // the timer outlives an interrupted wait
  const TimerId patience =
      options_.deployed ? executor_.after(options_.lost_after, [late] { *late = true; }) : TimerId{0};
  while (!to_evaluate_.empty() && !*late) {
    if (options_.deployed)
      std::erase_if(to_evaluate_, [this](const auto& entry) { return !clients_.contains(entry.first); });
    else
      pump_([this] { return !peers_.empty(); });
    ask_for_evaluations(version);
    pump_([this, late] { return evaluating_.empty() || *late; });
  }
  executor_.cancel(patience);
  for (const auto& [peer, asked] : evaluating_) given_up_[peer].insert(version);
  evaluating_.clear();
  to_evaluate_.clear();
  std::sort(evaluations_.begin(), evaluations_.end(),
            [](const ClientEvaluation& a, const ClientEvaluation& b) { return a.client < b.client; });
  return std::move(evaluations_);
}

void Fleet::ask_for_evaluations(Version version) {
  std::map<PeerId, EvaluateClients> requests;
  std::size_t index = 0;
  for (const auto& [client, state] : to_evaluate_) {
    auto peer = peers_.begin();
    std::advance(peer, static_cast<std::ptrdiff_t>(index++ % peers_.size()));
    EvaluateClients& request = requests[options_.deployed ? clients_.at(client) : peer->first];
    request.version = version;
    request.clients.push_back(state);
  }
  for (const auto& [peer, request] : requests) {
    if (strategy_.traits().exchanges) send_shared(peer, "model", version);
    for (const TaskId& client : request.clients) evaluating_[peer].insert(client.client);
    channel_.send(peer, encode(request));
  }
}

void Fleet::on_evaluations(PeerId peer, const ClientEvaluations& evaluations) {
  const auto asked = evaluating_.find(peer);
  if (asked == evaluating_.end() || evaluations.version != evaluated_) {
    const auto given_up = given_up_.find(peer);
    if (given_up != given_up_.end() && given_up->second.erase(evaluations.version) > 0) return;  // too late
    return refuse(peer, Reason::unknown_task, "an evaluation nobody asked for");
  }
  std::set<ClientId> missing = std::move(asked->second);
  evaluating_.erase(asked);
  for (const ClientEvaluation& result : evaluations.results) {
    if (missing.erase(result.client) == 0) continue;
    evaluations_.push_back(result);
    to_evaluate_.erase(result.client);
  }
  if (missing.empty()) return;
  if (options_.deployed)
    for (const ClientId client : missing) to_evaluate_.erase(client);
  refuse(peer, Reason::layout, fmt::format("an evaluation without client {}", *missing.begin()));
}

}  // namespace fedloom
