// fedloom sweep: many runs of one experiment, with one table and one report.
// What a sweep does is experiments/sweep/sweep.hpp.
#include <memory>

#include "datasets/data_source.hpp"
#include "experiments/cli/commands.hpp"
#include "experiments/sweep/sweep.hpp"

namespace fedloom {

void add_sweep_command(CLI::App& app, Action& action) {
  auto a = std::make_shared<SweepOptions>();
  CLI::App* command = app.add_subcommand("sweep", "run an experiment over settings and seeds, and compare");
  command->add_option("file", a->file, "sweep file (YAML); see docs/sweeps.md")->required();
  command->add_option("--out", a->out, "folder of the sweep; default runs/NAME")->type_name("DIR");
  command->add_option("--parallel", a->parallel, "runs at a time; default what the file says")
      ->type_name("N")
      ->check(CLI::Range(1, 256));
  command->add_option("--only", a->only, "run this variant alone (repeatable); the table has all")
      ->type_name("VARIANT")
      ->allow_extra_args(false);
  command->add_option("--set", a->overrides, "change a key of all runs: --set rounds=5 (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--data-dir", a->data_dir, "folder of data sets; default FEDLOOM_DATA, else ./data")
      ->type_name("DIR");
  command->add_flag("--dry-run", a->dry_run, "print what is left to run, and run nothing");
  command->footer(
      "Example:\n  fedloom sweep experiments/smoke/sweep_synthetic.yaml\n\n"
      "Ctrl-C lets the runs write their checkpoints; the same command goes on. Finished runs are kept.");
  command->callback([&action, a] {
    action = [a] {
      if (a->data_dir.empty()) a->data_dir = default_data_dir();
      return run_sweep(*a);
    };
  });
}

}  // namespace fedloom
