// When a guest may take part, against a machine made of files and a clock made of a number.
#include "edge/guest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

struct Machine {
  int minute = 0;
  double load = 0.0;
  bool battery = false;

  SystemView view() {
    return {[this] { return minute; }, [this] { return load; }, [this] { return battery; }};
  }
};

TEST(GuestRules, NoneAllowAlways) {
  Machine machine;
  machine.load = 100.0;
  machine.battery = true;
  const GuestRules rules({}, machine.view());
  EXPECT_FALSE(rules.any());
  EXPECT_EQ(rules.why_not(false), std::nullopt);
}

TEST(GuestRules, HoursMayGoOverMidnight) {
  Machine machine;
  const GuestRules night({.hours = "22:00-06:30"}, machine.view());
  const GuestRules day({.hours = "9:00-17:00"}, machine.view());
  const auto allowed = [&](const GuestRules& rules, int hour, int minute) {
    machine.minute = hour * 60 + minute;
    return !rules.why_not(false);
  };
  EXPECT_TRUE(allowed(night, 22, 0));
  EXPECT_TRUE(allowed(night, 0, 0));
  EXPECT_TRUE(allowed(night, 6, 29));
  EXPECT_FALSE(allowed(night, 6, 30));
  EXPECT_FALSE(allowed(night, 21, 59));
  EXPECT_TRUE(allowed(day, 9, 0));
  EXPECT_FALSE(allowed(day, 17, 0));
  EXPECT_FALSE(allowed(day, 8, 59));
  machine.minute = 0;
  EXPECT_THAT(day.why_not(false), Optional(HasSubstr("it is not 9:00-17:00")));
}

TEST(Rates, AreWholeBytesPerSecond) {
  EXPECT_EQ(bytes_per_second({}, "limits.uplink"), 0U);
  EXPECT_EQ(bytes_per_second(parse_quantity("4Mbit/s").value(), "limits.uplink"), 500'000U);
  EXPECT_EQ(bytes_per_second({.value = 20'000.0}, "limits.uplink"), 20'000U);
  EXPECT_THROW((void)bytes_per_second({.value = 19'999.0}, "limits.uplink"), UserError);
  EXPECT_THROW((void)bytes_per_second(parse_quantity("3s").value(), "limits.uplink"), UserError);
}

TEST(GuestRules, WhatIsNoPartOfTheDayIsRefused) {
  for (const char* hours : {"22", "22:00", "22:00-", "25:00-06:00", "22:60-06:00", "a:00-06:00",
                            "-1:00-06:00", "06:00-06:00", "22:00-06:00x"})
    EXPECT_THROW(GuestRules({.hours = hours}, Machine{}.view()), UserError) << hours;
  EXPECT_NO_THROW(GuestRules({.hours = "00:00-24:00"}, Machine{}.view()));
}

// The load after a task is the client's own, and must not end what causes it.
TEST(GuestRules, ItsOwnLoadDoesNotCount) {
  Machine machine;
  machine.load = 0.8;
  const GuestRules rules({.hours = "", .load = 0.5}, machine.view());
  EXPECT_THAT(rules.why_not(false), Optional(std::string("the load is 0.80 per core")));
  EXPECT_EQ(rules.why_not(true), std::nullopt);
  machine.load = 0.4;
  EXPECT_EQ(rules.why_not(false), std::nullopt);
}

TEST(GuestRules, OnMainsOnly) {
  Machine machine;
  const GuestRules rules({.hours = "", .load = 0.0, .mains = true}, machine.view());
  EXPECT_EQ(rules.why_not(false), std::nullopt);
  machine.battery = true;
  EXPECT_THAT(rules.why_not(true), Optional(std::string("the device is on battery")));
}

// As Linux shows a laptop: a battery, an adapter that may be pulled, a port with nothing in it, and a mouse.
TEST(SystemView, ReadsSuppliesAndLoad) {
  const TempFolder folder;
  const SystemView view = system_view(folder.path());
  EXPECT_FALSE(view.on_battery()) << "no supplies are named";
  folder.write("sys/class/power_supply/ucsi/type", "USB\n");
  folder.write("sys/class/power_supply/ucsi/online", "0\n");
  folder.write("sys/class/power_supply/mouse/type", "Battery\n");
  folder.write("sys/class/power_supply/mouse/scope", "Device\n");
  EXPECT_FALSE(view.on_battery()) << "a desktop";
  folder.write("sys/class/power_supply/BAT0/type", "Battery\n");
  EXPECT_TRUE(view.on_battery());
  folder.write("sys/class/power_supply/AC/type", "Mains\n");
  folder.write("sys/class/power_supply/AC/online", "0\n");
  EXPECT_TRUE(view.on_battery());
  folder.write("sys/class/power_supply/AC/online", "1\n");
  EXPECT_FALSE(view.on_battery());
  folder.write("proc/loadavg", "3.00 1.00 0.50 1/200 4000\n");
  EXPECT_GT(view.load_per_core(), 0.0);
  EXPECT_LE(view.load_per_core(), 3.0);
  EXPECT_GE(view.minute_of_day(), 0);
  EXPECT_LT(view.minute_of_day(), 24 * 60);
}

}  // namespace
}  // namespace fedloom::testing
