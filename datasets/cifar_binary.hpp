// The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records of one label byte (CIFAR-100: a
// coarse and a fine one) and 3 x 32 x 32 pixel bytes, channels first, in any number of files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/image_examples.hpp"

namespace fedloom {

/// Files in the order of their examples; `keep` says which images stay in memory. Throws UserError when a
/// file is empty or not a whole number of records, or a label is outside [0, classes). Of `label_bytes` bytes
/// before the pixels, at least 1, the last is the label.
std::shared_ptr<const ImageExamples> load_cifar_binary(const std::vector<std::string>& files,
                                                       std::int64_t classes,
                                                       const Normalisation& normalisation,
                                                       const KeptRows& keep = KeptRows::all(),
                                                       std::size_t label_bytes = 1);

}  // namespace fedloom
