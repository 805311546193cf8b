// A bare ZeroMQ socket that says whatever it likes, for tests of what a server makes of peers that do not
// keep to the protocol.
#pragma once

#include <string>
#include <vector>

#include <zmq.hpp>

#include "transport/frame.hpp"
#include "transport/outbound.hpp"
#include "transport/security.hpp"

namespace fedloom::testing {

/// Says what it is told to.
class RawPeer {
 public:
  explicit RawPeer(zmq::socket_type type) : socket_(context_, type) { socket_.set(zmq::sockopt::linger, 0); }

  /// What CURVE needs, before connect().
  void lock(const KeyPair& own, const std::string& server_key) {
    socket_.set(zmq::sockopt::curve_secretkey, key_bytes(own.secret_key));
    socket_.set(zmq::sockopt::curve_publickey, key_bytes(own.public_key));
    socket_.set(zmq::sockopt::curve_serverkey, key_bytes(server_key));
  }
  void connect(const std::string& endpoint) { socket_.connect(endpoint); }
  std::string bind(const std::string& endpoint) {
    socket_.bind(endpoint);
    return socket_.get(zmq::sockopt::last_endpoint);
  }
  void send(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto flags = i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      socket_.send(zmq::buffer(parts[i]), flags);
    }
  }
  void send(const OutFrame& frame) {
    send({std::string(reinterpret_cast<const char*>(frame.first.data()), frame.first.size())});
  }
  void hello(std::uint64_t instance = 99) {
    send(make_frame({.kind = FrameKind::hello}, encode(Greeting{instance, 1ULL << 40U, 1U << 24U, 4096})));
  }
  /// The next message's parts, or none.
  std::vector<std::string> receive() {
    std::vector<std::string> parts;
    zmq::message_t part;
    do {
      if (!socket_.recv(part, zmq::recv_flags::dontwait)) return parts;
      parts.push_back(part.to_string());
    } while (part.more());
    return parts;
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

inline FrameKind kind_of(const std::string& frame) { return static_cast<FrameKind>(frame.at(6)); }

}  // namespace fedloom::testing
