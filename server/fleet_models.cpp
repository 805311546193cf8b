// Shared vectors on their way to peers: each is sent once per peer and version, and the model of a strategy
// that works by patches as the steps from the version that the peer has, where those are smaller.
#include <utility>

#include "server/fleet.hpp"
#include "transport/codec.hpp"

namespace fedloom {

void Fleet::publish(const Shared& shared) {
  Shared& kept = shared_[shared.payload.name][shared.version];
  kept = shared;
  // A client has one task at a time: with a version come, it needs none before, and where rounds do not
  // overlap no worker does. Other workers are told which go.
  kept.oldest_live = options_.deployed || strategy_.traits().patches_model ? shared.version : 0;
}

// Once for each peer: whoever comes back says that it has it.
void Fleet::send_initial(PeerId id) {
  if (options_.initial && peers_.at(id).hello.initial != options_.welcome.initial)
    send(id, Shared{0, 0, *options_.initial});
}

void Fleet::publish(const Patch& patch) {
  patches_[patch.from] = {patch, deployed_size(patch)};
  // Those that are of no use to anybody any more go now: it may be that no peer is ever so far behind.
  if (const auto models = shared_.find("model"); models != shared_.end() && !models->second.empty())
    (void)patches_between(0, patch.from + 1, deployed_size(models->second.rbegin()->second));
}

void Fleet::retire(Version version) {
  for (auto& [name, versions] : shared_) versions.erase(version);
  if (strategy_.traits().patches_model) return;  // what a peer has is what its next model is made of
  for (auto& [id, peer] : peers_) {
    const auto gone = std::erase_if(peer.has, [&](const auto& entry) { return entry.second == version; });
    if (gone > 0 && !options_.deployed) verdicts_for(id).retired.push_back(version);
  }
}

void Fleet::send_shared(PeerId id, const std::string& name, Version version) {
  Peer& peer = peers_.at(id);
  if (peer.has.contains({name, version})) return;
  const auto versions = shared_.find(name);
  FEDLOOM_CHECK(versions != shared_.end() && versions->second.contains(version), "no version {} of '{}'",
                version, name);
  const Shared& whole = versions->second.at(version);
  peer.has.emplace(name, version);
  if (name == "model" && version == 0 && has_initial_model()) return;
  if (name != "model" || !strategy_.traits().patches_model) return send(id, whole);
  const Version held = std::exchange(peer.held_model, version);
  if (const auto steps = patches_between(held, version, deployed_size(whole)))
    for (const Patch* step : *steps) send(id, *step);
  else
    send(id, whole);
}

// The steps from one version to the other, unless some are not here any more or together they are no smaller
// than `limit` bytes. Those that nobody could use are forgotten.
std::optional<std::vector<const Patch*>> Fleet::patches_between(Version from, Version to,
                                                                std::uint64_t limit) {
  std::vector<const Patch*> steps;
  std::uint64_t bytes = 0;
  for (Version version = to; version-- > from;) {
    const auto step = patches_.find(version);
    if (step == patches_.end() || (bytes += step->second.bytes) >= limit) {
      patches_.erase(patches_.begin(), patches_.upper_bound(version));
      return std::nullopt;
    }
    steps.insert(steps.begin(), &step->second.patch);
  }
  return steps;
}

}  // namespace fedloom
