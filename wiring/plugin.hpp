// Strategies and other components from shared objects. A plug-in is the same source file as in the tree;
// loading it runs its registrations.
#pragma once

#include <string>

namespace fedloom {

/// Loads `file` once. Before any of its code runs, the version it was built against is compared with the
/// program's. Throws UserError: missing file, no plug-in, or another version (both are printed).
void load_plugin(const std::string& file);

}  // namespace fedloom
