// The parts of a federation that each role reads.
#include "datasets/data_holder.hpp"

#include <algorithm>

namespace fedloom {

KeptFeatures DataHolder::guess(bool validation, bool client_test) const {
  switch (role_) {
    case Role::everyone: return {};
    case Role::nobody:
    case Role::client: break;  // few examples or none
    case Role::centre:
      if (validation) break;
      return {KeptRows::none(), KeptRows::all()};
    case Role::worker:
      return {KeptRows::all(), evaluates_ && !client_test ? KeptRows::all() : KeptRows::none()};
  }
  return KeptFeatures::unread();
}

void DataHolder::each_need(const FederatedData& data,
                           const std::function<void(const ExampleView&)>& need) const {
  if (role_ == Role::everyone || role_ == Role::centre) {
    need(data.validation());
    need(data.test());
  }
  if (role_ == Role::nobody || role_ == Role::centre) return;
  const bool one = role_ == Role::client;
  const std::size_t first = one ? client_ : 0;
  const std::size_t end = one ? std::min(client_ + 1, data.clients()) : data.clients();
  bool common_test = false;
  for (std::size_t k = first; k < end; ++k) {
    need(data.client(k));
    const ExampleView own = data.client_test(k);
    need(own);
    common_test = common_test || (evaluates_ && &data.evaluation_view(own) != &own);
  }
  if (common_test) need(data.common_evaluation());
}

}  // namespace fedloom
