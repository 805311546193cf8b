// How many files and connections a process may have open, and a few more for its own files when strangers
// hold all of them: a server that is flooded still writes its checkpoints and reads its list of keys.
#pragma once

#include <cstdint>

namespace fedloom {

/// For a process that strangers may connect to: allows it as many as the system lets it have, at most 16384
/// (each connection costs some 25 kB), less 256, or half where they are few, which are left to open_file().
/// Returns how many connections that makes.
std::uint32_t claim_open_files();

/// open(2). Where the process may open no more, it is allowed some beyond, up to what the system lets it
/// have. O_CLOEXEC is added. -1 and errno as open(2).
int open_file(const char* path, int flags, unsigned mode = 0644);

}  // namespace fedloom
