// A federation of clients with fixed durations, played event by event in the order of virtual time. Client i
// pulls the one parameter half way to its target: x -> x + (target_i - x) / 2, as in the worked examples of
// the specifications of asynchronous federations. Nothing is trained and nothing is sent.
#pragma once

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "tests/server/scripted_port.hpp"

namespace fedloom::testing {

/// Durations by client, in ticks.
class FixedDevices : public Devices {
 public:
  explicit FixedDevices(std::vector<Tick> durations) : durations_(std::move(durations)) {}
  Course course(const Work& work, Tick) const override { return {typical(work), Reason::none}; }
  Tick typical(const Work& work) const override { return durations_.at(work.task.client); }
  Tick sample_duration(const Work& work, std::uint64_t) const override { return typical(work); }
  bool varies() const override { return false; }
  bool available(ClientId, Tick) const override { return true; }
  std::optional<Tick> next_available(ClientId, Tick now) const override { return now; }

 private:
  std::vector<Tick> durations_;
};

struct TimelineSetup {
  std::string pacer = "sync";
  std::string settings = "{}";
  std::vector<Tick> durations = {5, 3, 10};
  std::vector<double> targets = {3, 6, 12};
  std::uint64_t windows = 0;
  Tick until = 0;
};

/// A closed window that brought something; lists in order of client.
struct Step {
  Tick tick = 0;
  std::vector<ClientId> clients;
  std::vector<Version> starts;
  std::vector<double> weights;  // numerator / denominator
  double theta = 0.0;
};

class Timeline {
 public:
  explicit Timeline(const TimelineSetup& setup)
      : setup_(setup), devices_(setup.durations), algorithm_(make_algorithm_of("fedavg")) {
    FederationSetup federation;
    federation.clients = setup.durations.size();
    federation.parameters = 1;
    federation.pacer = setup.settings;
    federation.pacer_name = setup.pacer;
    federation.examples = [](ClientId) { return std::uint64_t{1}; };
    federation.devices = &devices_;
    federation.config.windows = setup.windows;
    federation.config.duration = setup.until;
    federation.config.evaluate_every = 0;
    federation_ = std::make_unique<Federation>(*algorithm_.strategy, federation);
    play();
  }

  const std::vector<Step>& steps() const { return steps_; }
  const Federation& federation() const { return *federation_; }
  double theta() const { return federation_->parameter(); }

 private:
  using Next = std::tuple<Tick, int, ClientId, std::uint32_t>;  // tick, kind, client or window, task

  // The places of moments within a tick are those of core/simulated_executor.hpp; an end comes after
  // evaluation.
  static int rank(Moment what) {
    switch (what) {
      case Moment::look: return 1;
      case Moment::evaluation: return 2;
      case Moment::end: return 3;
      case Moment::availability: return 4;
      case Moment::starts: return 5;
    }
    return 6;
  }

  void play() {
    ScriptedPort& port = federation_->port;
    Coordinator& coordinator = *federation_->coordinator;
    coordinator.begin(0);
    note_steps(0);
    while (!coordinator.ended()) {
      for (; given_ < port.given.size(); ++given_) {
        const LiveTask& live = port.given[given_];
        finishes_.emplace(live.started + devices_.typical(live.work), 0, live.task.id.client,
                          live.task.id.number);
      }
      const auto call =
          std::min_element(port.calls.begin(), port.calls.end(), [](const auto& a, const auto& b) {
            return std::pair(std::get<0>(a), rank(std::get<1>(a))) <
                   std::pair(std::get<0>(b), rank(std::get<1>(b)));
          });
      ASSERT_TRUE(call != port.calls.end() || !finishes_.empty()) << "nothing will ever happen";
      const bool finish_first = !finishes_.empty() && (call == port.calls.end() ||
                                                       std::get<0>(*finishes_.begin()) <= std::get<0>(*call));
      if (finish_first) {
        const auto [tick, kind, client, number] = finishes_.extract(finishes_.begin()).value();
        finish(tick, {client, number});
        note_steps(tick);
      } else {
        const auto [tick, what, window] = port.calls.extract(call).value();
        coordinator.on_moment(tick, what, window);
        note_steps(tick);
      }
    }
  }

  void finish(Tick tick, TaskId id) {
    const auto& given = federation_->port.given;
    const auto live =
        std::find_if(given.begin(), given.end(), [&](const LiveTask& g) { return g.task.id == id; });
    const auto& published = federation_->port.published;
    const auto start = std::find_if(published.begin(), published.end(),
                                    [&](const Shared& s) { return s.version == live->task.version; });
    const double x = static_cast<double>(start->payload.values()[0]);
    starts_[id] = live->task.version;
    federation_->report(
        tick, make_update(id, 1, {{"delta", {static_cast<float>(0.5 * (setup_.targets[id.client] - x))}}}));
  }

  void note_steps(Tick tick) {
    const auto& closed = federation_->port.all<WindowClosed>();
    for (; closed_ < closed.size(); ++closed_) {
      Step step;
      step.tick = tick;
      std::vector<Fold::Term> terms = federation_->port.terms_of(closed_);
      std::sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
      for (const Fold::Term& term : terms) {
        step.clients.push_back(term.id.client);
        step.starts.push_back(starts_.at(term.id));
        step.weights.push_back(static_cast<double>(term.weight));
      }
      step.theta = theta();
      if (!step.clients.empty()) steps_.push_back(step);
    }
  }

  TimelineSetup setup_;
  FixedDevices devices_;
  Algorithm algorithm_;
  std::unique_ptr<Federation> federation_;
  std::set<Next> finishes_;
  std::map<TaskId, Version> starts_;
  std::vector<Step> steps_;
  std::size_t given_ = 0;
  std::size_t closed_ = 0;
};

}  // namespace fedloom::testing
