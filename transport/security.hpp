// Who may speak on a channel, and that nobody listens: keys of CurveZMQ (RFC 26: Curve25519, both sides
// authenticated, every connection with keys of its own). Where keys are kept and who is allowed is not known
// here.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace fedloom {

/// 32 bytes each, as text: 64 hexadecimal digits, lower case.
struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

/// A fresh pair from the system's entropy. Throws UserError where libzmq was built without CURVE.
KeyPair make_key_pair();
/// The public key that belongs to a secret one. Throws UserError when it is none.
std::string public_key_of(const std::string& secret_key);
/// Whether a text has the form of a key.
bool is_key(std::string_view text);

/// Between the two forms, of what is_key() and of 32 bytes.
std::string key_text(std::string_view bytes);
std::string key_bytes(std::string_view text);

/// What one end of a channel needs. A server admits by key, a client knows its server's.
struct Security {
  KeyPair own;
  std::string server_key;  // of a client: anybody else's connection fails
  /// Of a server: the name of whoever has this public key, or nothing for strangers. Asked when a connection
  /// begins and at every heartbeat: who is not admitted any more is dropped.
  std::function<std::optional<std::string>(const std::string& public_key)> admits;
};

}  // namespace fedloom
