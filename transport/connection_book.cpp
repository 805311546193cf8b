// Every operation is logarithmic in the number of half-open connections, as a flood brings many.
#include "transport/connection_book.hpp"

#include <iterator>

#include <fmt/format.h>

namespace fedloom {

/// Changes a host's connections and its place among the hosts.
template <class Change>
void ConnectionBook::place(const std::string& host, Change change) {
  std::set<std::uint64_t>& orders = by_host_[host];
  hosts_.erase({orders.size(), host});
  change(orders);
  if (orders.empty())
    by_host_.erase(host);
  else
    hosts_.insert({orders.size(), host});
}

void ConnectionBook::opened(int descriptor, std::string host, std::string name, Tick now) {
  closed(descriptor);
  const std::uint64_t order = ++opened_;
  waiting_[order] = descriptor;
  place(host, [order](auto& orders) { orders.insert(order); });
  connections_[descriptor] = {std::move(host), std::move(name), now, order, 0, true};
}

void ConnectionBook::closed(int descriptor) {
  const auto found = connections_.find(descriptor);
  if (found == connections_.end()) return;
  stop_waiting(found->second);
  connections_.erase(found);
}

bool ConnectionBook::greeted(int descriptor) {
  const auto found = connections_.find(descriptor);
  if (found == connections_.end()) return true;
  stop_waiting(found->second);
  return ++found->second.hellos <= limits_.most_hellos;
}

std::string ConnectionBook::name_of(int descriptor) const {
  const auto found = connections_.find(descriptor);
  return found == connections_.end() ? "" : found->second.name;
}

std::vector<ConnectionBook::Overdue> ConnectionBook::overdue(Tick now) {
  std::vector<Overdue> out;
  const auto take = [&](std::uint64_t order, const std::string& why) {
    const int descriptor = waiting_.at(order);
    Connection& connection = connections_.at(descriptor);
    stop_waiting(connection);
    out.push_back({descriptor, connection.name, why});
  };
  while (!waiting_.empty()) {
    const Tick since = connections_.at(waiting_.begin()->second).since;
    if (now - since <= limits_.patience) break;
    take(waiting_.begin()->first, fmt::format("no hello within {} s", limits_.patience / kSecond));
  }
  while (waiting_.size() > limits_.half_open) {
    const auto& [connections, host] = *std::prev(hosts_.end());
    take(*by_host_.at(host).begin(), fmt::format("{} connections have said no hello, {} of them of its host",
                                                 waiting_.size(), connections));
  }
  return out;
}

void ConnectionBook::stop_waiting(Connection& connection) {
  if (!std::exchange(connection.waiting, false)) return;
  waiting_.erase(connection.order);
  place(connection.host, [&](auto& orders) { orders.erase(connection.order); });
}

}  // namespace fedloom
