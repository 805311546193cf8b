// Pooling keeps every example of every client, in order, for stored and for generated data.
#include "datasets/pooled.hpp"

#include <gtest/gtest.h>

#include "datasets/federation.hpp"

namespace fedloom {
namespace {

TEST(Pooled, HoldsTheClientsDataInClientOrder) {
  DataConfig config;
  config.clients = 5;
  const auto data = load_federated_data(config, 3, "");
  const auto pooled = pool_clients(data);
  ASSERT_EQ(pooled->clients(), 1U);
  std::size_t total = 0;
  for (std::size_t client = 0; client < 5; ++client) total += data->example_count(client);
  const ExampleView all = pooled->client(0);
  ASSERT_EQ(all.size(), total);
  EXPECT_EQ(pooled->example_count(0), total);
  EXPECT_EQ(pooled->test().size(), data->test().size());

  const auto width = static_cast<std::size_t>(data->spec().width());
  std::vector<float> expected(width);
  std::vector<float> found(width);
  std::int32_t expected_label = -1;
  std::int32_t found_label = -2;
  std::size_t position = 0;
  for (std::size_t client = 0; client < 5; ++client) {
    const ExampleView view = data->client(client);
    for (const std::uint32_t index : view.indices) {
      view.examples->gather({&index, 1}, expected.data(), &expected_label);
      all.examples->gather({&all.indices[position++], 1}, found.data(), &found_label);
      ASSERT_EQ(found, expected);
      ASSERT_EQ(found_label, expected_label);
    }
  }
}

}  // namespace
}  // namespace fedloom
