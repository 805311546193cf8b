// Devices with another processor than the server's: their federation learns as one of the server's own kind
// does. FEDLOOM_DEVICE is how such a client is started here, e.g. under qemu; `make test-arm` sets it.
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "datasets/data_source.hpp"
#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kClients = 3;
// An emulated processor is a hundred times slower than this one, and this one may be busy.
constexpr std::chrono::minutes kEmulated{20};

Words device_words() {
  const char* words = std::getenv("FEDLOOM_DEVICE");
  std::istringstream stream(words == nullptr ? "" : words);
  return {std::istream_iterator<std::string>(stream), {}};
}

// Sums are order-free but not those within a matrix product, and vectors of other widths round otherwise:
// equal bits are not to be had, equal learning is.
TEST(OtherProcessors, LearnMnistAsWell) {
  if (device_words().empty()) GTEST_SKIP() << "FEDLOOM_DEVICE is not set; run make test-arm";
  // Whoever names a device wants to see it learn.
  ASSERT_TRUE(std::filesystem::exists(default_data_dir() + "/mnist"))
      << "no MNIST in " << default_data_dir() << "; fedloom data get mnist";
  const TempFolder folder;
  const std::string experiment =
      folder.write("mnist.yaml",
                   "seed: 1\nrounds: 6\ndata: {source: mnist, partition: iid, clients: 3, train_limit: "
                   "6000}\nmodel: lenet5\n"
                   "strategy: fedavg\ntrain: {epochs: 1, batch_size: 20, lr: 0.1, lr_decay: 0.6}\n"
                   "pacer: {name: sync, clients_per_round: 3}\nsampler: all\nevaluate: {every: 0}\n");
  const auto accuracy = [&](const Words& client) {
    const std::string out = folder / (client.size() == 1 ? "native" : "other");
    const auto server =
        start({"server", experiment, "--listen", "tcp://127.0.0.1:0", "--out", out, "--no-report"});
    const std::string line = server->wait_for_line("listening on ");
    const std::size_t begin = line.find("listening on ") + 13;
    std::vector<std::unique_ptr<Process>> devices;
    for (std::size_t i = 0; i < kClients; ++i) {
      const std::string file = folder.write(
          "device.yaml",
          "connect: " + line.substr(begin, line.find(';') - begin) + "\nclient: " + std::to_string(i) +
              "\nexperiment: mnist.yaml\nlimits: {nice: 0}\nstate: s" + std::to_string(i) + "\n");
      devices.push_back(std::make_unique<Process>(client + Words{file}));
      EXPECT_NE(devices.back()->wait_for_line("connecting to"), "")
          << devices.back()->err();  // it has read the file
    }
    const Ended ended = server->wait_for(kEmulated).value_or(Ended{});
    EXPECT_EQ(ended.code, 0) << server->err();
    return read_summary(out + "/summary.json").final_test_accuracy.value_or(0.0);
  };
  const double native = accuracy({FEDLOOM_BINARY_DIR "/fedloom-client"});
  const double other = accuracy(device_words());
  EXPECT_GT(native, 0.6);
  EXPECT_NEAR(other, native, 0.001);
  std::printf("MNIST after 6 rounds: native %.4f, other %.4f\n", native, other);
}

}  // namespace
}  // namespace fedloom::testing
