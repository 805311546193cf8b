// Key pairs as files, and the keys that a client needs. What they do is transport/security.hpp; the list of a
// server is experiments/deploy_keys.hpp.
#pragma once

#include <memory>
#include <string>

#include "transport/security.hpp"

namespace fedloom {

/// Writes a pair where only its owner reads it. Throws UserError when there is a file already: a key that is
/// gone locks out whoever had it.
void write_key_file(const std::string& file, const KeyPair& pair);
/// Throws UserError, saying what is wrong with the file.
KeyPair read_key_file(const std::string& file);

/// Whether only this machine can reach the endpoint.
bool is_local(const std::string& endpoint);

/// What a client needs to go to `endpoint`: its key file `own` ("": none) and the server's public key ("":
/// none). Nothing where there are none and the endpoint is local, or `insecure` is set. Throws UserError,
/// saying what to do.
std::shared_ptr<const Security> client_security(const std::string& server_key, const std::string& endpoint,
                                                const std::string& own, bool insecure);

}  // namespace fedloom
