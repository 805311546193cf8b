// The defaults of a strategy, which together are FedAvg's shape.
#include "algorithms/strategy.hpp"

#include <algorithm>

#include "models/adapters/adaptation.hpp"

namespace fedloom {

bool trains(const Recipe& recipe, const Slice& slice) {
  if (slice.role == Role::statistic) return true;
  return slice.role == Role::trained &&
         std::none_of(recipe.frozen.begin(), recipe.frozen.end(),
                      [&](const std::string& pattern) { return fits(pattern, slice.name); });
}

const SlotSum& PhaseSum::slot(std::string_view name) const {
  const auto it = slots.find(name);
  FEDLOOM_CHECK(it != slots.end(), "the phase summed no slot '{}'", name);
  return it->second;
}

const PhaseSum& WindowSums::phase(std::string_view kind) const {
  const auto it =
      std::find_if(phases.begin(), phases.end(), [&](const auto& entry) { return entry.first == kind; });
  FEDLOOM_CHECK(it != phases.end(), "the window had no phase '{}'", kind);
  return it->second;
}

bool WindowSums::has(std::string_view kind) const {
  return std::any_of(phases.begin(), phases.end(), [&](const auto& entry) { return entry.first == kind; });
}

void Strategy::start(ServerState& /*state*/, const PopulationInfo& /*population*/) const {}

std::optional<Phase> Strategy::next_phase(const ServerState& state, const WindowSums& window,
                                          const Recipe& base) const {
  if (!window.phases.empty()) return std::nullopt;
  return train_phase(base, uploaded(state.model.layout(), base).size());
}

SliceSet Strategy::uploaded(const Layout& layout, const Recipe& recipe) const {
  const SliceSet all = exchanged(layout);
  return {layout, [&](const Slice& slice) { return all.contains(slice) && trains(recipe, slice); }};
}

SliceSet Strategy::personal(const Layout& /*layout*/) const { return {}; }

void Strategy::prepare(const ServerState& /*state*/, Task& /*task*/) const {}

std::size_t Strategy::slot_size(const ServerState& /*state*/, const SlotSpec& slot,
                                const Task& /*task*/) const {
  return slot.size;
}

PatchParts Strategy::patch(ServerState& /*state*/) const {
  FEDLOOM_CHECK(false, "this strategy makes no patches");
  return {};
}

void Strategy::apply(const PatchParts& /*parts*/, ParameterVector& /*model*/) const {
  FEDLOOM_CHECK(false, "this strategy makes no patches");
}

Reason Strategy::decode(Update& /*update*/) const { return Reason::none; }

void Strategy::fold(std::span<const Contribution> contributions, PhaseSum& sum) const {
  std::vector<WeightedValues> terms;
  for (auto& [name, slot] : sum.slots) {
    const bool uniform = slot.weighting == Weighting::uniform;
    terms.clear();
    for (const Contribution& contribution : contributions) {
      const Payload* payload = contribution.update->slot(name);
      FEDLOOM_CHECK(payload != nullptr && payload->values().size() == slot.size(), "slot '{}' of client {}",
                    name, contribution.update->id.client);
      terms.push_back({payload->values().data(), uniform ? 1 : contribution.weight});
    }
    slot.sum.add(terms);
  }
}

TensorMap Strategy::serve(ServerState& /*state*/, const TensorMap& /*request*/) const {
  FEDLOOM_CHECK(false, "this strategy answers no calls from clients");
  return {};
}

void apply_mean_delta(ServerState& state, const SliceSet& exchanged, const SlotSum& delta, double server_lr) {
  FEDLOOM_CHECK(delta.size() == exchanged.size(), "{} sums for {} parameters", delta.size(),
                exchanged.size());
  const std::span<float> model = state.model.values();
  std::size_t packed = 0;
  for (const SliceSet::Run& run : exchanged.runs()) {
    const double rate = run.role == Role::statistic ? 1.0 : server_lr;
    for (std::size_t i = 0; i < run.size; ++i, ++packed) {
      float& value = model[run.offset + i];
      value = static_cast<float>(static_cast<double>(value) + rate * delta.mean(packed));
    }
  }
}

Phase train_phase(const Recipe& recipe, std::size_t exchanged_size) {
  Phase phase;
  phase.recipe = recipe;
  phase.slots.push_back({.name = "delta", .size = exchanged_size});
  return phase;
}

PhaseSum empty_sum(const Phase& phase, double largest_weight, double total_weight, std::uint64_t cohort) {
  PhaseSum sum;
  for (const SlotSpec& slot : phase.slots) {
    const bool uniform = slot.weighting == Weighting::uniform;
    const FixedPointScale scale = uniform ? choose_scale(slot.range, 1.0, static_cast<double>(cohort))
                                          : choose_scale(slot.range, largest_weight, total_weight);
    sum.slots.emplace(slot.name, SlotSum{FixedPointSum(slot.size, scale), 1.0, slot.weighting});
  }
  return sum;
}

}  // namespace fedloom
