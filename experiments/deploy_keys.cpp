// Watching the list of clients; when a server may do without.
#include "experiments/deploy_keys.hpp"

#include <charconv>
#include <sstream>

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "core/error.hpp"
#include "core/file.hpp"
#include "edge/key_files.hpp"
#include "wiring/experiment.hpp"

namespace fedloom {

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

}  // namespace fedloom
