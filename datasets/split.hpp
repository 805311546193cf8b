// Holding examples back: validation and test parts of one store, and limits for quick runs. Keyed randomness,
// so the same examples are held back by everybody who knows the seed.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/random.hpp"
#include "datasets/examples.hpp"

namespace fedloom {

/// Separate draws from Stream::partition; client-wise ones add the client.
enum class SplitTask : std::uint32_t {
  partition = 0,
  validation = 1,
  client_test = 2,
  limit = 3,
  test = 4,
  group_test = 5,
  visible = 6,     // which clients see a stage
  permutation = 7  // of features, or of the order of classes
};

Random split_random(std::uint64_t seed, SplitTask task, std::uint64_t client = 0);

/// A set whose parts are two stores; `test` may be null.
SplitExamples split_of(std::shared_ptr<const Examples> train, std::shared_ptr<const Examples> test);

/// Takes `count` of `from` at random, without replacement; both parts stay in their order. Returns (taken,
/// left).
std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> take_random(
    const std::vector<std::uint32_t>& from, std::size_t count, Random& random);

/// Moves floor(fraction * N) training examples to the validation part; fraction in [0, 1).
void carve_validation(SplitExamples& split, double fraction, std::uint64_t seed);
/// Moves floor(fraction * N) training examples to the test part of a set that has none. The same ones for
/// every seed: what is tested belongs to the set, not to the experiment.
void carve_test(SplitExamples& split, double fraction);
/// Keeps a random `most` of the training and test examples; 0 keeps all.
void limit_examples(SplitExamples& split, std::uint64_t train_most, std::uint64_t test_most,
                    std::uint64_t seed);

}  // namespace fedloom
