// The connections of a server that are nobody's, by where they come from: how long each has been silent and
// how many a host has, so that strangers cannot take the places of those who have something to say. Knows no
// sockets and no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/executor.hpp"

namespace fedloom {

class ConnectionBook {
 public:
  struct Limits {
    std::size_t half_open = 4096;    // connections that are nobody's, of all hosts together
    Tick patience = 15 * kSecond;    // for one of them; longer than libzmq waits for a greeting
    std::uint32_t most_hellos = 16;  // on one connection, each within that time of the one before
  };
  explicit ConnectionBook(Limits limits) : limits_(limits) {}

  /// `host`: whoever answers for the connection, such as an address; `name`: host and port, for people;
  /// `cookie`: the system's mark of this socket. Descriptors are used again: a connection that is opened ends
  /// the one before it.
  void opened(int descriptor, std::string host, std::string name, std::uint64_t cookie, Tick now);
  void closed(int descriptor);
  /// It has said hello; false when it did so more often than anybody has reason to.
  bool greeted(int descriptor, Tick now);
  /// Its conversation is over and the connection still there: it is nobody's again.
  void left(int descriptor, Tick now);
  /// Time that passed without anybody looking at connections is nobody's silence.
  void forgive(Tick pause);
  /// For people; "" where nothing is known.
  std::string name_of(int descriptor) const;
  std::size_t half_open() const { return waiting_.size(); }

  struct Overdue {
    int descriptor;
    std::uint64_t cookie;
    std::string why;
  };
  /// Who has been silent for too long, and while there are too many the oldest of the host that has the most;
  /// of hosts with as many, of the one whose oldest is oldest. Each is told of once, until closed().
  std::vector<Overdue> overdue(Tick now);
  /// One connection that is to go at once.
  Overdue give_up(int descriptor, std::string why);
  /// Whether it was among those that go.
  bool was_given_up(int descriptor) const;

 private:
  struct Connection {
    std::string host;
    std::string name;
    std::uint64_t cookie = 0;
    Tick since = 0;           // it waits
    std::uint64_t order = 0;  // of those who wait; 0 when it does not
    std::uint32_t hellos = 0;
    Tick last_hello = 0;
    bool given_up = false;
  };
  using Place = std::tuple<std::size_t, std::uint64_t, std::string>;  // how many, minus the oldest, host
  void wait(int descriptor, Connection& connection, Tick now);
  void stop_waiting(Connection& connection);
  Place place_of(const std::string& host) const;

  Limits limits_;
  std::uint64_t orders_ = 0;
  std::unordered_map<int, Connection> connections_;
  std::map<std::uint64_t, int> waiting_;  // in the order in which they began to
  std::unordered_map<std::string, std::set<std::uint64_t>> by_host_;
  std::set<Place> hosts_;
};

}  // namespace fedloom
