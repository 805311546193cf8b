// The file of one device: which federation it belongs to, what it brings, and what it may take. The same for
// every run of the federation; what a run is, its server says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "edge/client.hpp"

namespace fedloom {

struct DeviceConfig {
  std::string connect;
  std::uint64_t client = 0;
  std::string name;
  std::string key;
  std::string server_key;
  bool insecure = false;
  std::string experiment;
  std::optional<DataConfig> data;
  std::string folder;
  std::string data_dir;
  std::string state = "state";
  std::string status_file;
  std::optional<PrivacyConfig> privacy;
  LimitsConfig limits;
  WhenConfig when;
  bool once = false;
  std::optional<Duration> heartbeat;
  std::optional<Duration> heartbeat_timeout;

  template <class Visitor>
  void visit(Visitor& v) {
    v("connect", connect, "where the server listens: tcp://HOST:PORT or ipc:///PATH");
    v("client", client, "this client's index in the federation, 0 … clients-1");
    v("name", name, "what the server calls it; left out: client N");
    v("key", key, "this client's key file (fedloom-client --new-key FILE), relative to this file");
    v("server_key", server_key, "the server's public key, which the client insists on");
    v("insecure", insecure, "go to another machine without keys");
    v("experiment", experiment,
      "an experiment file, relative to this file, whose data, seed, privacy and timeouts are meant where "
      "this "
      "file says nothing");
    v("data", data,
      "the form of this client's data, as in an experiment file; laid over the experiment's key by key");
    v("folder", folder, "this client's own files in that form; left out: its part of the data set");
    v("data_dir", data_dir,
      "folder of data sets, relative to the working folder; left out: FEDLOOM_DATA, else ./data");
    v("state", state, "folder for what is kept between tasks, relative to this file");
    v("status_file", status_file, "file that always says, in JSON, what the client is doing; left out: none");
    v("privacy", privacy, "the privacy that this client insists on, as in an experiment file; left out: any");
    v("limits", limits, "how much of the device training takes");
    v("when", when, "when it takes part; a task at work is ended first");
    v("once", once, "leave after the first update that the server has judged");
    v("heartbeat", heartbeat, "how often both sides say that they are alive", above(0));
    v("heartbeat_timeout", heartbeat_timeout, "silence after which the server counts as gone", above(0));
  }
};

/// Reads the file with overrides (KEY=VALUE) laid over it, and the experiment file where it names one. Throws
/// UserError with file, line and column.
ClientOptions load_device_file(const std::string& file, const std::vector<std::string>& overrides);

}  // namespace fedloom
