// Random parts of index lists.
#include "datasets/split.hpp"

#include "core/error.hpp"
#include "datasets/table_examples.hpp"

namespace fedloom {

Random split_random(std::uint64_t seed, SplitTask task, std::uint64_t client) {
  return Random(seed, Stream::partition, client, static_cast<std::uint32_t>(task));
}

SplitExamples split_of(std::shared_ptr<const Examples> train, std::shared_ptr<const Examples> test) {
  SplitExamples split;
  if (test && test->spec() != train->spec())
    throw user_error(
        "data.source: the test part has another form than the training part: width {} and {} classes, "
        "where training has {} and {}",
        test->spec().width(), test->spec().classes, train->spec().width(), train->spec().classes);
  split.train_indices = whole(train).indices;
  split.validation.examples = train;
  if (test)
    split.test = whole(std::move(test));
  else
    split.test.examples = train;
  split.train = std::move(train);
  return split;
}

std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> take_random(
    const std::vector<std::uint32_t>& from, std::size_t count, Random& random) {
  FEDLOOM_CHECK(count <= from.size(), "{} of {}", count, from.size());
  std::vector<std::uint32_t> taken;
  std::vector<std::uint32_t> left;
  taken.reserve(count);
  left.reserve(from.size() - count);
  const auto chosen = random.choose(from.size(), count);
  auto next = chosen.begin();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool take = next != chosen.end() && *next == i;
    (take ? taken : left).push_back(from[i]);
    if (take) ++next;
  }
  return {std::move(taken), std::move(left)};
}

void carve_validation(SplitExamples& split, double fraction, std::uint64_t seed) {
  const auto count = static_cast<std::size_t>(fraction * static_cast<double>(split.train_indices.size()));
  Random random = split_random(seed, SplitTask::validation);
  auto [taken, left] = take_random(split.train_indices, count, random);
  split.validation = {split.train, std::move(taken)};
  split.train_indices = std::move(left);
}

void carve_test(SplitExamples& split, double fraction) {
  const auto count = static_cast<std::size_t>(fraction * static_cast<double>(split.train_indices.size()));
  Random random = split_random(0, SplitTask::test);
  auto [taken, left] = take_random(split.train_indices, count, random);
  split.test = {split.train, std::move(taken)};
  split.train_indices = std::move(left);
}

void limit_examples(SplitExamples& split, std::uint64_t train_most, std::uint64_t test_most,
                    std::uint64_t seed) {
  Random random = split_random(seed, SplitTask::limit);
  if (train_most > 0 && train_most < split.train_indices.size())
    split.train_indices = take_random(split.train_indices, train_most, random).first;
  if (test_most > 0 && test_most < split.test.size())
    split.test.indices = take_random(split.test.indices, test_most, random).first;
}

}  // namespace fedloom
