// Deployed clients whose work is of no use: tasks that fail, updates that are rejected. Whoever fails is
// asked again later and later, and the run is without hope only when that goes for many clients and not for
// one. Nothing here is kept over a restart of the server.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "core/ids.hpp"

namespace fedloom {

class FailingClients {
 public:
  /// `clients`: of the whole federation.
  explicit FailingClients(std::uint64_t clients) : clients_(clients) {}

  void asked(ClientId client) { at_work_.insert(client); }
  void succeeded(ClientId client);
  /// It rests from `now` (nanoseconds): for a second after its first failure, twice as long after every
  /// further one in a row, at most five minutes.
  void failed(ClientId client, Tick now);
  /// Nobody waits for its answer any more.
  void gave_up(ClientId client) { at_work_.erase(client); }

  bool rests(ClientId client, Tick now) const;
  /// When the first of those that rest may be asked again.
  std::optional<Tick> next_end_of_rest(Tick now) const;

  /// Since anybody's last success: how many clients have failed, and how often.
  std::uint64_t clients() const { return since_.size(); }
  std::uint64_t failures() const { return failures_; }
  /// Whether so many have failed that it cannot be the clients' own fault: eight, or all of a smaller
  /// federation.
  bool are_many() const;
  /// Whether asking on makes no sense: so many have failed eight times and more each and nobody else is at
  /// work; or 64 have failed, and eight times as many as are at work and have not failed.
  bool leave_no_hope() const;

 private:
  struct Row {
    std::uint64_t failures = 0;  // without a success of this client
    Tick until = 0;
  };

  std::uint64_t unheard() const;

  std::uint64_t clients_;
  std::map<ClientId, Row> rows_;
  std::set<ClientId> at_work_;
  // Since anybody's last success.
  std::map<ClientId, std::uint64_t> since_;
  std::uint64_t often_ = 0;  // clients in `since_` that have failed often
  std::uint64_t failures_ = 0;
};

}  // namespace fedloom
