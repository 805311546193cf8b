// The keys of a deployed federation as files: a pair for everybody, and the server's list of clients. What
// they do is transport/security.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/ids.hpp"
#include "transport/security.hpp"

namespace fedloom {

struct DeployConfig;

/// Writes a pair where only its owner reads it. Throws UserError when there is a file already: a key that is
/// gone locks out whoever had it.
void write_key_file(const std::string& file, const KeyPair& pair);
/// Throws UserError, saying what is wrong with the file.
KeyPair read_key_file(const std::string& file);

/// Which keys may be which clients, from a file with a line for each: `KEY CLIENT [NAME]`, where CLIENT is
/// the index in the federation; lines that begin with "# " are comments. The file is read again whenever it
/// has changed, so clients are added and revoked while the server runs; a file that cannot be read leaves the
/// list as it was.
class ClientKeys {
 public:
  /// Throws UserError with file and line.
  explicit ClientKeys(std::string file);

  /// "client 3 (kitchen)", or nothing for strangers.
  std::optional<std::string> name_of(const std::string& key);
  bool may_be(const std::string& key, ClientId client);

 private:
  struct Entry {
    ClientId client = 0;
    std::string name;
  };
  using Stamp = std::pair<std::int64_t, std::uint64_t>;  // when it was written, and which file it is

  std::optional<Stamp> stamp() const;
  void refresh();
  static std::map<std::string, Entry> parse(const std::string& text, const std::string& file);

  std::string file_;
  std::optional<Stamp> read_;
  std::map<std::string, Entry> entries_;
};

/// Whether only this machine can reach the endpoint.
bool is_local(const std::string& endpoint);

struct ServerKeys {
  std::shared_ptr<const Security> security;  // nothing: no keys
  std::function<bool(const std::string& key, ClientId client)> may_be;
};

/// What a server at deploy.listen needs: deploy.key and the list deploy.clients. Nothing where there is no
/// key and the endpoint is local, or `insecure` is set. Throws UserError for a key without a list, and for an
/// open endpoint without keys, saying what to do.
ServerKeys server_keys(const DeployConfig& deploy, bool insecure);
/// The same for a client with the key file `own` ("": none) and the server's public key of deploy.server_key.
std::shared_ptr<const Security> client_security(const DeployConfig& deploy, const std::string& endpoint,
                                                const std::string& own, bool insecure);

}  // namespace fedloom
