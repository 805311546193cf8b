// Pictures of training batches, shifted and mirrored at random so that a model sees more than there are.
// Works on a batch that has been gathered: stores stay as they are, and evaluation never comes here. A.
// Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep CNNs", NeurIPS 2012; the margin of
// 4 and the mirror for CIFAR-10 are those of K. He et al., "Deep Residual Learning", CVPR 2016.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/config.hpp"
#include "core/data_spec.hpp"
#include "core/random.hpp"

namespace fedloom {

/// `data.augment` of an experiment file.
struct Augmentation {
  std::uint64_t crop = 0;
  bool flip = false;

  template <class Visitor>
  void visit(Visitor& v) {
    v("crop", crop,
      "training pictures are shifted by up to this many pixels each way (a random crop of the picture with "
      "such a margin); what comes in is the mean colour where pixels are normalised, else black",
      between(0, 1024));
    v("flip", flip, "mirror half of the training pictures left to right");
  }
  bool any() const { return crop > 0 || flip; }
};

/// Throws UserError when pictures of this form cannot be augmented so: they are no pictures, or the margin is
/// not smaller than a side.
void check_augmentation(const Augmentation& how, const DataSpec& spec);

/// Augments `count` pictures of form (channels, height, width) in place, each with its own draws from
/// `random`: two numbers in [-crop, crop] where crop > 0, one bit where flip, example after example. Zeros
/// come in from outside. `row` is scratch that is sized on first use.
void augment(const Augmentation& how, const DataSpec& spec, std::size_t count, float* features,
             Random& random, std::vector<float>& row);

}  // namespace fedloom
