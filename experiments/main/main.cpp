// The program: parse, do, and turn errors into one clear line. Exit codes: 0 done, 1 the run failed,
// 2 the user has something to mend, 130 interrupted.
#include <cstdio>
#include <string>
#include <vector>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "core/error.hpp"
#include "core/version.hpp"
#include "experiments/cli/commands.hpp"
#include "models/openblas_kernels.hpp"

namespace {

// The parser would only say that a verb is missing.
std::string unknown_verb(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return "";
  const std::string word = argv[1];
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands(nullptr)) {
    if (verb->get_name() == word) return "";
    if (!verb->get_group().empty()) verbs.push_back(verb->get_name());
  }
  const std::string guess = fedloom::nearest(word, verbs);
  return fmt::format("there is no verb '{}'{}; there are: {}", word,
                     guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess),
                     fmt::join(verbs, ", "));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace fedloom;
  take_better_openblas_kernels(argv);
  spdlog::set_default_logger(spdlog::stderr_logger_st("fedloom"));
  spdlog::set_pattern("%^%l%$: %v");

  CLI::App app{"fedloom: federated learning from one YAML file, with the same bits every time"};
  app.set_version_flag("--version", std::string(kVersion));
  app.require_subcommand(1);
  app.footer(
      "Start here:\n  fedloom run experiments/quickstart.yaml\n  fedloom list strategies\n"
      "Every verb explains itself with --help.");
  Action action;
  add_run_command(app, action);
  add_server_command(app, action);
  add_client_command(app, action);
  add_worker_command(app, action);
  add_check_command(app, action);
  add_eval_command(app, action);
  add_list_command(app, action);
  add_data_command(app, action);
  add_report_command(app, action);
  add_sweep_command(app, action);
  add_privacy_command(app, action);
  add_keygen_command(app, action);
  add_reference_command(app, action);
  if (const std::string problem = unknown_verb(app, argc, argv); !problem.empty()) {
    std::fprintf(stderr, "fedloom: %s\n", problem.c_str());
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  try {
    return action();
  } catch (const UserError& error) {
    std::fprintf(stderr, "fedloom: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fedloom: %s\n", error.what());
    return 1;
  }
}
