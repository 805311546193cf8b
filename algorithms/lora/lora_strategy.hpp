// What all strategies for LoRA factors share: which slices travel, heads, ranks per client, the clients'
// factors read out of their updates, and the aggregation error. What a paper does with the factors is its own
// file beside this folder; it overrides aggregate().
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "algorithms/lora/factors.hpp"
#include "algorithms/strategy.hpp"
#include "core/config.hpp"

namespace fedloom::lora {

using Metrics = std::map<std::string, double>;

/// Settings that every strategy of the family has.
struct Settings {
  std::string head = "averaged";
  bool aggregation_error = true;

  template <class Visitor>
  void visit(Visitor& v) {
    v("head", head,
      "what becomes of trained slices that are no factors (adapter.train), usually the classifier: averaged "
      "by "
      "the server, or local to every client",
      one_of({"averaged", "local"}));
    v("aggregation_error", aggregation_error,
      "report |ideal update - applied update| after every round, which needs every client's update; false: "
      "the "
      "server sees sums alone where the method does with them");
  }
};

/// Ranks of clients, for the strategies that allow different ones.
struct RankSettings {
  std::vector<std::int64_t> ranks;

  template <class Visitor>
  void visit(Visitor& v) {
    v("ranks", ranks,
      "LoRA ranks of the clients, dealt round and round: client k has ranks[k mod size]; adapter.rank must "
      "be "
      "the largest. Left out: adapter.rank for all",
      at_least(1));
  }
};

/// One client's factors after its local work, pair by pair, as far as they are known.
struct ClientFactors {
  ClientId client = 0;
  double share = 0.0;  // p_k
  double scale = 0.0;  // s_k
  std::vector<Factors> pairs;
  const Update* update = nullptr;
};

class LoraStrategy : public Strategy {
 public:
  explicit LoraStrategy(Settings settings, RankSettings ranks = {});

  Traits traits() const override;
  /// Factors and averaged heads.
  SliceSet exchanged(const Layout& layout) const override;
  /// Local heads.
  SliceSet personal(const Layout& layout) const override;
  void start(ServerState& state, const PopulationInfo& population) const override;
  /// The phase "train", whose tasks freeze what frozen_in() says.
  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override;
  void prepare(const ServerState& state, Task& task) const override;
  std::size_t slot_size(const ServerState& state, const SlotSpec& slot, const Task& task) const override;
  /// Sums where all clients have one rank; otherwise aggregate() reads updates.
  void fold(std::span<const Contribution> contributions, PhaseSum& sum) const override;
  /// Averages heads, lets aggregate() make the factors, and measures what it did.
  Metrics advance(ServerState& state, const WindowSums& window) const override;

 protected:
  /// The server's step on the factors (and bases) of state.model, where the averages of all that is uploaded
  /// are already applied if all clients have one rank. `clients` is empty unless updates are kept; `before`
  /// is the model that the round began with. Returns what else to report. Default: nothing more.
  virtual Metrics aggregate(ServerState& state, const ParameterVector& before,
                            const std::vector<ClientFactors>& clients, WindowId window) const;
  /// Whether the method itself needs every update, whatever is reported.
  virtual bool needs_updates() const { return has_ranks(); }
  /// Whether all updates have one size, so that their sums are there.
  virtual bool has_sums() const { return !has_ranks(); }
  /// Whether the shares of a client of this rank scale with alpha / its own rank, and not with the server's.
  virtual bool scales_by_own_rank() const { return false; }
  /// What a client of this rank starts from, before its delta. Default: the leading rows of A and columns of
  /// B.
  virtual Factors start_factors(const ServerState& state, const ParameterVector& model, const Pair& pair,
                                Eigen::Index rank) const;
  /// Current rank of a client.
  virtual std::int64_t rank_of(const ServerState& state, ClientId client) const;

  bool has_ranks() const { return !ranks_.ranks.empty(); }
  bool local_head() const { return settings_.head == "local"; }
  /// Whether this trained slice is exchanged or stays with the client.
  bool shares(const Slice& slice) const;
  /// What tasks of a window leave untrained (Recipe::frozen). Default: nothing.
  virtual std::vector<std::string> frozen_in(WindowId window) const;
  double scale_of(const ServerState& state, std::int64_t rank) const;
  /// Slices that come up in a window.
  SliceSet uploaded_in(const Layout& layout, WindowId window) const;

 private:
  std::vector<ClientFactors> read_updates(const ServerState& state, const ParameterVector& before,
                                          const PhaseSum& train, WindowId window) const;
  void average_heads(ServerState& state, const std::vector<ClientFactors>& clients, WindowId window) const;

  Settings settings_;
  RankSettings ranks_;
};

/// Slices of a set as they lie packed in an update of a client of this rank, in layout order.
struct PackedSlice {
  Slice slice;         // of the server's layout
  std::size_t offset;  // within the packed vector
  std::size_t size;
};
std::vector<PackedSlice> packed_slices(const Layout& layout, const SliceSet& set, std::int64_t rank);

/// sum_k weights[k] (A_k, B_k) of one pair, factors of smaller ranks padded with zeros to `rank`.
Factors padded_mean(const std::vector<ClientFactors>& clients, std::size_t pair, Eigen::Index rank,
                    std::span<const double> weights);
/// p_k of every client.
std::vector<double> shares_of(const std::vector<ClientFactors>& clients);

/// Factors whose product is sum_k p_k s_k B_k A_k, the update that averaging whole models would make: b =
/// [p_k s_k B_k], a = [A_k; ...] of one pair.
Factors stacked(const std::vector<ClientFactors>& clients, std::size_t pair);

/// {"aggregation_error", "aggregation_error_relative"}: |ideal - applied|_F over all pairs, and that over
/// |ideal|_F (0 where nothing moved). Applied is what W + s B A has changed by, from W and no factors. Where
/// W is as it was, errors below 1e-8 of the products are rounding.
Metrics aggregation_error(const ParameterVector& before, const ParameterVector& after,
                          const std::vector<ClientFactors>& clients, double scale);

}  // namespace fedloom::lora
