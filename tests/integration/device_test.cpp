// fedloom-client, the program for devices: the simulation's model to the bit, one task and home, a day off
// when its rules say so, and slips told before anything is sent.
#include <ctime>

#include <nlohmann/json.hpp>

#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kClients = 3;
const char* const kAnyPort = "tcp://127.0.0.1:0";
const char* const kDeviceProgram = FEDLOOM_BINARY_DIR "/fedloom-client";
#ifdef FEDLOOM_SANITIZED
constexpr bool kLimitsMemory = false;
#else
constexpr bool kLimitsMemory = true;
#endif

class DeviceTest : public ::testing::Test {
 protected:
  std::string device_file(std::size_t client, const std::string& endpoint,
                          const std::string& more = "") const {
    const std::string name = "device-" + std::to_string(client);
    return folder_.write(name + ".yaml",
                         "connect: " + endpoint + "\nclient: " + std::to_string(client) +
                             "\nexperiment: " + kSmallJob + "\ndata: {clients: " + std::to_string(kClients) +
                             "}\nstate: " + name + "-state\nstatus_file: " + name + ".json\n" + more);
  }
  std::unique_ptr<Process> start_device(std::size_t client, const std::string& endpoint,
                                        const std::string& more = "", const Words& words = {}) const {
    return std::make_unique<Process>(Words{kDeviceProgram, device_file(client, endpoint, more)} + words);
  }
  nlohmann::json status(std::size_t client) const {
    return nlohmann::json::parse(contents(folder_ / ("device-" + std::to_string(client) + ".json")));
  }

  TempFolder folder_;
};

TEST_F(DeviceTest, EqualsTheSimulation) {
  DeployedFederation federation(folder_, kClients, set({"rounds=6", "strategy=scaffold"}));
  federation.start_server(kAnyPort);
  std::vector<std::unique_ptr<Process>> devices;
  for (std::size_t i = 0; i < kClients; ++i) devices.push_back(start_device(i, federation.endpoint()));
  const RunSummary deployed = federation.expect_good_end();
  for (const auto& device : devices) {
    const Ended ended = device->wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
  }
  EXPECT_EQ(deployed.model_hash, federation.simulated().model_hash);
  for (std::size_t i = 0; i < kClients; ++i) {
    EXPECT_EQ(status(i)["state"], "ended");
    EXPECT_EQ(status(i)["trained"], 6);
    EXPECT_EQ(status(i)["accepted"], 6);
    EXPECT_EQ(status(i)["round"], 6);
  }
}

TEST_F(DeviceTest, OnceIsOneTaskAndHome) {
  DeployedFederation federation(folder_, kClients, set({"rounds=1000000", "deploy.lost_after=1h"}));
  federation.start_server(kAnyPort);
  federation.start_client(0);
  federation.start_client(1);
  const auto device = start_device(2, federation.endpoint(), "", {"--once"});
  const Ended ended = device->wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_NE(ended.err.find("took part once"), std::string::npos) << ended.err;
  EXPECT_EQ(status(2)["accepted"], 1);
  EXPECT_EQ(status(2)["trained"], 1) << "nothing is begun that nobody waits for";
  EXPECT_TRUE(federation.server().running());
}

// Twelve hours from now it is not now: the device stays away, and a signal still reaches it.
TEST_F(DeviceTest, RestsWhenItsRulesSaySo) {
  const std::time_t later = std::time(nullptr) + 12 * 3600;
  std::tm local{};
  localtime_r(&later, &local);
  const std::string hour = std::to_string(local.tm_hour);
  const auto device =
      start_device(0, "tcp://127.0.0.1:1", "when: {hours: '" + hour + ":00-" + hour + ":59'}\n");
  EXPECT_NE(device->wait_for_line("resting: "), "");
  EXPECT_TRUE(
      eventually([&] { return occurrences(folder_ / "device-0.json", "\"state\":\"resting\"") == 1; }));
  EXPECT_FALSE(status(0)["why"].get<std::string>().empty());
  device->signal(SIGTERM);
  EXPECT_EQ(device->wait().code, 130);
}

// A model of 4 million values, 16 MB, on a device that gives 8 MB: both sides say why, and nothing dies of
// it.
TEST_F(DeviceTest, AModelThatDoesNotFitIsRefused) {
  if (!kLimitsMemory) GTEST_SKIP() << "a sanitizer owns operator new";
  DeployedFederation federation(folder_, kClients,
                                set({"rounds=1000000", "model={name: mlp, hidden: [2000, 2000]}"}));
  federation.start_server(kAnyPort);
  const auto device = start_device(0, federation.endpoint(), "limits: {memory: 8MB}\n");
  const Ended ended = device->wait();
  EXPECT_EQ(ended.code, 1) << ended.err;
  EXPECT_NE(ended.err.find("limits.memory allows 8.0 MB, of which "), std::string::npos) << ended.err;
  EXPECT_TRUE(federation.wait_for_event("limits.memory"));
  EXPECT_TRUE(federation.server().running());
}

// The same model fits into 200 MB.
TEST_F(DeviceTest, AModelThatFitsIsTrained) {
  DeployedFederation federation(folder_, kClients,
                                set({"rounds=1", "model={name: mlp, hidden: [2000, 2000]}"}));
  federation.start_server(kAnyPort);
  federation.start_client(1);
  federation.start_client(2);
  const auto device = start_device(0, federation.endpoint(), "limits: {memory: 200MB}\n");
  (void)federation.expect_good_end();
  EXPECT_EQ(device->wait().code, 0);
}

TEST_F(DeviceTest, SlipsAreToldAtOnce) {
  const auto told = [&](const Words& words) {
    const Ended ended = Process(Words{kDeviceProgram} + words).wait();
    EXPECT_EQ(ended.code, 2) << ended.err;
    return ended.err;
  };
  EXPECT_NE(told({}).find("which device?"), std::string::npos);
  EXPECT_NE(told({"gone.yaml"}).find("gone.yaml"), std::string::npos);
  EXPECT_NE(told({device_file(7, "tcp://127.0.0.1:1")}).find("clients 0"), std::string::npos);
  EXPECT_NE(told({device_file(0, "tcp://far.example:1")}).find("without keys"), std::string::npos);
  EXPECT_NE(told({device_file(0, "tcp://127.0.0.1:1", "when: {hours: noon}\n")}).find("when.hours"),
            std::string::npos);
}

TEST_F(DeviceTest, MakesItsKey) {
  const std::string file = folder_ / "own.key";
  const Ended ended = Process({kDeviceProgram, "--new-key", file}).wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out.size(), 65U) << "64 digits and a line's end";
  EXPECT_NE(contents(file).find(ended.out.substr(0, 64)), std::string::npos);
  EXPECT_EQ(Process({kDeviceProgram, "--new-key", file}).wait().code, 2) << "no key is overwritten";
}

}  // namespace
}  // namespace fedloom::testing
