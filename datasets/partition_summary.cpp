// Counting and drawing with the eighth blocks of Unicode.
#include "datasets/partition_summary.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

namespace fedloom {

namespace {

double median_of(const std::vector<std::uint64_t>& sorted) {
  const std::size_t n = sorted.size();
  if (n == 0) return 0.0;
  return (static_cast<double>(sorted[(n - 1) / 2]) + static_cast<double>(sorted[n / 2])) / 2.0;
}

ClientSummary count_classes(const FederatedData& data, std::size_t client, std::int64_t classes) {
  const ExampleView view = data.client(client);
  ClientSummary summary{client, view.size(),
                        std::vector<std::uint64_t>(static_cast<std::size_t>(classes), 0)};
  for (const std::uint32_t i : view.indices)
    ++summary.counts[static_cast<std::size_t>(view.examples->label(i))];
  return summary;
}

double total_variation(const ClientSummary& client, const std::vector<std::uint64_t>& totals,
                       std::uint64_t all) {
  double distance = 0.0;
  for (std::size_t c = 0; c < totals.size(); ++c)
    distance += std::fabs(static_cast<double>(client.counts[c]) / static_cast<double>(client.examples) -
                          static_cast<double>(totals[c]) / static_cast<double>(all));
  return distance / 2.0;
}

/// One character for a share in [0, 1]: '.' for nothing, then eight heights.
const char* block(double share) {
  static constexpr std::array<const char*, 9> kBlocks{"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (share <= 0.0) return kBlocks[0];
  return kBlocks[std::clamp<std::size_t>(static_cast<std::size_t>(std::ceil(share * 8.0)), 1, 8)];
}

/// A bar of `share` of `width` characters, in eighths.
std::string bar(double share, std::size_t width) {
  static constexpr std::array<const char*, 8> kEnds{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths =
      static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * 8.0 * static_cast<double>(width)));
  std::string text;
  for (std::size_t i = 0; i < eighths / 8; ++i) text += "█";
  return text + kEnds[eighths % 8];
}

double share_of(std::uint64_t part, std::uint64_t all) {
  return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
}

std::string draw_classes(const PartitionSummary& summary, std::size_t columns) {
  const std::uint64_t most = *std::max_element(summary.class_totals.begin(), summary.class_totals.end());
  std::string text = summary.shown.size() == summary.clients
                         ? "\nclasses\n"
                         : fmt::format("\nclasses of the {} clients shown\n", summary.shown.size());
  constexpr std::size_t kMostLines = 30;
  for (std::size_t c = 0; c < std::min(kMostLines, summary.class_totals.size()); ++c)
    text += fmt::format("{:>6} {:>10} {}\n", c, summary.class_totals[c],
                        bar(share_of(summary.class_totals[c], most), columns - 20));
  if (summary.class_totals.size() > kMostLines)
    text += fmt::format("   ... {} more classes\n", summary.class_totals.size() - kMostLines);
  return text;
}

std::string draw_clients(const PartitionSummary& summary, std::size_t columns) {
  constexpr std::size_t kMostClasses = 62;
  const std::size_t classes = std::min(kMostClasses, static_cast<std::size_t>(summary.classes));
  const std::size_t room = columns > classes + 34 ? columns - classes - 24 : 10;
  std::string text =
      fmt::format("\n{:>8}  {:<{}}  {:>9}\n", "client", fmt::format("class 0..{}", summary.classes - 1),
                  std::max<std::size_t>(classes, 11), "examples");
  for (const ClientSummary& client : summary.shown) {
    std::string picture;
    for (std::size_t c = 0; c < classes; ++c) picture += block(share_of(client.counts[c], client.examples));
    picture.append(std::max<std::size_t>(classes, 11) - classes, ' ');
    text += fmt::format("{:>8}  {}  {:>9} {}\n", client.client, picture, client.examples,
                        bar(share_of(client.examples, summary.largest), std::min<std::size_t>(room, 40)));
  }
  return text;
}

}  // namespace

double gini(std::vector<std::uint64_t> sizes) {
  std::sort(sizes.begin(), sizes.end());
  double weighted = 0.0;
  double total = 0.0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    weighted += static_cast<double>(i + 1) * static_cast<double>(sizes[i]);
    total += static_cast<double>(sizes[i]);
  }
  if (total == 0.0) return 0.0;
  const double n = static_cast<double>(sizes.size());
  return 2.0 * weighted / (n * total) - (n + 1.0) / n;
}

PartitionSummary summarize(const FederatedData& data, std::size_t most_shown) {
  PartitionSummary summary;
  summary.clients = data.clients();
  summary.classes = data.spec().classes;
  summary.validation = data.validation().size();
  summary.test = data.test().size();
  std::vector<std::uint64_t> sizes(std::min(summary.clients, PartitionSummary::kMostSizes));
  for (std::size_t k = 0; k < sizes.size(); ++k) sizes[k] = data.example_count(k);
  std::sort(sizes.begin(), sizes.end());
  summary.examples = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
  if (!sizes.empty()) {
    summary.smallest = sizes.front();
    summary.largest = sizes.back();
    summary.mean = static_cast<double>(summary.examples) / static_cast<double>(sizes.size());
  }
  summary.median = median_of(sizes);
  summary.gini = gini(sizes);
  const std::size_t shown = std::min(most_shown, summary.clients);
  summary.class_totals.assign(static_cast<std::size_t>(summary.classes), 0);
  for (std::size_t s = 0; s < shown; ++s) {
    summary.shown.push_back(count_classes(data, s * summary.clients / shown, summary.classes));
    for (std::size_t c = 0; c < summary.class_totals.size(); ++c)
      summary.class_totals[c] += summary.shown.back().counts[c];
  }
  const std::uint64_t all =
      std::accumulate(summary.class_totals.begin(), summary.class_totals.end(), std::uint64_t{0});
  std::size_t counted = 0;
  for (const ClientSummary& client : summary.shown) {
    if (client.examples == 0) continue;
    summary.label_skew += total_variation(client, summary.class_totals, all);
    ++counted;
  }
  if (counted > 0) summary.label_skew /= static_cast<double>(counted);
  return summary;
}

std::string draw(const PartitionSummary& summary, std::size_t columns) {
  columns = std::max<std::size_t>(columns, 60);
  std::string text = fmt::format(
      "{} clients, {} training examples, {} for validation, {} for testing, {} classes\n"
      "sizes: min {}, median {:g}, mean {:.1f}, max {}, Gini {:.3f}; label skew {:.3f} (0 is IID)\n",
      summary.clients, summary.examples, summary.validation, summary.test, summary.classes, summary.smallest,
      summary.median, summary.mean, summary.largest, summary.gini, summary.label_skew);
  if (summary.shown.empty()) return text;
  text += draw_classes(summary, columns) + draw_clients(summary, columns);
  if (summary.shown.size() < summary.clients)
    text += fmt::format("     ... {} of {} clients shown\n", summary.shown.size(), summary.clients);
  return text;
}

}  // namespace fedloom
