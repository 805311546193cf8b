// Checks first, by what the trainer reported of each slot, then the strategy's fold.
#include "client/running_sum.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace fedloom {

namespace {

// What choose_scale() keeps to: a term in units, and a total.
constexpr double kMostOfTerm = 0x1p51;
constexpr double kMostOfTotal = 0x1p62;
// Beyond what any range asks for; 2^kMostExponent times the largest weight is still a number.
constexpr int kMostExponent = 900;

[[noreturn]] void refuse(const Update& update, const Fold::Slot& slot, std::string_view why) {
  throw user_error("asked to sum slot '{}' of task {} of client {}, which {}", slot.name, update.id.number,
                   update.id.client, why);
}

// A bound on what the term adds to any element, in units.
double units_of(const Update& update, const Fold::Slot& slot, std::uint64_t weight) {
  const Payload* payload = update.slot(slot.name);
  if (payload == nullptr || payload->values().size() != slot.size)
    refuse(update, slot, "is not here in that form");
  const auto report = std::ranges::find(update.reports, slot.name, &SlotReport::name);
  if (report == update.reports.end() || !report->finite)
    refuse(update, slot, "has values that are no numbers");
  const std::uint64_t times = slot.weighting == Weighting::uniform ? 1 : weight;
  const double units =
      std::ldexp(static_cast<double>(times), slot.scale.exponent) * static_cast<double>(report->largest);
  if (!(units < kMostOfTerm)) refuse(update, slot, "does not fit the scale of the sum");
  return units;
}

}  // namespace

// Two of one name would share a sum.
void RunningSum::check_slots(const Fold& fold) const {
  std::map<std::string, const Fold::Slot*> asked;
  for (const Fold::Slot& slot : fold.slots) {
    if (!asked.emplace(slot.name, &slot).second) throw user_error("asked to sum slot '{}' twice", slot.name);
    if (std::abs(std::int64_t{slot.scale.exponent}) > kMostExponent)
      throw user_error("asked to sum slot '{}' in units of 2^-{}", slot.name, slot.scale.exponent);
  }
  if (terms_ == 0) return;
  const auto same = [](const auto& mine, const auto& theirs) {
    return mine.first == theirs.first && mine.second.size() == theirs.second->size &&
           mine.second.weighting == theirs.second->weighting &&
           mine.second.sum.scale().exponent == theirs.second->scale.exponent;
  };
  if (!std::ranges::equal(sum_.slots, asked, same))
    throw user_error("asked to add to a sum of other slots or sizes");
}

void RunningSum::add(const Fold& fold, const std::vector<std::shared_ptr<const Update>>& updates,
                     const Strategy& strategy) {
  check_slots(fold);
  if (terms_ + updates.size() == 0) throw user_error("asked for a sum of nothing");
  std::map<std::string, double> reached = reached_;
  std::vector<Contribution> contributions;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const std::uint64_t weight = fold.terms[i].weight;
    for (const Fold::Slot& slot : fold.slots) {
      // Rounding adds at most half a unit.
      reached[slot.name] += units_of(*updates[i], slot, weight) + 0.5;
      if (!(reached[slot.name] < kMostOfTotal)) refuse(*updates[i], slot, "is too much for the sum");
    }
    contributions.push_back({updates[i].get(), weight});
  }
  if (terms_ == 0)
    for (const Fold::Slot& slot : fold.slots)
      sum_.slots.emplace(slot.name, SlotSum{FixedPointSum(slot.size, slot.scale), 1.0, slot.weighting});
  strategy.fold(contributions, sum_);
  reached_ = std::move(reached);
  terms_ += updates.size();
}

PartialSum RunningSum::answer(std::uint64_t number) const {
  PartialSum answer;
  answer.number = number;
  answer.terms = terms_;
  for (const auto& [name, slot] : sum_.slots)
    answer.units.push_back(Blob::copy_of(std::as_bytes(slot.sum.units())));
  return answer;
}

}  // namespace fedloom
