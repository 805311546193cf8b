// One client of a deployed federation: its own data, its own state, one server. What the run is, the server
// says; what is this machine's, the options.
#pragma once

#include <cstdint>
#include <string>

#include "core/executor.hpp"
#include "edge/guest.hpp"
#include "wiring/experiment.hpp"

namespace fedloom {

struct ClientOptions {
  std::string connect;       // where the server listens
  std::uint64_t client = 0;  // index in the federation, and in the partition
  ExperimentConfig
      experiment;  // its data and deploy sections are this client's; privacy is what it insists on
  std::string data_dir;
  std::string own_data;       // folder with this client's own files; "" uses the partition
  std::string state_dir;      // kept client state
  bool forget_state = false;  // go on without state that is lost
  std::string key;            // file of this client's key pair; "": none
  bool insecure = false;      // go to another machine without keys
  std::string name;
  std::string status_file;  // rewritten at every change; "": none
  LimitsConfig limits{.threads = 0, .memory = {}, .nice = 0};
  WhenConfig when;
  bool once = false;  // leave after the first update that was judged
  SystemView system = system_view();
  Tick look_every = 5 * kSecond;  // how often `when` is asked
  bool quiet = false;
};

/// Serves until the run is over. Returns the process's exit code: 0 at its end, 1 when it failed, 130 after a
/// signal. Throws UserError.
int run_client(const ClientOptions& options);

}  // namespace fedloom
