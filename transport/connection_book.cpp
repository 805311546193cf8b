// Every operation is logarithmic in the number of half-open connections, as a flood brings many.
#include "transport/connection_book.hpp"

#include <iterator>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace fedloom {

void ConnectionBook::opened(int descriptor, std::string host, std::string name, std::uint64_t cookie,
                            Tick now) {
  closed(descriptor);
  Connection& connection = connections_[descriptor];
  connection.host = std::move(host);
  connection.name = std::move(name);
  connection.cookie = cookie;
  wait(descriptor, connection, now);
}

void ConnectionBook::closed(int descriptor) {
  const auto found = connections_.find(descriptor);
  if (found == connections_.end()) return;
  stop_waiting(found->second);
  connections_.erase(found);
}

bool ConnectionBook::greeted(int descriptor, Tick now) {
  const auto found = connections_.find(descriptor);
  if (found == connections_.end()) return true;
  Connection& connection = found->second;
  stop_waiting(connection);
  if (now - std::exchange(connection.last_hello, now) > limits_.patience) connection.hellos = 0;
  return ++connection.hellos <= limits_.most_hellos;
}

void ConnectionBook::left(int descriptor, Tick now) {
  const auto found = connections_.find(descriptor);
  if (found != connections_.end() && found->second.order == 0 && !found->second.given_up)
    wait(descriptor, found->second, now);
}

void ConnectionBook::forgive(Tick pause) {
  for (auto& [descriptor, connection] : connections_) connection.since += pause;
}

std::string ConnectionBook::name_of(int descriptor) const {
  const auto found = connections_.find(descriptor);
  return found == connections_.end() ? "" : found->second.name;
}

bool ConnectionBook::was_given_up(int descriptor) const {
  const auto found = connections_.find(descriptor);
  return found != connections_.end() && found->second.given_up;
}

std::vector<ConnectionBook::Overdue> ConnectionBook::overdue(Tick now) {
  std::vector<Overdue> out;
  while (!waiting_.empty()) {
    const int oldest = waiting_.begin()->second;
    if (now - connections_.at(oldest).since <= limits_.patience) break;
    out.push_back(give_up(oldest, fmt::format("no hello within {} s", limits_.patience / kSecond)));
  }
  while (waiting_.size() > limits_.half_open) {
    const auto [connections, age, host] = *std::prev(hosts_.end());
    out.push_back(give_up(waiting_.at(*by_host_.at(host).begin()),
                          fmt::format("{} connections have said no hello, {} of them of its host",
                                      waiting_.size(), connections)));
  }
  return out;
}

ConnectionBook::Overdue ConnectionBook::give_up(int descriptor, std::string why) {
  const auto found = connections_.find(descriptor);
  if (found == connections_.end()) return {descriptor, 0, std::move(why)};
  stop_waiting(found->second);
  found->second.given_up = true;
  return {descriptor, found->second.cookie, std::move(why)};
}

void ConnectionBook::wait(int descriptor, Connection& connection, Tick now) {
  connection.since = now;
  connection.order = ++orders_;
  waiting_[connection.order] = descriptor;
  hosts_.erase(place_of(connection.host));
  by_host_[connection.host].insert(connection.order);
  hosts_.insert(place_of(connection.host));
}

void ConnectionBook::stop_waiting(Connection& connection) {
  const std::uint64_t order = std::exchange(connection.order, 0);
  if (order == 0) return;
  waiting_.erase(order);
  hosts_.erase(place_of(connection.host));
  const auto orders = by_host_.find(connection.host);
  orders->second.erase(order);
  if (orders->second.empty())
    by_host_.erase(orders);
  else
    hosts_.insert(place_of(connection.host));
}

ConnectionBook::Place ConnectionBook::place_of(const std::string& host) const {
  const auto orders = by_host_.find(host);
  if (orders == by_host_.end()) return {0, 0, host};
  return {orders->second.size(), std::numeric_limits<std::uint64_t>::max() - *orders->second.begin(), host};
}

}  // namespace fedloom
