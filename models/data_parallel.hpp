// One model trained by several threads: every batch is cut into pieces that go forward and backward side by
// side, and their gradients are added. A decorator, so objectives and optimizers notice nothing.
// The number of pieces is a setting and the threads are not: the bits of a result depend on the pieces alone.
#pragma once

#include <cstddef>
#include <memory>

#include "models/model.hpp"

namespace fedloom {

struct DataParallel {
  std::size_t pieces = 2;   // >= 1; of nearly equal size, contiguous, in the order of the batch
  std::size_t threads = 1;  // >= 1, the caller's included; more than pieces are not started
  std::size_t width = 0;    // values (or tokens) of one example: DataSpec::width()
};

/// `model` behind the same interface. Its workspaces have a workspace and a gradient of the whole layout for
/// every piece, and their own threads. Sums run in the order of the pieces; a batch of fewer examples than
/// pieces leaves the last ones out. Batch statistics are those of each piece, running statistics the mean
/// over pieces weighted by size. Dropout is drawn from a sequence of each piece, keyed by a draw from
/// ForwardOptions::random. With an observer the pieces go forward one after the other, in order.
std::unique_ptr<Model> data_parallel(std::shared_ptr<const Model> model, const DataParallel& how);

}  // namespace fedloom
