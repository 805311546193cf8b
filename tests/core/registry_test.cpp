// Components by name: registration from a static object, making with settings, and the errors a person sees.
#include "core/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fedloom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Shape {
  std::string name;
  double area = 0.0;
};
using ShapeRegistry = Registry<Shape, double>;  // the argument is a factor on the area

struct SquareConfig {
  double side = 2.0;
  template <class Visitor>
  void visit(Visitor& v) {
    v("side", side, "length of a side", above(0));
  }
};

const Registration<ShapeRegistry, SquareConfig> kSquare{
    About{"square", "four equal sides", "Euclid: Elements I.46"},
    [](const SquareConfig& config, double factor) {
      return Shape{"square", factor * config.side * config.side};
    }};
const Registration<ShapeRegistry, NoSettings> kPoint{About{"point", "no part at all", ""},
                                                     [](const NoSettings&, double) {
                                                       return Shape{"point", 0.0};
                                                     }};

const ShapeRegistry::Entry& square() { return ShapeRegistry::instance().find("square", "shape"); }

template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Registry, KnowsWhatWasRegisteredBeforeMain) {
  EXPECT_THAT(ShapeRegistry::instance().names(), ElementsAre("point", "square"));
  EXPECT_EQ(square().about.citation, "Euclid: Elements I.46");
  ASSERT_EQ(square().fields.size(), 1U);
  EXPECT_EQ(square().fields[0].bounds, "> 0");
}

TEST(Registry, MakesWithSettingsAndArguments) {
  EXPECT_EQ(square().make(ConfigNode::from_text("side: 3", "exp.yaml"), 10.0).area, 90.0);
  EXPECT_EQ(square().make(ConfigNode(), 1.0).area, 4.0) << "no settings are the defaults";
  EXPECT_EQ(square().resolve(ConfigNode()), "side: 2\n");
}

TEST(Registry, SettingsAreCheckedByTheComponent) {
  const auto make = [](const char* text) { square().make(ConfigNode::from_text(text, "exp.yaml"), 1.0); };
  EXPECT_EQ(error_of([&] { make("side: 0"); }), "exp.yaml:1:7: side: 0 is out of range; allowed: > 0");
  EXPECT_THAT(error_of([&] { make("sid: 1"); }), HasSubstr("did you mean 'side'?"));
}

TEST(Registry, AnUnknownNameGetsTheNearestAndAll) {
  EXPECT_EQ(error_of([] { ShapeRegistry::instance().find("sqare", "shape", "exp.yaml:2:3"); }),
            "exp.yaml:2:3: no shape is called 'sqare' (did you mean 'square'?); known: point, square");
  EXPECT_EQ(error_of([] { ShapeRegistry::instance().find("dodecahedron", "shape"); }),
            "no shape is called 'dodecahedron'; known: point, square");
}

TEST(RegistryDeathTest, ANameTakenTwiceIsAProgrammerError) {
  const auto again = [] {
    const Registration<ShapeRegistry, NoSettings> twice{About{"point", "", ""},
                                                        [](const NoSettings&, double) { return Shape{}; }};
  };
  EXPECT_DEATH(again(), "the name 'point' is registered twice");
}

}  // namespace
}  // namespace fedloom
