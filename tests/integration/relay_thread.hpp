// The counting relay between real processes: on a thread of its own, as the test waits for them. What it saw
// is asked for at its end.
#pragma once

#include <atomic>
#include <ctime>
#include <string>
#include <thread>

#include "tests/transport/relay.hpp"

namespace fedloom::testing {

/// The relay on a thread of its own.
class Relay {
 public:
  /// `keep`: writes down what passes.
  explicit Relay(const std::string& endpoint, bool keep = false)
      : relay_(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)))),
        endpoint_(relay_.endpoint()),
        thread_([this, keep](const std::stop_token& stop) {
          if (keep) relay_.keep_bytes();
          turn(stop);
        }) {}

  const std::string& endpoint() const { return endpoint_; }
  /// Breaks every connection once.
  void cut() { cut_ = true; }
  struct Seen {
    std::uint64_t to_server = 0;
    std::uint64_t to_client = 0;
    std::string kept_to_server;
    std::string kept;  // both ways
  };
  /// Ends the relay.
  Seen finish() {
    thread_.request_stop();
    thread_.join();
    return {relay_.to_server(), relay_.to_client(), relay_.kept_to_server(), relay_.kept()};
  }

 private:
  void turn(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      relay_.poll();
      if (cut_.exchange(false)) relay_.cut();
      const timespec pause{0, 100'000};
      nanosleep(&pause, nullptr);
    }
    relay_.poll();
  }

  CountingRelay relay_;
  std::string endpoint_;
  std::atomic<bool> cut_ = false;
  std::jthread thread_;
};

}  // namespace fedloom::testing
