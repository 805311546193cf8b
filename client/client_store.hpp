// Kept client state, versioned: what client 312 proposed in task 9 is stored as (312, 9), and counts only
// once the server has accepted that task and says so in a later task. So a task run twice, or a resumed
// run, can never see the future. A store knows nothing of algorithms.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/ids.hpp"
#include "core/tensor.hpp"

namespace fedloom {

/// Thread-safe.
class ClientStore {
 public:
  virtual ~ClientStore() = default;
  /// The slots of a version; empty for version 0. A version that should exist and does not is a UserError
  /// (someone removed files of the run).
  virtual TensorMap load(ClientId client, std::uint32_t version) = 0;
  /// Stores a proposal; replaces an equal-numbered one, which is the same bits.
  virtual void propose(ClientId client, std::uint32_t version, const TensorMap& slots) = 0;
  /// Forgets a version; unknown ones are ignored.
  virtual void drop(ClientId client, std::uint32_t version) = 0;
};

/// For one process.
class MemoryClientStore : public ClientStore {
 public:
  TensorMap load(ClientId client, std::uint32_t version) override;
  void propose(ClientId client, std::uint32_t version, const TensorMap& slots) override;
  void drop(ClientId client, std::uint32_t version) override;

 private:
  std::mutex mutex_;
  std::map<TaskId, TensorMap> versions_;
};

/// In a folder, one file per version, written to a temporary name and renamed, with a checksum: any worker
/// of the machine can read what another wrote.
class DiskClientStore : public ClientStore {
 public:
  /// What a proposal survives once propose() has returned: the end of the process, or of the machine's power
  /// too, which costs a wait for the disk.
  enum class Survives { kill, power_cut };
  explicit DiskClientStore(std::string folder, Survives survives = Survives::kill);
  TensorMap load(ClientId client, std::uint32_t version) override;
  void propose(ClientId client, std::uint32_t version, const TensorMap& slots) override;
  void drop(ClientId client, std::uint32_t version) override;
  /// Where a version is, or would be.
  std::string file(ClientId client, std::uint32_t version) const;

 private:
  std::string folder_;
  Survives survives_;
};

}  // namespace fedloom
