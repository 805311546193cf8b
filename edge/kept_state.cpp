// Says what a person can do where the store below only knows that a file is not there.
#include "edge/kept_state.hpp"

#include <cerrno>
#include <utility>

#include <unistd.h>

#include "core/error.hpp"

namespace fedloom {

KeptState::KeptState(std::string folder, Lost lost, std::function<void(const std::string&)> warn)
    : disk_(std::move(folder), DiskClientStore::Survives::power_cut), lost_(lost), warn_(std::move(warn)) {}

TensorMap KeptState::load(ClientId client, std::uint32_t version) {
  try {
    return disk_.load(client, version);
  } catch (const UserError& error) {
    const std::string file = disk_.file(client, version);
    // What is there and may not be read, as on a disk without rights, is not lost.
    const bool kept_from_us = ::access(file.c_str(), R_OK) != 0 && errno != ENOENT;
    if (lost_ == Lost::refuse || kept_from_us)
      throw user_error(
          "the state kept of task {} is lost: {}; bring the file back, or start the client with "
          "--forget-state to "
          "go on without it",
          version, error.what());
    warn_(fmt::format("goes on without the state kept of task {}: {}", version, error.what()));
    return {};
  }
}

void KeptState::propose(ClientId client, std::uint32_t version, const TensorMap& slots) {
  disk_.propose(client, version, slots);
}

}  // namespace fedloom
