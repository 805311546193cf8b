// fedloom run, server, client and the hidden worker.
// The verbs that start processes; what they do is experiments/run.hpp and edge/client.hpp.
#include <filesystem>
#include <memory>

#include "datasets/data_source.hpp"
#include "edge/client.hpp"
#include "experiments/cli/commands.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/run.hpp"
#include "experiments/signals.hpp"

namespace fedloom {

namespace {

struct RunArguments {
  std::string file;
  std::vector<std::string> overrides;
  // Laid over the file as they are written, so that the file's checks are theirs.
  std::string transport;
  std::string workers;
  std::string seed;
  RunOptions options;
};

void add_common(CLI::App& command, RunArguments& a) {
  command.add_option("file", a.file, "experiment file (YAML)")->required();
  command.add_option("--set", a.overrides, "change a key: --set train.lr=0.05 (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--out", a.options.out, "run folder; default runs/NAME")->type_name("DIR");
  command
      .add_option("--data-dir", a.options.data_dir, "folder of data sets; default FEDLOOM_DATA, else ./data")
      ->type_name("DIR");
  command
      .add_option_function<std::string>(
          "--status", [&a](const std::string& where) { a.overrides.push_back("runtime.status=" + where); },
          "serve the report so far and metrics while the run lasts, at a port or ADDRESS:PORT")
      ->type_name("[ADDRESS:]PORT");
  command.add_flag("--resume", a.options.resume, "go on from the newest checkpoint in the run folder");
  command.add_flag("--quiet", a.options.quiet, "print nothing but errors");
  command.add_flag("!--no-report", a.options.report, "do not write report.html");
}

// Interrupted runs exit as the shell expects of a program stopped by Ctrl-C.
constexpr int kInterruptedCode = 130;

int run(RunArguments& a) {
  if (a.options.data_dir.empty()) a.options.data_dir = default_data_dir();
  const Experiment experiment = load_experiment(a.file, a.overrides);
  if (!a.options.quiet)
    for (const std::string& note : experiment.notes) fmt::print(stderr, "{}\n", note);
  listen_for_interrupts();
  return run_experiment(experiment, a.options).complete ? 0 : kInterruptedCode;
}

}  // namespace

void add_run_command(CLI::App& app, Action& action) {
  auto a = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand("run", "simulate a federation on this machine");
  add_common(*command, *a);
  CLI::Option* workers =
      command->add_option("--workers", a->workers, "worker processes; default one per core")->type_name("N");
  CLI::Option* transport =
      command->add_option("--transport", a->transport, "ipc (default), tcp, or inproc: threads only");
  CLI::Option* seed =
      command->add_option("--seed", a->seed, "seed; the same as --set seed=N")->type_name("N");
  command->footer(
      "Example:\n  fedloom run experiments/quickstart.yaml --set rounds=3 --out runs/try\n\n"
      "Ctrl-C finishes the round, writes a checkpoint and exits with code 130; --resume goes on.\n"
      "The results do not depend on --workers or --transport, to the last bit.");
  command->callback([&action, a, workers, transport, seed] {
    if (workers->count() > 0) a->overrides.push_back("runtime.workers=" + a->workers);
    if (transport->count() > 0) a->overrides.push_back("runtime.transport=" + a->transport);
    if (seed->count() > 0) a->overrides.push_back("seed=" + a->seed);
    action = [a] { return run(*a); };
  });
}

void add_server_command(CLI::App& app, Action& action) {
  auto a = std::make_shared<RunArguments>();
  auto listen = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("server", "serve a federation of deployed clients");
  add_common(*command, *a);
  command->add_option("--listen", *listen, "tcp://HOST:PORT or ipc:///PATH; default deploy.listen");
  auto key = std::make_shared<std::string>();
  auto clients = std::make_shared<std::string>();
  command->add_option("--key", *key, "key file of the server (fedloom keygen); default deploy.key");
  command->add_option("--clients", *clients, "file with the keys of the clients; default deploy.clients");
  command->add_flag("--insecure", a->options.insecure, "serve other machines without keys");
  command->footer(
      "Example, on one machine:\n  fedloom server exp.yaml --listen tcp://127.0.0.1:8470\n"
      "  fedloom client exp.yaml --connect tcp://127.0.0.1:8470 --client 0   (and 1, 2, …)");
  command->callback([&action, a, listen, key, clients] {
    const auto absolute = [](const std::string& file) { return std::filesystem::absolute(file).string(); };
    if (!listen->empty()) a->overrides.push_back("deploy.listen=" + *listen);
    if (!key->empty()) a->overrides.push_back("deploy.key=" + absolute(*key));
    if (!clients->empty()) a->overrides.push_back("deploy.clients=" + absolute(*clients));
    a->options.deployed = true;
    action = [a] { return run(*a); };
  });
}

void add_client_command(CLI::App& app, Action& action) {
  auto a = std::make_shared<ClientOptions>();
  auto file = std::make_shared<std::string>();
  auto overrides = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("client", "be one client of a deployed federation");
  command->add_option("file", *file, "the server's experiment file (data and timeouts are read)")->required();
  command->add_option("--connect", a->connect, "where the server listens: tcp://HOST:PORT or ipc:///PATH")
      ->required();
  command->add_option("--client", a->client, "this client's index, 0 … clients-1")->required();
  command
      ->add_option("--data", a->own_data,
                   "folder with this client's own files instead of its part of the data")
      ->type_name("DIR");
  command->add_option("--data-dir", a->data_dir, "folder of data sets; default FEDLOOM_DATA, else ./data")
      ->type_name("DIR");
  command->add_option("--state", a->state_dir, "folder for state kept between tasks; default client-N-state");
  command->add_flag("--forget-state", a->forget_state,
                    "go on without what was kept between tasks, where it is missing or damaged");
  command->add_option("--key", a->key,
                      "this client's key file (fedloom keygen); deploy.server_key is the server's");
  command->add_flag("--insecure", a->insecure, "go to another machine without keys");
  command->add_option("--name", a->name, "name shown by the server");
  command->add_option("--set", *overrides, "change a key of the experiment (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--quiet", a->quiet, "print nothing but warnings and errors");
  command->footer("Ctrl-C and SIGTERM say goodbye to the server and exit with code 130.");
  command->callback([&action, a, file, overrides] {
    action = [a, file, overrides] {
      a->experiment = load_experiment(*file, *overrides).config;
      if (a->data_dir.empty()) a->data_dir = default_data_dir();
      if (a->state_dir.empty()) a->state_dir = fmt::format("client-{}-state", a->client);
      return run_client(*a);
    };
  });
}

void add_worker_command(CLI::App& app, Action& action) {
  struct Arguments {
    std::string connect, data, store;
    std::size_t tasks = 1;
    std::size_t crew = 1;
    std::uint64_t budget = 0;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("worker", "used by `fedloom run`")->group("");
  command->add_option("--connect", a->connect)->required();
  command->add_option("--data-dir", a->data)->required();
  command->add_option("--store", a->store)->required();
  command->add_option("--tasks", a->tasks)->required();
  command->add_option("--crew", a->crew)->required();
  command->add_option("--budget", a->budget)->required();
  command->callback([&action, a] {
    action = [a] {
      return run_worker(a->connect, "worker", a->data, a->store, a->tasks, a->crew, a->budget);
    };
  });
}

}  // namespace fedloom
