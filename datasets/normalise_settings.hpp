// The settings by which the pixels of a published set are shifted and scaled: its own figures, the user's, or
// not at all. What is done with them is image_examples.hpp.
#pragma once

#include <vector>

#include "core/config.hpp"
#include "core/error.hpp"
#include "datasets/image_examples.hpp"

namespace fedloom {

struct NormaliseSettings {
  bool normalise = true;
  std::vector<double> mean;
  std::vector<double> deviation;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("normalize", "normalise");
    v.alias("std", "deviation");
    v("normalise", normalise, "shift and scale pixels to mean 0 and deviation 1 over the set; false: [0, 1]");
    v("mean", mean,
      "subtracted from pixels in [0, 1] instead of the set's mean, as weights from elsewhere need it; one "
      "number "
      "or one for each channel");
    v("deviation", deviation,
      "pixels are divided by it instead of the set's deviation; one number or one for each channel",
      above(0));
  }

  /// What to apply to a set whose own figures are `published`. Throws UserError when the settings contradict
  /// each other.
  Normalisation over(Normalisation published) const {
    if (!normalise && !(mean.empty() && deviation.empty()))
      throw user_error(
          "data.source.normalise: false, but mean or deviation are given; leave normalise out to use them");
    if (!normalise) return {};
    if (!mean.empty()) published.mean = mean;
    if (!deviation.empty()) published.deviation = deviation;
    return published;
  }
};

}  // namespace fedloom
