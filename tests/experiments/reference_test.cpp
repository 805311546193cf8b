// The committed reference page is what the program prints, and the schema is JSON that knows every key.
#include "experiments/reference.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/file.hpp"
#include "tests/support/paths.hpp"

namespace fedloom {
namespace {

TEST(Reference, CommittedPageIsUpToDate) {
  EXPECT_EQ(read_file(std::string(FEDLOOM_SOURCE_DIR) + "/docs/configuration.md"), configuration_markdown())
      << "run: build/release/fedloom reference > docs/configuration.md";
}

TEST(Reference, SchemaListsSectionsComponentsAndChoices) {
  const auto schema = nlohmann::json::parse(configuration_schema());
  const auto& properties = schema.at("properties");
  EXPECT_TRUE(properties.contains("rounds"));
  EXPECT_EQ(properties.at("train").at("properties").at("epochs").at("type"), "integer");
  EXPECT_EQ(properties.at("runtime").at("properties").at("aggregate").at("enum"),
            nlohmann::json({"worker", "server"}));
  const auto& names = properties.at("strategy").at("oneOf").at(0).at("enum");
  EXPECT_NE(std::find(names.begin(), names.end(), "fedavg"), names.end());
}

}  // namespace
}  // namespace fedloom
