// Everybody's training data in one place: the centralised baseline over any federation.
// Not a partitioner: it undoes what one did.
#pragma once

#include <memory>

#include "datasets/examples.hpp"

namespace fedloom {

/// A federation of one client who holds the data of all clients of `data`, in client order; validation and
/// test are unchanged. Generated data is generated once and kept.
std::shared_ptr<const FederatedData> pool_clients(std::shared_ptr<const FederatedData> data);

}  // namespace fedloom
