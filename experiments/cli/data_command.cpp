// fedloom data list, get and show.
// Fetching and verifying are datasets/fetch.hpp; here are arguments and the progress line.
#include <memory>

#include <unistd.h>

#include "core/human_units.hpp"
#include "datasets/catalogue.hpp"
#include "datasets/data_source.hpp"
#include "datasets/fetch.hpp"
#include "datasets/partition_summary.hpp"
#include "experiments/cli/commands.hpp"
#include "experiments/components.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/sinks/progress.hpp"

namespace fedloom {

namespace {

std::string folder_or_default(const std::string& folder) {
  return folder.empty() ? default_data_dir() : folder;
}

int list(const std::string& data_dir) {
  fmt::print("data folder: {}\n", data_dir);
  for (const CatalogueEntry& entry : catalogue()) {
    fmt::print("  {:<16} {}\n", entry.name, entry.summary);
    std::string state = "about " + bytes_text(static_cast<double>(entry.download_bytes)) + " to get";
    if (entry.routes.empty()) state = "to be put into " + entry.folder(data_dir);
    if (is_stored(entry, data_dir)) state = "here";
    fmt::print("  {:<16} {}; licence: {}\n", "", state, entry.licence);
  }
  return 0;
}

// One line, redrawn on a terminal; nothing elsewhere.
void draw_progress(const FetchProgress& progress) {
  const double share =
      progress.total > 0
          ? std::min(1.0, static_cast<double>(progress.bytes) / static_cast<double>(progress.total))
          : 0.0;
  constexpr int kCells = 24;
  const int full = static_cast<int>(share * kCells);
  fmt::print(stderr, "\r  [{:#<{}}{:.<{}}] {} of about {} \x1b[K", "", full, "", kCells - full,
             bytes_text(static_cast<double>(progress.bytes)),
             bytes_text(static_cast<double>(progress.total)));
  if (progress.bytes >= progress.total) fmt::print(stderr, "\r\x1b[K");
}

int get(const std::vector<std::string>& names, const std::string& data_dir, const std::string& from) {
  FetchOptions options;
  options.data_dir = data_dir;
  options.from = from;
  options.note = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  if (isatty(2) != 0) options.progress = draw_progress;
  for (const std::string& name : names) fetch(catalogue_entry(name), options);
  return 0;
}

int show(const std::string& file, const std::vector<std::string>& overrides, const std::string& data_dir,
         std::size_t clients) {
  const Experiment experiment = load_experiment(file, overrides);
  const auto data = load_data(experiment.config, data_dir, DataHolder::nobody());
  if (data->stages() == 0) fmt::print("{}", draw(summarize(*data, clients)));
  for (std::size_t stage = 1; stage <= data->stages(); ++stage)
    fmt::print("stage {}\n{}\n", stage, draw(summarize(data->stage(stage), clients)));
  return 0;
}

}  // namespace

void add_data_command(CLI::App& app, Action& action) {
  struct Arguments {
    std::string data, from, file;
    std::vector<std::string> names, overrides;
    std::size_t clients = 30;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("data", "list, get and look at data sets");
  command->require_subcommand(1);
  const auto add_data_option = [a](CLI::App* sub) {
    sub->add_option("--data-dir", a->data, "folder of data sets; default FEDLOOM_DATA, else ./data")
        ->type_name("DIR");
  };

  CLI::App* list_command =
      command->add_subcommand("list", "data sets that fedloom can get, and which are here");
  add_data_option(list_command);
  list_command->callback([&action, a] { action = [a] { return list(folder_or_default(a->data)); }; });

  CLI::App* get_command =
      command->add_subcommand("get", "get data sets into the data folder and verify them");
  get_command->add_option("names", a->names, "names from `fedloom data list`")->required();
  get_command->add_option("--from", a->from, "look in this folder before any network")->type_name("DIR");
  add_data_option(get_command);
  get_command->callback(
      [&action, a] { action = [a] { return get(a->names, folder_or_default(a->data), a->from); }; });

  CLI::App* show_command =
      command->add_subcommand("show", "print and draw how an experiment's partition fell");
  show_command->add_option("file", a->file, "experiment file (YAML)")->required();
  show_command->add_option("--set", a->overrides, "change a key (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  show_command->add_option("--clients", a->clients, "clients to draw");
  add_data_option(show_command);
  show_command->callback([&action, a] {
    action = [a] { return show(a->file, a->overrides, folder_or_default(a->data), a->clients); };
  });
}

}  // namespace fedloom
