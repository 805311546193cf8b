// Pictures as people keep them: a folder for each class with PNG files in it. Settings and the split into
// training and test are sources/images.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/image_examples.hpp"

namespace fedloom {

/// Names of the folders in `folder`, sorted; hidden ones are left out. Throws UserError when there is none.
std::vector<std::string> class_folders(const std::string& folder);

/// The pictures of `folder`/NAME for each of `classes`, in this order and by file name; class k is
/// classes[k]. `shape`: (channels, height, width), to which every picture is brought; channels is 1 or 3. A
/// class without a folder has no pictures. Throws UserError when there are no pictures at all, a folder is no
/// class, or a picture is not PNG.
std::shared_ptr<const ImageExamples> load_picture_folder(const std::string& folder,
                                                         const std::vector<std::string>& classes,
                                                         const std::vector<std::size_t>& shape,
                                                         const Normalisation& normalisation,
                                                         const KeptRows& keep = KeptRows::all());

}  // namespace fedloom
