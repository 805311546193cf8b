// fedloom reference: the configuration page, or a schema for editors.
// The text itself is experiments/reference.hpp.
#include <memory>

#include <fmt/format.h>

#include "experiments/cli/commands.hpp"
#include "experiments/reference.hpp"

namespace fedloom {

void add_reference_command(CLI::App& app, Action& action) {
  auto schema = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("reference", "print every key of an experiment file as Markdown");
  command->add_flag("--schema", *schema, "print a JSON Schema instead, for editors");
  command->callback([&action, schema] {
    action = [schema] {
      fmt::print("{}", *schema ? configuration_schema() : configuration_markdown());
      return 0;
    };
  });
}

}  // namespace fedloom
