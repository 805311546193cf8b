// Natural: one client for each writer, speaker or user that the data names, or for each id in a text file
// with one client id a line, in the order of the store. With fewer clients than that the people are shuffled
// and dealt evenly, whole. S. Caldas et al., "LEAF: A Benchmark for Federated Settings", arXiv 1812.01097,
// 2018. Clients below min_examples are left out, as its tools do.
#include <algorithm>
#include <map>
#include <numeric>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/partition_rules.hpp"

namespace fedloom {
namespace {

constexpr std::uint64_t kMostText = std::uint64_t{1} << 30;

struct NaturalSettings {
  std::string file;
  std::uint64_t min_examples = 1;
  template <class Visitor>
  void visit(Visitor& v) {
    v("file", file,
      "text file with one client id a line for each example of the store; \"\": the data's own");
    v("min_examples", min_examples, "people with fewer examples are left out", at_least(1));
  }
};

/// Ids of the store's examples, numbered in order of first appearance.
std::vector<std::uint32_t> read_ids(const std::string& file, std::size_t store_size) {
  const std::string text = ByteSource::open(file, kMostText).read_all();
  std::map<std::string, std::uint32_t, std::less<>> numbers;
  std::vector<std::uint32_t> ids;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view id = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!id.empty() && id.back() == '\r') id.remove_suffix(1);
    if (id.empty())
      throw user_error("{}:{}:1: an empty client id; write one on every line", file, ids.size() + 1);
    ids.push_back(numbers.emplace(id, static_cast<std::uint32_t>(numbers.size())).first->second);
  }
  if (ids.size() != store_size)
    throw user_error("{}: {} client ids for {} examples; there must be one line for each", file, ids.size(),
                     store_size);
  return ids;
}

class Natural final : public Partitioner {
 public:
  explicit Natural(const NaturalSettings& settings) : settings_(settings) {}

  Partition split(const PartitionInput& input, Random& random) const override {
    Partition people = members(input);
    if (people.empty())
      throw user_error("data.partition.min_examples: nobody has {} examples", settings_.min_examples);
    if (input.clients == 0 || input.clients > people.size())
      throw user_error("data.clients: found {}, but the data has {} people; give 1..{} or leave it out",
                       input.clients, people.size(), people.size());
    if (input.clients == people.size()) return people;
    random.shuffle(std::span(people));
    Partition partition;
    std::size_t next = 0;
    for (const std::size_t count : even_sizes(people.size(), input.clients)) {
      auto& mine = partition.emplace_back();
      for (std::size_t i = 0; i < count; ++i, ++next)
        mine.insert(mine.end(), people[next].begin(), people[next].end());
    }
    return partition;
  }
  std::size_t default_clients(const PartitionInput& input) const override { return members(input).size(); }
  bool complete() const override { return settings_.min_examples <= 1; }

 private:
  /// One list for each person with enough examples, ordered by id.
  Partition members(const PartitionInput& input) const {
    std::map<std::uint32_t, std::vector<std::uint32_t>> people;
    if (!settings_.file.empty()) {
      const auto ids = read_ids(settings_.file, input.store_size);
      for (std::uint32_t i = 0; i < input.size(); ++i) people[ids[input.examples[i]]].push_back(i);
    } else if (!input.groups.empty()) {
      for (std::uint32_t i = 0; i < input.size(); ++i) people[input.groups[i]].push_back(i);
    } else {
      throw user_error(
          "data.partition: natural needs to know whose each example is, which this data does not say: name "
          "the client column of a "
          "CSV file (data.source.client) or give a file of ids (data.partition.file)");
    }
    Partition lists;
    for (auto& [id, list] : people)
      if (list.size() >= settings_.min_examples) lists.push_back(std::move(list));
    return lists;
  }

  NaturalSettings settings_;
};

const Registration<PartitionerRegistry, NaturalSettings> kNatural{
    {"natural", "one client for each person that the data names (people below min_examples are left out)",
     "Caldas et al.: LEAF: A Benchmark for Federated Settings, arXiv 1812.01097, 2018"},
    [](const NaturalSettings& settings) { return std::make_unique<Natural>(settings); }};

}  // namespace
}  // namespace fedloom
