// The real sets, where FEDLOOM_DATA names a folder that has them: counts, classes, pixel statistics.
#include <cmath>
#include <cstdlib>
#include <ostream>

#include <gtest/gtest.h>

#include "datasets/catalogue.hpp"
#include "datasets/data_source.hpp"
#include "datasets/federation.hpp"

namespace fedloom {
namespace {

struct Published {
  const char* name;
  std::size_t train;
  std::size_t test;
  std::vector<double> mean;
  std::vector<double> deviation;
};

// Names the case in test lists; the default would print addresses.
void PrintTo(const Published& set, std::ostream* out) { *out << set.name; }

class PublishedSet : public ::testing::TestWithParam<Published> {};

TEST_P(PublishedSet, IsWhatWasPublished) {
  const Published& set = GetParam();
  const char* folder = std::getenv("FEDLOOM_DATA");
  if (folder == nullptr) GTEST_SKIP() << "FEDLOOM_DATA is not set";
  if (!is_stored(catalogue_entry(set.name), folder)) GTEST_SKIP() << set.name << " is not in " << folder;
  DataConfig config;
  config.source.name = set.name;
  config.source.settings = ConfigNode::from_text("normalise: false", "test");
  config.clients = 1;
  const auto data = load_federated_data(config, 1, folder);
  EXPECT_EQ(data->example_count(0), set.train);
  EXPECT_EQ(data->test().size(), set.test);
  const ExampleView view = data->client(0);
  const auto width = static_cast<std::size_t>(data->spec().width());
  const std::size_t channels = set.mean.size();
  std::vector<double> sums(channels, 0.0);
  std::vector<double> squares(channels, 0.0);
  std::vector<std::size_t> per_class(10, 0);
  std::vector<float> row(width);
  std::int32_t label = 0;
  for (const std::uint32_t i : view.indices) {
    view.examples->gather(std::span(&i, 1), row.data(), &label);
    ++per_class.at(static_cast<std::size_t>(label));
    for (std::size_t j = 0; j < width; ++j) {
      const double value = static_cast<double>(row[j]);
      sums[j * channels / width] += value;
      squares[j * channels / width] += value * value;
    }
  }
  const std::size_t plane = width / channels;
  const double count = static_cast<double>(set.train * plane);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = sums[c] / count;
    EXPECT_NEAR(mean, set.mean[c], 5.1e-5);
    EXPECT_NEAR(std::sqrt(squares[c] / count - mean * mean), set.deviation[c], 5.1e-5);
  }
  for (const std::size_t c : per_class)
    EXPECT_NEAR(static_cast<double>(c), static_cast<double>(set.train) / 10.0, 800.0);
}

TEST(PublishedSet, TakesTheMeanThatWeightsFromElsewhereNeed) {
  const char* folder = std::getenv("FEDLOOM_DATA");
  if (folder == nullptr) GTEST_SKIP() << "FEDLOOM_DATA is not set";
  if (!is_stored(catalogue_entry("cifar-10"), folder)) GTEST_SKIP() << "cifar-10 is not in " << folder;
  DataConfig config;
  config.source.name = "cifar-10";
  const auto first_pixels = [&](const std::string& settings) {
    config.source.settings = ConfigNode::from_text(settings, "test");
    config.clients = 1;
    const auto data = load_federated_data(config, 1, folder);
    const std::uint32_t first = 0;
    std::vector<float> row(3 * 1024);
    std::int32_t label = 0;
    data->test().examples->gather(std::span(&first, 1), row.data(), &label);
    return row;
  };
  const auto plain = first_pixels("normalise: false");
  const auto chosen = first_pixels("{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}");
  const double mean[] = {0.485, 0.456, 0.406};
  const double deviation[] = {0.229, 0.224, 0.225};
  for (std::size_t c = 0; c < 3; ++c)
    EXPECT_NEAR(static_cast<double>(chosen[c * 1024]),
                (static_cast<double>(plain[c * 1024]) - mean[c]) / deviation[c], 1e-6);
}

INSTANTIATE_TEST_SUITE_P(
    All, PublishedSet,
    ::testing::Values(
        Published{"mnist", 60'000, 10'000, {0.1307}, {0.3081}},
        Published{"fashion-mnist", 60'000, 10'000, {0.2860}, {0.3530}},
        Published{"usps", 7'291, 2'007, {0.2545}, {0.3846}},
        Published{"cifar-10", 50'000, 10'000, {0.49140, 0.48216, 0.44653}, {0.24703, 0.24349, 0.26159}}),
    [](const auto& test) {
      std::string name = test.param.name;
      std::erase(name, '-');
      return name;
    });

}  // namespace
}  // namespace fedloom
