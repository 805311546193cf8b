// Three forms of examples: float features, tokens with a label, tokens some of which are hidden.
#include "client/batch_buffer.hpp"

namespace fedloom {

Batch BatchBuffer::gather(const Examples& examples, std::span<const std::uint32_t> indices, Random* masking) {
  const DataSpec& spec = examples.spec();
  const std::size_t values = indices.size() * static_cast<std::size_t>(spec.width());
  Batch batch;
  batch.size = indices.size();
  if (spec.predictions > 0) batch.targets_each = static_cast<std::size_t>(spec.predictions);
  targets_.resize(batch.size * batch.targets_each);
  batch.targets = targets_.data();
  if (spec.vocabulary == 0) {
    if (features_.size() < values) features_.resize(values);
    examples.gather(indices, features_.data(), targets_.data());
    batch.features = features_.data();
    return batch;
  }
  tokens_.resize(values);
  mask_.resize(values);
  batch.tokens = tokens_.data();
  batch.mask = mask_.data();
  if (spec.predictions == 0) {
    examples.gather_tokens(indices, tokens_.data(), mask_.data(), targets_.data());
    return batch;
  }
  places_.resize(targets_.size());
  batch.places = places_.data();
  examples.gather_masked(indices, masking, {tokens_.data(), mask_.data(), places_.data(), targets_.data()});
  return batch;
}

}  // namespace fedloom
