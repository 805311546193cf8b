// The experiment file: every section and key a user may write. Component settings (strategy, model …) are
// read by the components themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/messages.hpp"
#include "datasets/continual.hpp"
#include "datasets/federation.hpp"
#include "wiring/adapter_config.hpp"
#include "wiring/devices_config.hpp"
#include "wiring/initial_model.hpp"
#include "wiring/privacy_config.hpp"
#include "wiring/schedule_config.hpp"

namespace fedloom {

/// Local training on clients.
struct TrainConfig {
  std::int64_t epochs = 1;
  std::int64_t steps = 0;
  std::int64_t batch_size = 32;
  double lr = 0.01;
  double lr_decay = 1.0;
  ScheduleConfig schedule;
  double clip_norm = 0.0;
  std::int64_t micro_batch = 0;
  std::uint64_t parallel = 0;
  ComponentSpec optimizer{"sgd"};

  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("local_epochs", "epochs");
    v("epochs", epochs, "passes over a client's data per task", at_least(0));
    v.alias("local_steps", "steps");
    v("steps", steps, "this many mini-batch steps instead of whole epochs; 0 uses epochs", at_least(0));
    v("batch_size", batch_size, "examples per step", between(1, 1e6));
    v.alias("learning_rate", "lr");
    v("lr", lr, "learning rate of local steps", above(0));
    v("lr_decay", lr_decay, "factor on lr after every round, whatever the schedule", between(1e-6, 1));
    v("schedule", schedule, "how lr goes over rounds or over the steps of a task");
    v.alias("max_grad_norm", "clip_norm");
    v("clip_norm", clip_norm, "scale a step's gradient down to this L2 norm; 0 leaves it", at_least(0));
    v("micro_batch", micro_batch,
      "work on at most this many examples of a batch at a time and add their gradients up: less memory, the "
      "same step; 0 is the whole batch",
      between(0, 1e6));
    v("parallel", parallel,
      "pieces of a batch that one task trains side by side, on as many of the worker's threads; 0 and 1: "
      "whole. "
      "The sums, so the bits, depend on it",
      between(0, 1024));
    v("optimizer", optimizer,
      "local optimizer: a name from `fedloom list optimizers`, or a map with its settings");
  }
};

/// Slow clients that finish only part of their epochs.
struct StragglerConfig {
  double fraction = 0.0;
  std::string policy = "keep";

  template <class Visitor>
  void visit(Visitor& v) {
    v("fraction", fraction, "share of tasks that do a random number of epochs below the full one",
      between(0, 1));
    v("policy", policy, "keep: use their partial work (FedProx); drop: discard it as late (FedAvg)",
      one_of({"keep", "drop"}));
  }
};

struct EvaluateConfig {
  std::uint64_t every = 1;
  Duration interval;
  std::string on = "test";
  std::uint64_t clients = 0;
  double target_accuracy = 0.0;
  bool stop_at_target = true;

  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("eval_every", "every");
    v("every", every, "evaluate after every this many rounds; 0 only at the end");
    v("interval", interval,
      "evaluate at all multiples of this time of the federation; `every` left out is then 0. 0s: not by time",
      at_least(0));
    v("on", on, "the split that is evaluated; tune on validation, report on test",
      one_of({"test", "validation"}));
    v("clients", clients, "evaluate this many clients on their own held-out data as well");
    v("target_accuracy", target_accuracy, "accuracy (share) to reach; 0 is none", between(0, 1));
    v("stop_at_target", stop_at_target, "end the run when the target is reached");
  }
};

struct CheckpointConfig {
  std::uint64_t every = 10;
  std::uint64_t keep = 2;

  template <class Visitor>
  void visit(Visitor& v) {
    v("every", every, "write a checkpoint after every this many rounds; 0 only at the end and on a signal");
    v("keep", keep, "checkpoints kept in the run folder", between(1, 1000));
  }
};

/// How the machine runs it. Changes nothing in the results.
struct RuntimeConfig {
  std::uint64_t workers = 0;
  std::uint64_t threads = 0;
  std::string transport = "ipc";
  std::string aggregate = "worker";
  ByteSize receive_budget{128'000'000};
  std::string status;

  template <class Visitor>
  void visit(Visitor& v) {
    v("workers", workers, "worker processes; 0 is one per core", between(0, 1024));
    v("threads", threads, "training threads per worker; 0 shares the cores out", between(0, 1024));
    v("transport", transport, "how server and workers talk", one_of({"ipc", "tcp", "inproc"}));
    v("aggregate", aggregate, "worker: workers sum their clients' updates; server: every update is sent",
      one_of({"worker", "server"}));
    v("receive_budget", receive_budget, "memory for large messages on their way in, per process");
    v("status", status,
      "while the run lasts its report so far, which draws itself anew, and metrics for Prometheus are served "
      "here: a port, or an address and a port; left out: nowhere");
  }
};

/// `fedloom server` and `fedloom client`.
struct DeployConfig {
  std::string listen = "tcp://127.0.0.1:8470";
  std::string key;
  std::string clients;
  std::string server_key;
  std::uint64_t wait_for = 0;
  Duration lost_after{60'000'000'000};
  Duration heartbeat{2'000'000'000};
  Duration heartbeat_timeout{30'000'000'000};

  template <class Visitor>
  void visit(Visitor& v) {
    v("listen", listen, "where the server listens: tcp://HOST:PORT or ipc:///PATH");
    v("key", key,
      "the server's key file (fedloom keygen), relative to the experiment file: connections are encrypted "
      "and both "
      "sides known; without it only this machine may connect, or with --insecure everybody");
    v("clients", clients,
      "file that lists the clients who may connect, a line KEY CLIENT [NAME] each; read again "
      "when it changes");
    v("server_key", server_key, "the server's public key, which clients insist on");
    v("wait_for", wait_for, "clients that must have joined before round 1; 0 is all");
    v("lost_after", lost_after, "a client that is gone this long loses its task", above(0));
    v("heartbeat", heartbeat, "how often peers say that they are alive", above(0));
    v("heartbeat_timeout", heartbeat_timeout, "silence after which a peer counts as gone", above(0));
  }
};

struct ExperimentConfig {
  std::string name;
  std::uint64_t seed = 1;
  std::uint64_t rounds = 10;
  Duration duration;
  std::string clock = "virtual";
  DataConfig data;
  std::optional<ContinualConfig> continual;
  ComponentSpec model{"softmax"};
  AdapterConfig adapter;
  std::optional<InitConfig> init;  // of the model, taken out of its settings
  ComponentSpec strategy{"fedavg"};
  TrainConfig train;
  PrivacyConfig privacy;
  ComponentSpec pacer{"sync"};
  ComponentSpec sampler{"uniform"};
  StragglerConfig stragglers;
  std::optional<DevicesConfig> devices;
  EvaluateConfig evaluate;
  CheckpointConfig checkpoint;
  RuntimeConfig runtime;
  DeployConfig deploy;
  std::vector<std::string> plugins;

  template <class Visitor>
  void visit(Visitor& v) {
    v("name", name, "name of the experiment and of its folder below runs/; left out: the file's");
    v("seed", seed, "all randomness follows from it");
    v.alias("comm_round", "rounds");
    v.alias("num_rounds", "rounds");
    v("rounds", rounds, "number of rounds (server updates, or windows that brought none); 0: no limit",
      between(0, 1e9));
    v("duration", duration,
      "the run ends after this time of the federation; `rounds` left out is then 0. 0s: no limit",
      at_least(0));
    v("clock", clock,
      "of `fedloom run`. virtual: time is simulated, and the same run is the same to the bit; real: tasks "
      "take as "
      "long as they take, or as `devices` say, and the server waits",
      one_of({"virtual", "real"}));
    v("data", data, "the data and how it is spread over clients");
    v("continual", continual, "make a sequence of stages of the data; left out: all of it at once");
    v("model", model, "a name from `fedloom list models`, or a map with its settings");
    v("adapter", adapter, "train an adapter or a part of the model instead of all of it");
    v("strategy", strategy, "a name from `fedloom list strategies`, or a map with its settings");
    v("train", train, "local training on clients");
    v("privacy", privacy, "differential privacy; left out: none");
    v("pacer", pacer,
      "when rounds start and close: a name from `fedloom list pacers`, or a map with its settings");
    v("sampler", sampler, "who takes part: a name from `fedloom list samplers`");
    v("stragglers", stragglers, "clients that finish only part of their work");
    v("devices", devices,
      "how fast clients are and when they are there; left out: every task lasts one tick");
    v("evaluate", evaluate, "when and on what the model is evaluated");
    v("checkpoint", checkpoint, "when the state of the run is saved");
    v("runtime", runtime, "processes and transport; changes no result");
    v("deploy", deploy, "for `fedloom server` and `fedloom client`");
    v("plugins", plugins, "shared objects with more strategies, relative to the experiment file");
  }
};

struct Experiment {
  ExperimentConfig config;
  std::vector<std::string> notes;  // aliases that were read as other keys
  std::string folder;              // of the file; plug-ins are relative to it
};

/// What a parsed file says, with what follows from one key for another. Names of components are not looked
/// up: a client need not know every pacer. Throws UserError.
Experiment read_experiment(const ConfigNode& root);
/// The same from text, as a worker or client gets it from its server. `source` names it in errors.
Experiment parse_experiment(const std::string& text, const std::string& source,
                            const std::vector<std::string>& overrides = {});

/// What `plugins` names, once. Throws UserError.
void load_plugins(const ExperimentConfig& config);

}  // namespace fedloom
