// What pacers may ask of the clients as a whole, from the one or the other source: device profiles, which are
// known before anything has run, or the durations of tasks that have ended. Nothing here decides anything.
#pragma once

#include <functional>
#include <map>

#include "server/devices/devices.hpp"
#include "server/pacer.hpp"
#include "server/population.hpp"

namespace fedloom {

/// Durations of a simulation. Where they vary, means are over kDraws keyed draws.
class PlannedFacts final : public ClientFacts {
 public:
  static constexpr std::uint64_t kDraws = 1024;
  /// The work of an ordinary task of a client; steps > 0: with so many local steps instead of the recipe's.
  using WorkOf = std::function<Work(ClientId client, std::int64_t steps)>;

  /// `population` and `devices` must outlive the facts.
  PlannedFacts(const Population& population, const Devices& devices, WorkOf work_of);

  std::uint64_t clients() const override { return population_.clients; }
  std::uint64_t all_examples() const override;
  double mean_duration(ClientId client) const override;
  double mean_periods(ClientId client, Tick period) const override;
  double total_rate() const override;
  bool exact() const override { return !devices_.varies(); }
  bool planned() const override { return true; }
  std::optional<Tick> duration_of_steps(ClientId client, std::int64_t steps) const override {
    return devices_.typical(work_of_(client, steps));
  }

 private:
  double mean(ClientId client, const std::function<double(Tick)>& of) const;

  const Population& population_;
  const Devices& devices_;
  WorkOf work_of_;
  // Asked for again and again, and the same for the whole run.
  mutable std::uint64_t all_examples_ = 0;
  mutable double total_rate_ = 0.0;
  mutable std::map<ClientId, double> durations_;
  mutable std::map<std::pair<ClientId, Tick>, double> periods_;
};

/// Durations of real time: what the latest tasks of a client took. A client of which none has ended is taken
/// for the mean of the others.
class ObservedFacts final : public ClientFacts {
 public:
  /// Both must outlive the facts. `recipe_steps`: local steps of an ordinary task of a client.
  ObservedFacts(const Population& population, const ClientRecords& records,
                std::function<std::int64_t(ClientId)> recipe_steps);

  std::uint64_t clients() const override { return population_.clients; }
  std::uint64_t all_examples() const override;
  double mean_duration(ClientId client) const override;
  double mean_periods(ClientId client, Tick period) const override;
  double total_rate() const override;
  bool exact() const override { return false; }
  bool planned() const override { return false; }
  std::optional<Tick> duration_of_steps(ClientId client, std::int64_t steps) const override;

 private:
  const std::vector<ObservedTask>* seen(ClientId client) const;
  double mean_of_all() const;

  const Population& population_;
  const ClientRecords& records_;
  std::function<std::int64_t(ClientId)> recipe_steps_;
};

}  // namespace fedloom
