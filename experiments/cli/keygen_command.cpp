// fedloom keygen: a key pair for a server or a client.
// How keys are used is docs/deployment.md.
#include <memory>
#include <string>

#include <fmt/format.h>

#include "edge/key_files.hpp"
#include "experiments/cli/commands.hpp"

namespace fedloom {

void add_keygen_command(CLI::App& app, Action& action) {
  auto file = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("keygen", "make the key pair of a server or a client");
  command->add_option("file", *file, "where the pair is written, readable by you alone")->required();
  command->footer(
      "Prints the public key. A server's goes into deploy.server_key of what its clients run; a client's "
      "into the\n"
      "server's list (deploy.clients), as a line `KEY CLIENT [NAME]`.\n\n"
      "Example:\n  fedloom keygen server.key\n  fedloom keygen client3.key");
  command->callback([&action, file] {
    action = [file] {
      const KeyPair pair = make_key_pair();
      write_key_file(*file, pair);
      fmt::print("{}\n", pair.public_key);
      return 0;
    };
  });
}

}  // namespace fedloom
