// Groups are numbered densely and dealt as classes are.
#include "datasets/group_test.hpp"

#include <map>
#include <set>

#include "core/error.hpp"
#include "datasets/partition_rules.hpp"
#include "datasets/split.hpp"

namespace fedloom {
namespace {

/// The number of each group of the test set, and its examples.
struct TestGroups {
  std::map<std::uint32_t, std::int64_t> numbers;
  std::vector<std::vector<std::uint32_t>> members;
};

TestGroups test_groups(const SplitExamples& split, const ExampleView& tested, std::uint64_t seed) {
  if (tested.examples != split.train)
    throw user_error(
        "data.group_test: the test set of this data is not part of the store whose groups are trained on; "
        "leave group_test out, or hold data back with client_test");
  TestGroups all;
  for (const std::uint32_t i : tested.indices) {
    const auto group = split.train->group(i);
    if (!group)
      throw user_error(
          "data.group_test: this data does not say which domain or person an example belongs to; leave "
          "group_test out, or hold data back with client_test");
    const auto number = static_cast<std::int64_t>(all.members.size());
    const auto [it, fresh] = all.numbers.emplace(*group, number);
    if (fresh) all.members.emplace_back();
    all.members[static_cast<std::size_t>(it->second)].push_back(i);
  }
  for (const auto& [group, number] : all.numbers) {
    Random random = split_random(seed, SplitTask::group_test, group);
    random.shuffle(std::span(all.members[static_cast<std::size_t>(number)]));
  }
  return all;
}

}  // namespace

Partition deal_by_group(const SplitExamples& split, const ExampleView& tested, const Partition& partition,
                        std::uint64_t seed) {
  const TestGroups groups = test_groups(split, tested, seed);
  std::vector<std::vector<std::int64_t>> held(partition.size());
  for (std::size_t k = 0; k < partition.size(); ++k) {
    std::set<std::int64_t> mine;
    for (const std::uint32_t position : partition[k]) {
      const auto group = split.train->group(split.train_indices.at(position));
      const auto it = group ? groups.numbers.find(*group) : groups.numbers.end();
      if (it != groups.numbers.end()) mine.insert(it->second);
    }
    held[k].assign(mine.begin(), mine.end());
  }
  Partition dealt = deal_classes(held, groups.members);
  for (std::size_t k = 0; k < dealt.size(); ++k)
    if (dealt[k].empty())
      throw user_error(
          "data.group_test: client {} gets no example of its groups to be evaluated on; use fewer clients in "
          "each group, or "
          "a larger test set (while tuning: data.validation)",
          k);
  return dealt;
}

}  // namespace fedloom
