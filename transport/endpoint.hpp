// Endpoint texts: what a person may write, checked, and what ZeroMQ wants to read.
// It parses text and opens nothing.
#pragma once

#include <string>

namespace fedloom {

/// "inproc://NAME", "ipc:///PATH" or "tcp://HOST:PORT".
struct Endpoint {
  enum class Kind { inproc, ipc, tcp };
  Kind kind = Kind::inproc;
  std::string text;     // as ZeroMQ reads it
  std::string address;  // what follows the scheme
};

/// Throws UserError for anything that could never work: an unknown scheme, a path that is too long for a
/// socket, a port out of range, and for clients a port that only a server may leave open.
Endpoint parse_endpoint(const std::string& text, bool is_server);

/// Throws UserError when a living process serves this ipc path already: binding would silently push it aside.
void refuse_taken_ipc_path(const Endpoint& endpoint);

}  // namespace fedloom
