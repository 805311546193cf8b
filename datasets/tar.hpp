// Reading of tar archives (POSIX ustar, which every writer we meet emits): regular files only; links, folders
// and extension records are passed over. Nothing is ever unpacked to a path that the archive chooses.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "datasets/byte_source.hpp"

namespace fedloom {

/// Calls `receive` with the content of every regular file whose name `wanted` accepts, in the archive's
/// order. Throws UserError on a damaged or truncated archive and on members above 1 GiB.
void for_each_tar_file(
    ByteSource& archive, const std::function<bool(const std::string& name)>& wanted,
    const std::function<void(const std::string& name, std::vector<std::uint8_t> content)>& receive);

}  // namespace fedloom
