// Whole files: read at once, or written so that a reader sees all of the old or all of the new.
// Files that grow record by record are experiments/sinks/output_file.hpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fedloom {

/// Writes to a temporary name beside `file`, optionally syncs to disk, and renames over it. Throws
/// UserError (with the system's reason, such as a full disk) and leaves any old file as it was. `mode`: who
/// may read it, as for open(2).
void write_file_atomically(const std::string& file, std::string_view bytes, bool sync, unsigned mode = 0644);
/// Sees to it that the names in a folder survive the loss of power; where the system cannot, nothing happens.
void sync_folder(const std::string& folder);
/// The whole file; throws UserError when it cannot be read.
std::string read_file(const std::string& file);
/// The names in a folder, ascending, without "." and ".."; throws UserError when it cannot be read.
std::vector<std::string> names_in(const std::string& folder);

}  // namespace fedloom
