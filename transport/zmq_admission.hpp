// The door of a server with keys: answers ZeroMQ's questions whether a connection may begin (ZAP, RFC 27).
// It knows keys; who has which is the channel's Security.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace zmq {
class context_t;
}

namespace fedloom {

/// Lives as long as the context's server socket. Its descriptor is edge-triggered, like the socket's.
class ZmqAdmission {
 public:
  using Admits = std::function<std::optional<std::string>(const std::string& public_key)>;

  /// Must be made before the socket binds: connections are refused while nobody answers.
  ZmqAdmission(zmq::context_t& context, Admits admits);
  ~ZmqAdmission();
  ZmqAdmission(const ZmqAdmission&) = delete;
  ZmqAdmission& operator=(const ZmqAdmission&) = delete;

  int descriptor() const;
  /// Answers what has been asked. Whoever is let in has its public key as ZeroMQ's "User-Id".
  void answer();
  /// The next connection that was turned away: where it came from and why; false when there is none.
  bool next_refusal(std::string& text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fedloom
