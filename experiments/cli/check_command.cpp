// fedloom check: everything that can be known before the first round.
// It builds all components and runs none.
#include <algorithm>
#include <memory>

#include "core/human_units.hpp"
#include "core/messages.hpp"
#include "datasets/data_source.hpp"
#include "experiments/cli/commands.hpp"
#include "experiments/components.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/make_devices.hpp"
#include "transport/codec.hpp"
#include "wiring/initial_model.hpp"

namespace fedloom {

namespace {

struct TaskBytes {
  std::uint64_t down = 0;
  std::uint64_t up = 0;
};

/// What one task of a round's first phase (most strategies have no other) receives and returns.
TaskBytes first_phase_bytes(const ExperimentConfig& config, const Components& parts) {
  ServerState state;
  state.model = ParameterVector(parts.model->layout());
  parts.strategy->start(state, {parts.data->clients(), config.seed});
  const Recipe recipe = base_recipe(config.train);
  TaskBytes bytes;
  const std::optional<Phase> phase = parts.strategy->next_phase(state, {}, recipe);
  if (!phase) return bytes;
  Task task;
  task.shared = phase->shared;
  if (parts.strategy->traits().exchanges) {
    task.shared.insert(task.shared.begin(), "model");
    bytes.down += deployed_shared_size("model", parts.strategy->exchanged(*parts.model->layout()).size());
  }
  for (const std::string& name : phase->shared)
    bytes.down += deployed_shared_size(name, state.slots.at(name).data.size());
  bytes.down += deployed_size(task);
  Update update;
  for (const SlotSpec& slot : phase->slots) update.reports.push_back({slot.name, slot.size, true, 0.0F});
  bytes.up = deployed_size(update);
  return bytes;
}

/// How long the first phase's task takes on the devices of at most 1000 clients, spread over the federation.
void print_devices(const ExperimentConfig& config, const Components& parts, const TaskBytes& bytes) {
  if (!config.devices) return;
  constexpr double kTicks = 1e9;
  constexpr std::size_t kMost = 1000;
  const std::size_t clients = parts.data->clients();
  const auto devices = make_devices(*config.devices, clients, config.seed, kTicks);
  std::vector<double> seconds;
  for (std::size_t i = 0; i < std::min(clients, kMost); ++i) {
    const std::size_t client = clients <= kMost ? i : i * (clients / kMost);
    const std::uint64_t passed = base_recipe(config.train).examples_seen(parts.data->example_count(client));
    const Work work{{client, 1}, passed, bytes.down, bytes.up};
    seconds.push_back(static_cast<double>(devices->typical(work)) / kTicks);
  }
  std::sort(seconds.begin(), seconds.end());
  fmt::print(
      "#   devices            a task takes {:.3g} s on the fastest, {:.3g} s on the median and {:.3g} s on "
      "the "
      "slowest of {} clients{}\n",
      seconds.front(), seconds[seconds.size() / 2], seconds.back(), seconds.size(),
      devices->varies() ? ", before jitter" : "");
}

void print_estimates(const ExperimentConfig& config, const Components& parts, std::size_t server_data) {
  const Layout& layout = *parts.model->layout();
  const std::size_t exchanged = parts.strategy->exchanged(layout).size();
  const std::uint64_t clients = parts.data->clients();
  const std::uint64_t cohort = parts.pacer->largest_cohort(clients);
  const auto [down, up] = first_phase_bytes(config, parts);
  const double model_bytes = 4.0 * static_cast<double>(layout.size());
  fmt::print("\n# estimates\n");
  fmt::print("#   model              {} parameters, {} exchanged, {:.1f} MFLOP forward per example\n",
             layout.size(), exchanged, parts.model->forward_flops() / 1e6);
  fmt::print("#   federation         {} clients, at most {} at a time\n", clients, cohort);
  fmt::print("#   per client         {} down, {} up per round\n", bytes_text(static_cast<double>(down)),
             bytes_text(static_cast<double>(up)));
  if (config.rounds > 0 && !parts.pacer->overlaps())
    fmt::print("#   whole run          {} down, {} up\n",
               bytes_text(static_cast<double>(down * cohort * config.rounds)),
               bytes_text(static_cast<double>(up * cohort * config.rounds)));
  print_devices(config, parts, {down, up});
  // Server: model, the copy that is sent, sums of twice its size; worker: model, start, gradient, momentum
  // and the updates it holds.
  const double server = 4.0 * model_bytes + static_cast<double>(server_data);
  const double worker =
      (4.0 + static_cast<double>(cohort)) * model_bytes + static_cast<double>(parts.data->memory_bytes());
  fmt::print("#   memory             server about {}, all workers' updates at most {}\n", bytes_text(server),
             bytes_text(worker));
}

}  // namespace

void add_check_command(CLI::App& app, Action& action) {
  struct Arguments {
    std::string file, data;
    std::vector<std::string> overrides;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("check", "check an experiment and print it resolved, with estimates");
  command->add_option("file", a->file, "experiment file (YAML)")->required();
  command->add_option("--set", a->overrides, "change a key (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--data-dir", a->data, "folder of data sets; default FEDLOOM_DATA, else ./data")
      ->type_name("DIR");
  command->callback([&action, a] {
    action = [a] {
      const Experiment experiment = load_experiment(a->file, a->overrides);
      for (const std::string& note : experiment.notes) fmt::print(stderr, "{}\n", note);
      const ExperimentConfig& config = experiment.config;
      const std::string data_dir = a->data.empty() ? default_data_dir() : a->data;
      const DataHolder server = server_holder(config, false);
      // Whichever process hosts the clients, then what the server's holds if it is another.
      const Components parts = build_components(config, data_dir, ticks_per_second(config, false),
                                                server.needs_all() ? server : worker_holder(config));
      const std::size_t server_data = server.needs_all()
                                          ? parts.data->memory_bytes()
                                          : load_data(config, data_dir, server)->memory_bytes();
      const InitialModel initial = initial_model(config, parts.data->spec(), *parts.model);
      fmt::print("{}", resolved_yaml(config));
      print_estimates(config, parts, server_data);
      for (const std::string& note : initial.notes) fmt::print("# {}\n", note);
      return 0;
    };
  });
}

}  // namespace fedloom
