// Reading device files; paths are relative to the file they stand in.
#include "edge/device_file.hpp"

#include <filesystem>

#include "core/error.hpp"
#include "datasets/data_source.hpp"

namespace fedloom {

DeviceConfig load_device_file(const std::string& file, const std::vector<std::string>& overrides) {
  ConfigNode root = ConfigNode::from_file(file);
  if (!root.is_map())
    throw user_error("{}: holds no device; expected keys such as connect, client, data", file);
  for (const std::string& assignment : overrides) root = root.with_override(assignment);
  auto device = read_config<DeviceConfig>(root);
  for (const char* key : {"connect", "client"})
    if (!root.child(key).present())
      throw user_error("{}: says nothing of '{}', which every device needs", file, key);
  if (!device.data && device.experiment.empty())
    throw user_error(
        "{}: says nothing of the data; give `data` with the form of this device's files and `folder` with "
        "their "
        "place, or `experiment` with the server's file",
        file);
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  for (std::string* path :
       {&device.key, &device.experiment, &device.folder, &device.state, &device.status_file})
    if (!path->empty()) *path = (folder / *path).lexically_normal().string();
  if (device.data_dir.empty()) device.data_dir = default_data_dir();
  return device;
}

ClientOptions client_options(const DeviceConfig& device) {
  ClientOptions options;
  if (!device.experiment.empty())
    options.experiment = read_experiment(ConfigNode::from_file(device.experiment)).config;
  ExperimentConfig& own = options.experiment;
  if (device.data) own.data = *device.data;
  if (device.privacy.unit != "none") own.privacy = device.privacy;
  if (!device.server_key.empty()) own.deploy.server_key = device.server_key;
  own.deploy.heartbeat = device.heartbeat;
  own.deploy.heartbeat_timeout = device.heartbeat_timeout;
  options.connect = device.connect;
  options.client = device.client;
  options.name = device.name;
  options.key = device.key;
  options.insecure = device.insecure;
  options.own_data = device.folder;
  options.data_dir = device.data_dir;
  options.state_dir = device.state;
  options.status_file = device.status_file;
  options.limits = device.limits;
  options.when = device.when;
  options.once = device.once;
  return options;
}

}  // namespace fedloom
