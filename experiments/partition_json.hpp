// The partition of a run as the report reads it.
// The numbers are datasets/partition_summary.hpp.
#pragma once

#include <string>

#include "datasets/partition_summary.hpp"

namespace fedloom {

/// {"classes": C, "clients": [[n_0, …, n_{C-1}], …], "ids": [client, …], "shown": k, "total": N}
std::string partition_json(const PartitionSummary& summary);

}  // namespace fedloom
