// The client state that a device keeps between tasks: on disk before the server hears of the update that goes
// with it, through loss of power too, and with a way on when it is lost all the same.
#pragma once

#include <functional>
#include <string>

#include "client/client_store.hpp"

namespace fedloom {

/// A DiskClientStore as a device needs it.
class KeptState : public ClientStore {
 public:
  /// What becomes of a version that is missing or damaged: it is refused, or the client goes on without.
  enum class Lost { refuse, begin_anew };
  /// `warn` hears, on any thread, of every beginning without state.
  KeptState(std::string folder, Lost lost, std::function<void(const std::string&)> warn);

  /// Throws UserError that says what to do about it, or returns no slots, which is what version 0 has.
  TensorMap load(ClientId client, std::uint32_t version) override;
  void propose(ClientId client, std::uint32_t version, const TensorMap& slots) override;
  void drop(ClientId client, std::uint32_t version) override { disk_.drop(client, version); }

 private:
  DiskClientStore disk_;
  Lost lost_;
  std::function<void(const std::string&)> warn_;
};

}  // namespace fedloom
