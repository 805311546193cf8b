// Any text as an experiment file, with any text as an override laid over it (after the first zero byte). What
// is accepted must also survive being written out and read again: workers get the experiment that way.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "experiments/experiment_file.hpp"

namespace {

using namespace fedloom;

// Components write their own settings, and names of components that exist; they are not linked here.
void forget_components(ExperimentConfig& config) {
  for (ComponentSpec* spec : {&config.data.source, &config.data.partition, &config.model, &config.strategy,
                              &config.train.optimizer, &config.pacer, &config.sampler})
    *spec = ComponentSpec("default");
}

void check_reads_back(const ExperimentConfig& config) {
  const std::string written = write_config(config);
  std::string again;
  try {
    again = write_config(read_config<ExperimentConfig>(ConfigNode::from_text(written, "written.yaml")));
  } catch (const UserError& error) {
    FEDLOOM_CHECK(false, "{} in\n{}", error.what(), written);
  }
  FEDLOOM_CHECK(again == written, "\n{}\nwas read as\n{}", written, again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = text.find('\0');
  try {
    ConfigNode root = ConfigNode::from_text(text.substr(0, cut), "fuzz.yaml");
    if (!root.is_map()) return 0;  // load_experiment() refuses it before anything else
    if (cut != std::string::npos) root = root.with_override(text.substr(cut + 1));
    auto config = read_config<ExperimentConfig>(root);
    forget_components(config);
    check_reads_back(config);
  } catch (const UserError&) {
  }
  return 0;
}
