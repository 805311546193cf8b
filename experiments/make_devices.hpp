// From the section `devices:` of an experiment file to devices, with the trace files that it names. The keys
// are in wiring/devices_config.hpp, what devices do in server/devices/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/devices/devices.hpp"
#include "wiring/devices_config.hpp"

namespace fedloom {

/// Makes the paths of traces absolute, and fills in or compares their hashes. Throws UserError when one is
/// missing or is another than was hashed.
void locate_traces(DevicesConfig& config, const std::string& folder);

/// Every setting written out, as YAML lines; an amount becomes `name: constant`. Throws UserError on unknown
/// names and settings.
std::string resolved_yaml(const DevicesConfig& config);

/// The devices of `clients` clients (at least 1). Reads the traces. Throws UserError when a setting is in
/// another unit than its key, keys contradict each other, or a trace does not read.
std::shared_ptr<const Devices> make_devices(const DevicesConfig& config, std::uint64_t clients,
                                            std::uint64_t seed, double ticks_per_second);

}  // namespace fedloom
