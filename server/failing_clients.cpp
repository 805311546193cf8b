// Two counts: a client's own row of failures says how long it rests, those since anybody's last success say
// whether there is hope.
#include "server/failing_clients.hpp"

#include <algorithm>

#include "core/executor.hpp"

namespace fedloom {

namespace {

constexpr Tick kFirstRest = kSecond;
constexpr Tick kLongestRest = 300 * kSecond;
constexpr std::uint64_t kMany = 8;     // clients
constexpr std::uint64_t kOften = 8;    // failures of one client: about four minutes of rests
constexpr std::uint64_t kCrowd = 64;   // clients that need not have failed often
constexpr std::uint64_t kAgainst = 8;  // of them for each that may still succeed

}  // namespace

void FailingClients::succeeded(ClientId client) {
  rows_.erase(client);
  at_work_.erase(client);
  since_.clear();
  often_ = failures_ = 0;
}

void FailingClients::failed(ClientId client, Tick now) {
  Row& row = rows_[client];
  Tick rest = kFirstRest;
  for (std::uint64_t i = 0; i < row.failures && rest < kLongestRest; ++i) rest *= 2;
  ++row.failures;
  row.until = now + std::min(rest, kLongestRest);
  at_work_.erase(client);
  ++failures_;
  if (++since_[client] == kOften) ++often_;
}

bool FailingClients::rests(ClientId client, Tick now) const {
  const auto row = rows_.find(client);
  return row != rows_.end() && now < row->second.until;
}

std::optional<Tick> FailingClients::next_end_of_rest(Tick now) const {
  std::optional<Tick> first;
  for (const auto& [client, row] : rows_)
    if (now < row.until && (!first || row.until < *first)) first = row.until;
  return first;
}

bool FailingClients::are_many() const { return since_.size() >= std::min(clients_, kMany); }

// At work, and not among those that have failed.
std::uint64_t FailingClients::unheard() const {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(at_work_, [this](ClientId client) { return !since_.contains(client); }));
}

bool FailingClients::leave_no_hope() const {
  if (often_ >= std::min(clients_, kMany) && unheard() == 0) return true;
  return since_.size() >= kCrowd && since_.size() >= kAgainst * unheard();
}

}  // namespace fedloom
