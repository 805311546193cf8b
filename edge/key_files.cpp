// Reading and writing key files; when a client may do without.
#include "edge/key_files.hpp"

#include <filesystem>
#include <sstream>

#include <arpa/inet.h>

#include "core/error.hpp"
#include "core/file.hpp"

namespace fedloom {

namespace {

std::string value_of(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name + " ")) return line.substr(name.size() + 1);
  return "";
}

}  // namespace

void write_key_file(const std::string& file, const KeyPair& pair) {
  if (std::filesystem::exists(file))
    throw user_error("{}: exists already; choose another name, or move it away if nobody needs this key",
                     file);
  if (const auto folder = std::filesystem::path(file).parent_path(); !folder.empty())
    std::filesystem::create_directories(folder);
  write_file_atomically(file,
                        fmt::format("# A key pair of fedloom. Whoever has the secret key is its owner.\n"
                                    "public {}\nsecret {}\n",
                                    pair.public_key, pair.secret_key),
                        true, 0600);
}

KeyPair read_key_file(const std::string& file) {
  const std::string text = read_file(file);
  const KeyPair pair{value_of(text, "public"), value_of(text, "secret")};
  if (!is_key(pair.secret_key))
    throw user_error(
        "{}: no line `secret KEY`; make a key file with `fedloom keygen FILE` or `fedloom-client --new-key "
        "FILE`",
        file);
  if (public_key_of(pair.secret_key) != pair.public_key)
    throw user_error(
        "{}: the public key is not that of the secret key; make a new pair with `fedloom keygen FILE` or "
        "`fedloom-client --new-key FILE`",
        file);
  return pair;
}

// What is no endpoint at all is told by whoever opens it. A host is an address of this machine or its name,
// never text that begins like one: 127.0.0.1.example is anybody's.
bool is_local(const std::string& endpoint) {
  constexpr std::string_view kTcp = "tcp://";
  if (!endpoint.starts_with(kTcp)) return true;
  std::string host = endpoint.substr(kTcp.size());
  host = host.substr(0, host.rfind(':'));
  if (host == "localhost") return true;
  if (in_addr address{}; inet_pton(AF_INET, host.c_str(), &address) == 1)
    return ntohl(address.s_addr) >> 24U == 127U;
  if (!host.starts_with('[') || !host.ends_with(']')) return false;
  in6_addr address{};
  return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&address);
}

std::shared_ptr<const Security> client_security(const std::string& server_key, const std::string& endpoint,
                                                const std::string& own, bool insecure) {
  if (own.empty() && server_key.empty()) {
    if (is_local(endpoint) || insecure) return nullptr;
    throw user_error(
        "{} is on another machine, and without keys anybody on the way could listen or answer. Give a key "
        "file "
        "(`key`, --key) and the server's public key (`server_key`), or say `insecure` on a network that you "
        "trust",
        endpoint);
  }
  if (own.empty())
    throw user_error(
        "server_key names the server's key, and this client has none; give its file (`key`, --key)");
  if (!is_key(server_key))
    throw user_error(
        "this client has a key, but server_key is {}; it must be the public key of the server, 64 digits "
        "that "
        "`fedloom keygen` printed there",
        server_key.empty() ? "missing" : fmt::format("'{}'", server_key));
  auto security = std::make_shared<Security>();
  security->own = read_key_file(own);
  security->server_key = server_key;
  return security;
}

}  // namespace fedloom
