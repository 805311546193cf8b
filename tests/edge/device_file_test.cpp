// Device files: paths beside the file, the experiment's data with the device's laid over it, and slips named
// with their place.
#include "edge/device_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {
namespace {

using ::testing::HasSubstr;

class DeviceFileTest : public ::testing::Test {
 protected:
  ClientOptions load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return load_device_file(folder_.write("device.yaml", text), overrides);
  }
  std::string error_of(const std::string& text) {
    try {
      load(text);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }

  TempFolder folder_;
};

TEST_F(DeviceFileTest, SaysWhoseClientItIs) {
  const ClientOptions options = load(
      "connect: tcp://127.0.0.1:8470\nclient: 3\nkey: keys/own.key\nserver_key: abc\nfolder: images\n"
      "data: {source: idx}\nlimits: {threads: 1, memory: 200MB, nice: 5, uplink: 4Mbit/s}\nwhen: {hours: "
      "22:00-06:00, "
      "ac_power: "
      "true}\nstatus_file: /run/status.json\nheartbeat: 1s\n");
  EXPECT_EQ(options.connect, "tcp://127.0.0.1:8470");
  EXPECT_EQ(options.client, 3U);
  EXPECT_EQ(options.key, folder_ / "keys/own.key");
  EXPECT_EQ(options.own_data, folder_ / "images");
  EXPECT_EQ(options.state_dir, folder_ / "state");
  EXPECT_EQ(options.status_file, "/run/status.json");
  EXPECT_EQ(options.experiment.data.source.name, "idx");
  EXPECT_EQ(options.experiment.deploy.server_key, "abc");
  EXPECT_EQ(options.experiment.deploy.heartbeat.nanoseconds, 1'000'000'000);
  EXPECT_EQ(options.limits.threads, 1U);
  EXPECT_EQ(options.limits.memory.bytes, 200'000'000U);
  EXPECT_EQ(options.limits.nice, 5U);
  EXPECT_EQ(bytes_per_second(options.limits.uplink, ""), 500'000U);
  EXPECT_EQ(options.when.hours, "22:00-06:00");
  EXPECT_TRUE(options.when.mains);
  EXPECT_FALSE(options.once);
}

TEST_F(DeviceFileTest, LaysItsDataOverTheExperiments) {
  folder_.write("exp.yaml",
                "seed: 7\ndata: {source: {name: synthetic, alpha: 1}, clients: 30, validation: 0.1}\n"
                "deploy: {heartbeat: 5s}\nprivacy: {unit: example, epsilon: 3}\n");
  const ClientOptions options = load(
      "connect: tcp://127.0.0.1:8470\nclient: 0\nexperiment: exp.yaml\ndata: {clients: 4}\n", {"client=2"});
  EXPECT_EQ(options.client, 2U);
  EXPECT_EQ(options.experiment.seed, 7U);
  EXPECT_EQ(options.experiment.data.source.name, "synthetic");
  EXPECT_EQ(options.experiment.data.clients, 4U);
  EXPECT_EQ(options.experiment.data.validation, 0.1);
  EXPECT_EQ(options.experiment.deploy.heartbeat.nanoseconds, 5'000'000'000);
  EXPECT_EQ(options.experiment.privacy.epsilon, 3.0);
  EXPECT_EQ(options.own_data, "");
}

TEST_F(DeviceFileTest, SlipsAreNamed) {
  EXPECT_THAT(error_of("client: 3\ndata: {source: idx}\n"), HasSubstr("nothing of 'connect'"));
  EXPECT_THAT(error_of("connect: tcp://h:1\ndata: {source: idx}\n"), HasSubstr("nothing of 'client'"));
  EXPECT_THAT(error_of("connect: tcp://h:1\nclient: 0\n"), HasSubstr("nothing of the data"));
  EXPECT_THAT(error_of("connect: tcp://h:1\nclient: 0\nlimits: {thread: 1}\n"),
              HasSubstr("device.yaml:3:18: limits.thread: unknown key"));
  EXPECT_THAT(error_of("connect: tcp://h:1\nclient: -1\n"), HasSubstr("device.yaml:2:9"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("holds no device"));
  EXPECT_THAT(error_of("connect: tcp://h:1\nclient: 0\nexperiment: gone.yaml\n"), HasSubstr("gone.yaml"));
}

}  // namespace
}  // namespace fedloom::testing
