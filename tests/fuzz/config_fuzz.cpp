// Any text as an experiment file, with any text as an override laid over it (after the first zero byte). What
// is accepted must also survive being written out and read again: workers get the experiment that way.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "experiments/experiment.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fedloom;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = text.find('\0');
  try {
    ConfigNode root = ConfigNode::from_text(text.substr(0, cut), "fuzz.yaml");
    if (cut != std::string::npos) root = root.with_override(text.substr(cut + 1));
    const std::string written = write_config(read_config<ExperimentConfig>(root));
    std::string again;
    try {
      again = write_config(read_config<ExperimentConfig>(ConfigNode::from_text(written, "written.yaml")));
    } catch (const UserError& error) {
      FEDLOOM_CHECK(false, "{} in\n{}", error.what(), written);
    }
    FEDLOOM_CHECK(again == written, "\n{}\nwas read as\n{}", written, again);
  } catch (const UserError&) {
  }
  return 0;
}
