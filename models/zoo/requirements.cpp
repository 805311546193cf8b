// Messages for models and data that do not fit.
#include "models/zoo/requirements.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "models/layers/layer.hpp"

namespace fedloom {

void require_features(const std::string& model, const DataSpec& spec) {
  if (spec.vocabulary > 0)
    throw user_error(
        "model '{}' takes numbers, but the data set has tokens of a vocabulary of {}; choose a text model",
        model, spec.vocabulary);
  if (spec.shape.empty() || *std::min_element(spec.shape.begin(), spec.shape.end()) < 1)
    throw user_error("model '{}' needs at least one feature, but the data set has examples of shape {}",
                     model, to_string(spec.shape));
  if (spec.classes < 2)
    throw user_error("model '{}' needs at least 2 classes, but the data set has {}", model, spec.classes);
}

void require_images(const std::string& model, const DataSpec& spec, std::int64_t smallest) {
  require_features(model, spec);
  if (spec.shape.size() != 3 || spec.shape[1] < smallest || spec.shape[2] < smallest)
    throw user_error(
        "model '{}' needs images (channels, height, width) of at least {} x {}, but the data set has "
        "examples of "
        "shape {}; choose a model for plain features such as mlp",
        model, smallest, smallest, to_string(spec.shape));
}

void require_tokens(const std::string& model, const DataSpec& spec) {
  if (spec.vocabulary < 1 || spec.shape.size() != 1 || spec.shape[0] < 1)
    throw user_error(
        "model '{}' takes token sequences, but the data set has examples of shape {} {}; choose a text data "
        "set",
        model, to_string(spec.shape), spec.vocabulary < 1 ? "of numbers" : "of tokens");
  require_labels(model, spec);
  if (spec.classes < 2)
    throw user_error("model '{}' needs at least 2 classes, but the data set has {}", model, spec.classes);
}

void require_labels(const std::string& model, const DataSpec& spec) {
  if (spec.predictions > 0)
    throw user_error(
        "model '{}' tells the class of an example, but the data set asks for hidden tokens; choose "
        "text_transformer, or the texts with their labels",
        model);
}

}  // namespace fedloom
