// Demands that partitioners share.
#include "datasets/partitioner.hpp"

#include "core/error.hpp"

namespace fedloom {

void require_enough_examples(const PartitionInput& input) {
  if (input.clients == 0) throw user_error("data.clients: found 0; a federation has at least 1 client");
  if (input.clients > input.size())
    throw user_error("data.clients: {} clients cannot share {} examples; at most one client for each example",
                     input.clients, input.size());
}

void require_nobody_empty(const Partition& partition, const char* fix) {
  for (std::size_t k = 0; k < partition.size(); ++k)
    if (partition[k].empty()) throw user_error("data.partition: client {} gets no examples; {}", k, fix);
}

}  // namespace fedloom
