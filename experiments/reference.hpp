// The configuration reference, written from the same lists of fields that read the files.
// No text is kept by hand, so it cannot fall behind.
#pragma once

#include <string>

namespace fedloom {

/// docs/configuration.md: every key of an experiment file and every setting of every registered component.
std::string configuration_markdown();
/// A JSON Schema of experiment files, for editors that complete and check YAML.
std::string configuration_schema();

}  // namespace fedloom
