// The verbs of the program. Each adds its subcommand to the parser; what it does runs after parsing.
// Parsing is CLI11's; the work is in the folders above.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace fedloom {

/// What the chosen subcommand does; returns the exit code.
using Action = std::function<int()>;

void add_run_command(CLI::App& app, Action& action);
void add_server_command(CLI::App& app, Action& action);
void add_client_command(CLI::App& app, Action& action);
void add_worker_command(CLI::App& app, Action& action);
void add_check_command(CLI::App& app, Action& action);
void add_eval_command(CLI::App& app, Action& action);
void add_list_command(CLI::App& app, Action& action);
void add_data_command(CLI::App& app, Action& action);
void add_report_command(CLI::App& app, Action& action);
void add_sweep_command(CLI::App& app, Action& action);
void add_privacy_command(CLI::App& app, Action& action);
void add_keygen_command(CLI::App& app, Action& action);
void add_reference_command(CLI::App& app, Action& action);

}  // namespace fedloom
