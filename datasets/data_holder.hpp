// Who works with the examples of a federation in this process, and whose features it therefore needs. It only
// names them; reading is federation.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "datasets/examples.hpp"
#include "datasets/kept_rows.hpp"

namespace fedloom {

/// `evaluates`: whether clients are evaluated one by one, each on FederatedData::evaluation_view().
class DataHolder {
 public:
  /// Centre and workers in one process.
  static DataHolder everyone() { return {Role::everyone, 0, true}; }
  /// Somebody who looks at labels only.
  static DataHolder nobody() { return {Role::nobody, 0, false}; }
  /// The server: it evaluates on the validation and the test set.
  static DataHolder centre() { return {Role::centre, 0, false}; }
  /// A process that stands in for any client.
  static DataHolder worker(bool evaluates) { return {Role::worker, 0, evaluates}; }
  /// One deployed client.
  static DataHolder client(std::size_t index, bool evaluates) { return {Role::client, index, evaluates}; }

  bool needs_all() const { return role_ == Role::everyone; }
  /// What to keep before the partition is known. Where it is not what each_need() names, the data is read
  /// twice. `validation`, `client_test`: whether such parts are held back from the training data.
  KeptFeatures guess(bool validation, bool client_test) const;
  /// Calls `need` with every part of `data` whose features must be in memory; parts may be empty and may
  /// overlap. A client that `data` does not have needs nothing.
  void each_need(const FederatedData& data, const std::function<void(const ExampleView&)>& need) const;

 private:
  enum class Role : std::uint8_t { everyone, nobody, centre, worker, client };
  DataHolder(Role role, std::size_t client, bool evaluates)
      : role_(role), client_(client), evaluates_(evaluates) {}

  Role role_;
  std::size_t client_;
  bool evaluates_;
};

}  // namespace fedloom
