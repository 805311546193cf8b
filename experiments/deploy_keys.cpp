// Reading, writing and watching key files; when a federation may do without.
#include "experiments/deploy_keys.hpp"

#include <charconv>
#include <filesystem>
#include <sstream>

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "core/error.hpp"
#include "core/file.hpp"
#include "experiments/experiment.hpp"

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
    throw user_error("{}: no line `secret KEY`; make a key file with `fedloom keygen FILE`", file);
  if (public_key_of(pair.secret_key) != pair.public_key)
    throw user_error(
        "{}: the public key is not that of the secret key; make a new pair with `fedloom keygen FILE`", file);
  return pair;
}

ClientKeys::ClientKeys(std::string file)
    : file_(std::move(file)), read_(stamp()), entries_(parse(read_file(file_), file_)) {}

std::optional<std::string> ClientKeys::name_of(const std::string& key) {
  refresh();
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  return entry.name.empty() ? fmt::format("client {}", entry.client)
                            : fmt::format("client {} ({})", entry.client, entry.name);
}

bool ClientKeys::may_be(const std::string& key, ClientId client) {
  refresh();
  const auto found = entries_.find(key);
  return found != entries_.end() && found->second.client == client;
}

std::optional<ClientKeys::Stamp> ClientKeys::stamp() const {
  struct stat status {};
  if (::stat(file_.c_str(), &status) != 0) return std::nullopt;
  return Stamp{std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec, status.st_ino};
}

void ClientKeys::refresh() {
  const std::optional<Stamp> now = stamp();
  if (now == read_) return;
  read_ = now;
  try {
    entries_ = parse(read_file(file_), file_);
    spdlog::info("{}: read again; {} clients may connect", file_, entries_.size());
  } catch (const UserError& error) {
    spdlog::warn("{}; the list stays as it was", error.what());
  }
}

std::map<std::string, ClientKeys::Entry> ClientKeys::parse(const std::string& text, const std::string& file) {
  std::map<std::string, Entry> entries;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line == "#" || line.starts_with("# ")) continue;
    std::istringstream words(line);
    std::string key;
    std::string index;
    Entry entry;
    words >> key >> index >> std::ws;
    std::getline(words, entry.name);
    const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), entry.client);
    if (!is_key(key))
      throw user_error(
          "{}:{}: '{}' is no key; a line is KEY CLIENT [NAME], with the public key that `fedloom keygen` "
          "printed",
          file, number, key);
    if (index.empty() || error != std::errc() || end != index.data() + index.size())
      throw user_error("{}:{}: '{}' is no client's index; a line is KEY CLIENT [NAME]", file, number, index);
    if (!entries.emplace(key, entry).second)
      throw user_error("{}:{}: this key stands in the list twice", file, number);
  }
  return entries;
}

// What is no endpoint at all is told by whoever opens it.
bool is_local(const std::string& endpoint) {
  return !endpoint.starts_with("tcp://") || endpoint.starts_with("tcp://127.") ||
         endpoint.starts_with("tcp://localhost:") || endpoint.starts_with("tcp://[::1]:");
}

ServerKeys server_keys(const DeployConfig& deploy, bool insecure) {
  if (deploy.key.empty()) {
    if (!deploy.clients.empty())
      throw user_error(
          "deploy.clients lists keys, and the server has none; set deploy.key, see `fedloom keygen`");
    if (is_local(deploy.listen) || insecure) return {};
    throw user_error(
        "{} can be reached from other machines, and without keys anybody could take part or listen. Give the "
        "server a "
        "key (fedloom keygen server.key; deploy.key) and a list of clients (deploy.clients), or say "
        "--insecure on a "
        "network that you trust",
        deploy.listen);
  }
  if (deploy.clients.empty())
    throw user_error(
        "deploy.key: {}, but no list says whose keys may connect; set deploy.clients to a file with a line "
        "KEY CLIENT "
        "[NAME] for each",
        deploy.key);
  const auto clients = std::make_shared<ClientKeys>(deploy.clients);
  auto security = std::make_shared<Security>();
  security->own = read_key_file(deploy.key);
  security->admits = [clients](const std::string& key) { return clients->name_of(key); };
  return {security,
          [clients](const std::string& key, ClientId client) { return clients->may_be(key, client); }};
}

std::shared_ptr<const Security> client_security(const DeployConfig& deploy, const std::string& endpoint,
                                                const std::string& own, bool insecure) {
  if (own.empty() && deploy.server_key.empty()) {
    if (is_local(endpoint) || insecure) return nullptr;
    throw user_error(
        "{} is on another machine, and without keys anybody on the way could listen or answer. Give --key "
        "(fedloom "
        "keygen) and deploy.server_key, the server's public key, or say --insecure on a network that you "
        "trust",
        endpoint);
  }
  if (own.empty())
    throw user_error("deploy.server_key names the server's key, and this client has none; give --key FILE");
  if (!is_key(deploy.server_key))
    throw user_error(
        "--key, but deploy.server_key is {}; it must be the public key of the server, 40 characters that "
        "`fedloom "
        "keygen` printed there",
        deploy.server_key.empty() ? "missing" : fmt::format("'{}'", deploy.server_key));
  auto security = std::make_shared<Security>();
  security->own = read_key_file(own);
  security->server_key = deploy.server_key;
  return security;
}

}  // namespace fedloom
