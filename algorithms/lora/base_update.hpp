// A low-rank change of the base weights that carry LoRA factors, W += left right: what FedEx-LoRA and FLoRA
// send down every round instead of the dense weights, and every client applies to its own copy, to the same
// bits.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "algorithms/lora/factors.hpp"
#include "algorithms/strategy.hpp"

namespace fedloom::lora {

/// left (O, q), right (q, I) of one pair; q is the same for all pairs and may be 0.
struct Sides {
  Matrix left;
  Matrix right;
};
using BaseUpdate = std::vector<Sides>;  // in the order of pairs_of()

/// The slices for which `shares` holds and every base weight that carries factors.
SliceSet with_bases(const Layout& layout, const std::function<bool(const Slice&)>& shares);

/// Leaves it in the state, rounded to float, for take_base_update() to send and take out.
void keep_base_update(ServerState& state, const BaseUpdate& update);
/// Parts "left" and "right": all pairs' sides one after the other, rows first.
PatchParts take_base_update(ServerState& state);
/// W += left right on every pair, one rounding to float for each weight. Throws UserError when the parts do
/// not fit the model.
void apply_base_update(const PatchParts& parts, ParameterVector& model);

/// The floats of a part; throws UserError when it is missing or has another size than `size`.
std::span<const float> part_named(const PatchParts& parts, std::string_view name, std::size_t size);

}  // namespace fedloom::lora
