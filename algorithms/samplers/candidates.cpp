// Listing the clients a sampler may choose from.
// Samplers that can do without the list do: it costs a walk over the whole population.
#include <numeric>

#include "algorithms/sampler.hpp"

namespace fedloom {

std::vector<ClientId> Candidates::list() const {
  std::vector<ClientId> clients;
  if (!eligible) {
    clients.resize(population);
    std::iota(clients.begin(), clients.end(), ClientId{0});
    return clients;
  }
  for (ClientId client = 0; client < population; ++client)
    if (eligible(client)) clients.push_back(client);
  return clients;
}

}  // namespace fedloom
