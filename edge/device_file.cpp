// Reading device files; paths are relative to the file they stand in.
#include "edge/device_file.hpp"

#include <filesystem>

#include "core/error.hpp"
#include "datasets/data_source.hpp"

namespace fedloom {

namespace {

void check(const ConfigNode& root, const DeviceConfig& device, const std::string& file) {
  for (const char* key : {"connect", "client"})
    if (!root.child(key).present())
      throw user_error("{}: says nothing of '{}', which every device needs", file, key);
  if (device.experiment.empty() && (!device.data || device.folder.empty()))
    throw user_error(
        "{}: says nothing of the data; give `data` with the form of this device's files and `folder` with "
        "their "
        "place, or `experiment` with the server's file",
        file);
}

// The experiment's file, with the device's data section laid over it key by key.
ExperimentConfig experiment_of(const ConfigNode& root, const DeviceConfig& device) {
  ConfigNode experiment =
      device.experiment.empty() ? ConfigNode::from_text("{}", "") : ConfigNode::from_file(device.experiment);
  const ConfigNode data = root.child("data");
  if (data.present())
    for (const std::string& key : data.keys())
      experiment = experiment.with_override("data." + key + "=" + data.child(key).flow());
  ExperimentConfig config = read_experiment(experiment).config;
  if (device.privacy) config.privacy = *device.privacy;
  if (!device.server_key.empty()) config.deploy.server_key = device.server_key;
  if (device.heartbeat) config.deploy.heartbeat = *device.heartbeat;
  if (device.heartbeat_timeout) config.deploy.heartbeat_timeout = *device.heartbeat_timeout;
  return config;
}

}  // namespace

ClientOptions load_device_file(const std::string& file, const std::vector<std::string>& overrides) {
  ConfigNode root = ConfigNode::from_file(file);
  if (!root.is_map())
    throw user_error("{}: holds no device; expected keys such as connect, client, data", file);
  for (const std::string& assignment : overrides) root = root.with_override(assignment);
  auto device = read_config<DeviceConfig>(root);
  check(root, device, file);
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  for (std::string* path :
       {&device.key, &device.experiment, &device.folder, &device.state, &device.status_file})
    if (!path->empty()) *path = (folder / *path).lexically_normal().string();
  return {.connect = device.connect,
          .client = device.client,
          .experiment = experiment_of(root, device),
          .data_dir = device.data_dir.empty() ? default_data_dir() : device.data_dir,
          .own_data = device.folder,
          .state_dir = device.state,
          .key = device.key,
          .insecure = device.insecure,
          .name = device.name,
          .status_file = device.status_file,
          .limits = device.limits,
          .when = device.when,
          .once = device.once};
}

}  // namespace fedloom
