// The sum of held updates that a worker keeps for the server, which adds to it until it asks for it. What is
// asked comes from outside: nothing is added, or sized, that the integers of the sum and the updates at hand
// do not bear out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/strategy.hpp"
#include "core/messages.hpp"

namespace fedloom {

class RunningSum {
 public:
  /// Adds `updates`, which are those of the terms of `fold` in their order; the first call opens the slots.
  /// Throws UserError, and adds nothing, when there is nothing to open them for, an update lacks a slot in
  /// the size that is asked for, the slots are others than before, or the sum would leave its range.
  void add(const Fold& fold, const std::vector<std::shared_ptr<const Update>>& updates,
           const Strategy& strategy);
  PartialSum answer(std::uint64_t number) const;

 private:
  void check_slots(const Fold& fold) const;

  PhaseSum sum_;
  std::map<std::string, double> reached_;  // by slot: no total is further from zero, in units
  std::uint64_t terms_ = 0;
};

}  // namespace fedloom
