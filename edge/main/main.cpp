// fedloom-client: one client of a federation, and nothing else. Exit codes are those of fedloom: 0 done, 1
// the run failed, 2 the user has something to mend, 130 stopped by a signal.
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "core/error.hpp"
#include "core/version.hpp"
#include "edge/client.hpp"
#include "edge/device_file.hpp"
#include "edge/key_files.hpp"
#include "edge/main/memory_limit.hpp"

int main(int argc, char** argv) {
  using namespace fedloom;
  CLI::App app{"fedloom-client: one device of a federation"};
  app.set_version_flag("--version", std::string(kVersion));
  std::string file;
  std::string new_key;
  std::vector<std::string> overrides;
  bool quiet = false;
  bool once = false;
  app.add_option("file", file,
                 "this device's file (YAML): connect, client, data, folder, key, limits, when …");
  app.add_option("--set", overrides, "change a key: --set limits.threads=1 (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--once", once, "leave after the first update that the server has judged");
  bool forget_state = false;
  app.add_flag("--forget-state", forget_state,
               "go on without what this client kept between tasks, where it is missing or damaged");
  app.add_flag("--quiet", quiet, "print nothing but warnings and errors");
  app.add_option("--new-key", new_key, "make a key file, print its public key for the server's list, and end")
      ->type_name("FILE");
  app.footer("Ctrl-C and SIGTERM say goodbye to the server and exit with code 130.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  try {
    if (!new_key.empty()) {
      const KeyPair pair = make_key_pair();
      write_key_file(new_key, pair);
      std::printf("%s\n", pair.public_key.c_str());
      return 0;
    }
    if (file.empty())
      throw user_error("which device? give its file, such as /etc/fedloom/client.yaml; see --help");
    ClientOptions options = load_device_file(file, overrides);
    options.once = options.once || once;
    options.quiet = quiet;
    options.forget_state = forget_state;
    limit_memory(options.limits.memory.bytes);
    return run_client(options);
  } catch (const std::bad_alloc& error) {
    std::fprintf(stderr, "fedloom-client: %s\n", error.what());
    return 2;
  } catch (const UserError& error) {
    std::fprintf(stderr, "fedloom-client: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fedloom-client: %s\n", error.what());
    return 1;
  }
}
