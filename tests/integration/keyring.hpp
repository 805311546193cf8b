// The keys of a federation, made by the program as a user makes them: a server's, a client's each, and the
// list that says who may connect.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/program.hpp"

namespace fedloom::testing {

class Keyring {
 public:
  /// All clients are on the list.
  Keyring(const TempFolder& folder, std::size_t clients)
      : folder_(folder), server_key_(keygen("server.key")) {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < clients; ++i) all.push_back(add());
    allow(all);
  }

  /// One more key, which is on no list; returns its number.
  std::size_t add() {
    keys_.push_back(keygen(name(keys_.size())));
    return keys_.size() - 1;
  }
  /// The list is replaced whole, as `mv` does.
  void allow(const std::vector<std::size_t>& clients) const {
    std::string text = "# who may connect\n";
    for (const std::size_t i : clients) text += keys_[i] + " " + std::to_string(i) + " device\n";
    std::filesystem::rename(folder_.write("next", text), folder_ / "clients.keys");
  }
  const std::string& server_key() const { return server_key_; }
  std::string file(std::size_t client) const { return folder_ / name(client); }
  Words server_words() const {
    return {"--key", folder_ / "server.key", "--clients", folder_ / "clients.keys"};
  }
  Words client_words(std::size_t key) const {
    return Words{"--key", file(key)} + set({"deploy.server_key=" + server_key_});
  }

 private:
  /// Prints the public key and nothing else.
  std::string keygen(const std::string& file) const {
    const Ended ended = finish({"keygen", folder_ / file});
    EXPECT_EQ(ended.code, 0) << ended.err;
    return ended.out.substr(0, ended.out.find('\n'));
  }
  static std::string name(std::size_t client) { return "client" + std::to_string(client) + ".key"; }

  const TempFolder& folder_;
  std::string server_key_;
  std::vector<std::string> keys_;
};

}  // namespace fedloom::testing
