// The binary version of CIFAR-10 (Krizhevsky 2009): records of one label byte and 3 x 32 x 32 pixel bytes,
// channels first, in any number of files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/image_examples.hpp"

namespace fedloom {

/// Files in the order of their examples; `keep` says which images stay in memory. Throws UserError when a
/// file is empty or not a whole number of records, or a label is outside [0, classes).
std::shared_ptr<const ImageExamples> load_cifar_binary(const std::vector<std::string>& files,
                                                       std::int64_t classes,
                                                       const Normalisation& normalisation,
                                                       const KeptRows& keep = KeptRows::all());

}  // namespace fedloom
