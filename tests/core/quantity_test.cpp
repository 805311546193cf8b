// Numbers with units: what reads, what is refused, and that text reads back to the same bits.
#include "core/quantity.hpp"

#include <gtest/gtest.h>

#include "core/config.hpp"
#include "core/error.hpp"

namespace fedloom {
namespace {

Quantity seconds(double value) { return {.value = value, .unit = Measure::seconds}; }
Quantity speed(double value) { return {.value = value, .unit = Measure::bytes_per_second}; }

TEST(Quantity, UnitsAreOfTimeOrOfSpeed) {
  EXPECT_EQ(parse_quantity("30ms"), seconds(0.03));
  EXPECT_EQ(parse_quantity("1.5 s"), seconds(1.5));
  EXPECT_EQ(parse_quantity("2min"), seconds(120.0));
  EXPECT_EQ(parse_quantity("1d"), seconds(86400.0));
  EXPECT_EQ(parse_quantity("2MB/s"), speed(2e6));
  EXPECT_EQ(parse_quantity("10Mbit/s"), speed(1.25e6));
  EXPECT_EQ(parse_quantity("0.25"), Quantity{.value = 0.25});
}

TEST(Quantity, WhatIsNoAmountIsNothing) {
  for (const char* text : {"", "fast", "3 parsecs", "2MB", "inf", "nan", "1e999", "30msx"})
    EXPECT_EQ(parse_quantity(text), std::nullopt) << text;
}

TEST(Quantity, TextReadsBackToTheSameBits) {
  for (const Quantity& quantity : {seconds(0.1), seconds(1e-5), speed(1.0 / 3.0), Quantity{.value = 3.0}})
    EXPECT_EQ(parse_quantity(quantity.text()), quantity) << quantity.text();
}

TEST(Quantity, ANumberTakesTheUnitOfItsKeyAndAnotherUnitIsRefused) {
  EXPECT_EQ(seconds(0.5).in(Measure::seconds), 0.5);
  EXPECT_EQ(Quantity{.value = 7.0}.in(Measure::bytes_per_second), 7.0);
  EXPECT_THROW((void)speed(1.0).in(Measure::seconds), UserError);
  EXPECT_THROW((void)seconds(1.0).in(Measure::none), UserError);
}

struct Settings {
  Quantity delay{1.0};
  template <class Visitor>
  void visit(Visitor& v) {
    v("delay", delay, "a time", at_least(0));
  }
};

TEST(Quantity, FieldsKnowTheirPlace) {
  const auto settings = read_config<Settings>(ConfigNode::from_text("delay: 2MB/s", "a.yaml"));
  try {
    (void)settings.delay.in(Measure::seconds);
    FAIL() << "a speed is no time";
  } catch (const UserError& error) {
    EXPECT_STREQ(
        error.what(),
        "a.yaml:1:8: delay: expected a time such as 30ms, or a number of seconds, found '2000000B/s'");
  }
  EXPECT_THROW(read_config<Settings>(ConfigNode::from_text("delay: -1s", "a.yaml")), UserError);
  EXPECT_THROW(read_config<Settings>(ConfigNode::from_text("delay: soon", "a.yaml")), UserError);
  EXPECT_EQ(write_config(read_config<Settings>(ConfigNode::from_text("delay: 30ms", "a"))), "delay: 0.03s\n");
}

}  // namespace
}  // namespace fedloom
