// Shared vectors of the versions: when they are published, what steps between them cost, when they are let
// go.
#include <algorithm>
#include <numeric>
#include <utility>

#include "server/coordinator.hpp"
#include "transport/codec.hpp"

namespace fedloom {

// `patch`: what made this model of the one before, where the strategy works by patches.
void Coordinator::publish_model(const PatchParts& patch) {
  if (!patch.empty()) {
    const Patch step{state_.server.version - 1, patch};
    note_patch(deployed_size(step));
    port_.publish(step);
  }
  auto packed = std::make_shared<FloatBuffer>(exchanged_.size());
  exchanged_.gather(state_.server.model.values(), *packed);
  const std::span<const float> values(*packed);
  const Blob blob(std::shared_ptr<const FloatBuffer>(packed), std::as_bytes(values));
  publish_payload({"model", {static_cast<std::int64_t>(exchanged_.size())}, blob});
  // What was current goes, unless somebody is at work on it.
  const auto before = state_.versions.find(state_.server.version);
  if (before == state_.versions.begin()) return;
  if (const auto last = std::prev(before); last->second.uses == 0) {
    port_.retire(last->first);
    state_.versions.erase(last);
  }
}

// Only as many are remembered as together are smaller than the model.
void Coordinator::note_patch(std::uint64_t bytes) {
  std::vector<std::uint64_t>& patches = state_.patch_bytes;
  patches.push_back(bytes);
  std::uint64_t total = std::accumulate(patches.begin(), patches.end(), std::uint64_t{0});
  const std::uint64_t whole = deployed_shared_size("model", exchanged_.size());
  std::size_t old = 0;
  for (; old < patches.size() && total >= whole; ++old) total -= patches[old];
  patches.erase(patches.begin(), patches.begin() + static_cast<std::ptrdiff_t>(old));
}

void Coordinator::publish_payload(const Payload& payload) {
  std::vector<Payload>& shared = state_.versions[state_.server.version].shared;
  std::erase_if(shared, [&](const Payload& known) { return known.name == payload.name; });
  shared.push_back(payload);
  port_.publish({state_.server.version, 0, payload});
}

void Coordinator::release(Version version) {
  LiveVersion& live = state_.versions.at(version);
  if (--live.uses > 0 || version == state_.server.version) return;
  port_.retire(version);
  state_.versions.erase(version);
}

}  // namespace fedloom
