// Which kernels OpenBLAS runs on this processor. It knows processors by their number, and gives those that
// are newer than it what a processor of 2004 can do, which makes eigenvectors several times as slow.
#pragma once

#include <optional>
#include <string>

namespace fedloom {

/// What OPENBLAS_CORETYPE should be where OpenBLAS took its oldest kernels ("Prescott") for a processor that
/// can do more. Nothing when its choice is sound, or the program was built without it.
std::optional<std::string> better_openblas_kernels();

/// Has the program begin anew with that setting, which OpenBLAS reads only when it is loaded. Whoever has set
/// OPENBLAS_CORETYPE is obeyed. Returns where there is nothing to do, or it cannot be done.
void take_better_openblas_kernels(char** argv);

}  // namespace fedloom
