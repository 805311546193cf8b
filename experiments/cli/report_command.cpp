// fedloom report: one page from one or more run folders.
// The page itself is experiments/report/report.hpp.
#include <memory>

#include <fmt/format.h>

#include "experiments/cli/commands.hpp"
#include "experiments/report/report.hpp"

namespace fedloom {

void add_report_command(CLI::App& app, Action& action) {
  struct Arguments {
    std::vector<std::string> folders;
    std::string out;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("report", "write report.html from run folders, overlaid when there are several");
  command->add_option("folders", a->folders, "run folders")->required();
  command->add_option("--out", a->out, "the page to write; default report.html in the first folder");
  command->callback([&action, a] {
    action = [a] {
      const std::string out = a->out.empty() ? a->folders.front() + "/report.html" : a->out;
      write_report(a->folders, out);
      fmt::print("{}\n", out);
      return 0;
    };
  });
}

}  // namespace fedloom
