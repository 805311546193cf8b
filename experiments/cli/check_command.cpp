// fedloom check: everything that can be known before the first round.
// It builds all components, and of a run it plays the server's part of the first rounds, for their bytes.
#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "core/human_units.hpp"
#include "datasets/data_source.hpp"
#include "experiments/cli/commands.hpp"
#include "experiments/components.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/make_devices.hpp"
#include "experiments/rehearsal.hpp"
#include "transport/codec.hpp"
#include "wiring/initial_model.hpp"

namespace fedloom {

namespace {

// One round is like no other where clients have the model already, and two methods work in turns of two.
constexpr std::uint64_t kRehearsed = 3;

/// What a task of a round moves on average.
struct TaskBytes {
  double down = 0.0;
  double up = 0.0;
};

TaskBytes mean_of(std::span<const RehearsedRound> rounds) {
  std::uint64_t tasks = 0;
  TaskBytes mean;
  for (const RehearsedRound& round : rounds) {
    tasks += round.tasks;
    mean.down += static_cast<double>(round.bytes_down);
    mean.up += static_cast<double>(round.bytes_up);
  }
  const double by = static_cast<double>(std::max<std::uint64_t>(tasks, 1));
  return {mean.down / by, mean.up / by};
}

/// Clients that have had a task after this many rounds, each of them with so many drawn from all.
double clients_met(std::uint64_t clients, std::uint64_t cohort, std::uint64_t rounds) {
  const double all = static_cast<double>(clients);
  const double missed = std::max(0.0, 1.0 - static_cast<double>(cohort) / all);
  return all * (1.0 - std::pow(missed, static_cast<double>(rounds)));
}

/// Bytes per task, of the first round and of later ones where they differ, and of the whole run where rounds
/// say how long that is.
void print_bytes(const ExperimentConfig& config, const Components& parts,
                 std::span<const RehearsedRound> rounds) {
  if (rounds.empty()) return;
  const auto text = [](const TaskBytes& bytes) {
    return fmt::format("{} down, {} up", bytes_text(bytes.down), bytes_text(bytes.up));
  };
  const TaskBytes first = mean_of(rounds.first(1));
  const TaskBytes later = mean_of(rounds.size() > 1 ? rounds.subspan(1) : rounds);
  const double initial =
      config.init ? static_cast<double>(deployed_shared_size("initial", parts.model->layout()->size())) : 0.0;
  if (text(first) == text(later))
    fmt::print("#   per client         {} per round\n", text(first));
  else
    fmt::print("#   per client         {} in round 1, {} in later ones\n", text(first), text(later));
  if (config.init)
    fmt::print("#                      and {} down once, the initial model\n", bytes_text(initial));
  if (config.continual && !config.continual->joint)
    fmt::print(
        "#                      in a round of the first stage; what a stage's end adds is not in this\n");
  if (config.rounds == 0 || parts.pacer->overlaps()) return;
  const std::uint64_t clients = parts.data->clients();
  const std::uint64_t cohort = parts.pacer->largest_cohort(clients);
  const auto tasks = [&](std::uint64_t round_count) { return static_cast<double>(round_count * cohort); };
  const TaskBytes run{tasks(1) * first.down + tasks(config.rounds - 1) * later.down +
                          initial * clients_met(clients, cohort, config.rounds),
                      tasks(1) * first.up + tasks(config.rounds - 1) * later.up};
  fmt::print("#   whole run          {}\n", text(run));
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
    const Work work{
        {client, 1}, passed, static_cast<std::uint64_t>(bytes.down), static_cast<std::uint64_t>(bytes.up)};
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

void print_estimates(const ExperimentConfig& config, const Components& parts, std::span<const float> initial,
                     std::size_t server_data) {
  const Layout& layout = *parts.model->layout();
  const std::size_t exchanged = parts.strategy->exchanged(layout).size();
  const std::uint64_t clients = parts.data->clients();
  const std::uint64_t cohort = parts.pacer->largest_cohort(clients);
  const double model_bytes = 4.0 * static_cast<double>(layout.size());
  fmt::print("\n# estimates\n");
  fmt::print("#   model              {} parameters, {} exchanged, {:.1f} MFLOP forward per example\n",
             layout.size(), exchanged, parts.model->forward_flops() / 1e6);
  fmt::print("#   federation         {} clients, at most {} at a time\n", clients, cohort);
  const std::vector<RehearsedRound> rounds = rehearse(config, parts, initial, kRehearsed);
  print_bytes(config, parts, rounds);
  print_devices(config, parts, mean_of(rounds));
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
      print_estimates(config, parts, initial.values, server_data);
      for (const std::string& note : initial.notes) fmt::print("# {}\n", note);
      return 0;
    };
  });
}

}  // namespace fedloom
