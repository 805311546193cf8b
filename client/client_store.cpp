// Kept client state in memory and on disk.
#include "client/client_store.hpp"

#include <filesystem>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/tensor_file.hpp"

namespace fedloom {

TensorMap MemoryClientStore::load(ClientId client, std::uint32_t version) {
  if (version == 0) return {};
  const std::scoped_lock lock(mutex_);
  const auto it = versions_.find({client, version});
  if (it == versions_.end()) throw user_error("client {} has no state of task {}", client, version);
  return it->second;
}

void MemoryClientStore::propose(ClientId client, std::uint32_t version, const TensorMap& slots) {
  const std::scoped_lock lock(mutex_);
  versions_[{client, version}] = slots;
}

void MemoryClientStore::drop(ClientId client, std::uint32_t version) {
  const std::scoped_lock lock(mutex_);
  versions_.erase({client, version});
}

DiskClientStore::DiskClientStore(std::string folder, Survives survives)
    : folder_(std::move(folder)), survives_(survives) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error)
    throw user_error("{}: this folder for client state cannot be made: {}", folder_, error.message());
  if (survives_ == Survives::power_cut) sync_folder(std::filesystem::path(folder_).parent_path().string());
}

// 256 subfolders keep directories small when a hundred thousand clients have state.
std::string DiskClientStore::file(ClientId client, std::uint32_t version) const {
  return fmt::format("{}/{:02x}/{}.{}", folder_, client % 256, client, version);
}

TensorMap DiskClientStore::load(ClientId client, std::uint32_t version) {
  if (version == 0) return {};
  const std::string name = file(client, version);
  return tensors_from_bytes(read_file(name), name);
}

void DiskClientStore::propose(ClientId client, std::uint32_t version, const TensorMap& slots) {
  const std::string name = file(client, version);
  const bool synced = survives_ == Survives::power_cut;
  std::filesystem::create_directories(std::filesystem::path(name).parent_path());
  if (synced) sync_folder(folder_);
  write_file_atomically(name, tensors_to_bytes(slots), synced);
}

void DiskClientStore::drop(ClientId client, std::uint32_t version) {
  std::error_code ignored;
  std::filesystem::remove(file(client, version), ignored);
}

}  // namespace fedloom
