// The connections of a server that are nobody's yet, by where they come from: how long each has been silent
// and how many a host has, so that strangers cannot take the places of those who have something to say. Knows
// no sockets and no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/executor.hpp"

namespace fedloom {

class ConnectionBook {
 public:
  struct Limits {
    std::size_t half_open = 4096;    // connections that have not said hello, of all hosts together
    Tick patience = 15 * kSecond;    // for one of them; longer than libzmq waits for a greeting
    std::uint32_t most_hellos = 16;  // on one connection
  };
  explicit ConnectionBook(Limits limits) : limits_(limits) {}

  /// `host`: whoever answers for the connection, such as an address; `name`: host and port, for people.
  /// Descriptors are used again: a connection that is opened ends the one before it.
  void opened(int descriptor, std::string host, std::string name, Tick now);
  void closed(int descriptor);
  /// It has said hello; false when it did so more often than anybody has reason to.
  bool greeted(int descriptor);
  /// For people; "" where nothing is known.
  std::string name_of(int descriptor) const;
  std::size_t half_open() const { return waiting_.size(); }

  struct Overdue {
    int descriptor;
    std::string name;
    std::string why;
  };
  /// Takes out of the half-open ones who has been silent for too long, and while there are too many the
  /// oldest of the host that has the most. They are forgotten when closed() says that they are gone.
  std::vector<Overdue> overdue(Tick now);

 private:
  struct Connection {
    std::string host;
    std::string name;
    Tick since = 0;
    std::uint64_t order = 0;
    std::uint32_t hellos = 0;
    bool waiting = true;  // for its hello
  };
  void stop_waiting(Connection& connection);
  template <class Change>
  void place(const std::string& host, Change change);

  Limits limits_;
  std::uint64_t opened_ = 0;
  std::unordered_map<int, Connection> connections_;
  std::map<std::uint64_t, int> waiting_;  // in the order of their coming
  std::unordered_map<std::string, std::set<std::uint64_t>> by_host_;
  std::set<std::pair<std::size_t, std::string>> hosts_;  // by how many they have
};

}  // namespace fedloom
