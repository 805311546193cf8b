// Ctrl-C and SIGTERM for a program that waits on descriptors. One that works through rounds asks by
// experiments/signals.hpp.
#pragma once

namespace fedloom {

/// A descriptor that becomes readable at the first signal. A second signal ends the program as if nobody
/// listened. Previous handlers are not restored. Throws UserError when the system has no descriptor.
int listen_by_descriptor();

}  // namespace fedloom
