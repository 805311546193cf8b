// The keys of a server: its own pair, and the list of clients that it watches. What they do is
// transport/security.hpp.
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

struct ServerKeys {
  std::shared_ptr<const Security> security;  // nothing: no keys
  std::function<bool(const std::string& key, ClientId client)> may_be;
};

/// What a server at deploy.listen needs: deploy.key and the list deploy.clients. Nothing where there is no
/// key and the endpoint is local, or `insecure` is set. Throws UserError for a key without a list, and for an
/// open endpoint without keys, saying what to do.
ServerKeys server_keys(const DeployConfig& deploy, bool insecure);

}  // namespace fedloom
