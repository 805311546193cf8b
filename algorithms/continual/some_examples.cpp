// A draw without replacement.
#include "algorithms/continual/some_examples.hpp"

#include <numeric>

namespace fedloom {

std::vector<std::uint32_t> some_examples(const TaskRun& run, std::uint64_t most) {
  std::vector<std::uint32_t> positions;
  if (most > 0 && most < run.data->size()) {
    Random random = run.random(Stream::estimate);
    for (const std::uint64_t i : random.choose(run.data->size(), most))
      positions.push_back(static_cast<std::uint32_t>(i));
    return positions;
  }
  positions.resize(run.data->size());
  std::iota(positions.begin(), positions.end(), 0U);
  return positions;
}

}  // namespace fedloom
