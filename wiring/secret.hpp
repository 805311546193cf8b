// A number that only this machine knows. Noise and sampling that hide data are keyed by it where a federation
// is deployed: by the seed of the experiment file, which everybody has, they could be undone.
#pragma once

#include <cstdint>
#include <string>

namespace fedloom {

/// The secret in `file`, drawn from the system's entropy and written (readable by its owner alone) the first
/// time: a task that is run again after a restart has the same noise. Throws UserError when the file cannot
/// be used.
std::uint64_t kept_secret(const std::string& file);

}  // namespace fedloom
