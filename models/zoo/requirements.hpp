// What registered models ask of a data set, said to the person who combined the two.
// They turn a misfit into a sentence before any layer sees it.
#pragma once

#include <string>

#include "core/data_spec.hpp"

namespace fedloom {

/// Float features of at least one value and at least two classes, or a UserError that names the model.
void require_features(const std::string& model, const DataSpec& spec);

/// Additionally images (channels, height, width) of at least `smallest` pixels a side.
void require_images(const std::string& model, const DataSpec& spec, std::int64_t smallest);

/// Labelled token sequences of a vocabulary and at least two classes, or a UserError that names the model.
void require_tokens(const std::string& model, const DataSpec& spec);

/// Examples whose task is their label, not tokens hidden in them, or a UserError that names the model.
void require_labels(const std::string& model, const DataSpec& spec);

}  // namespace fedloom
