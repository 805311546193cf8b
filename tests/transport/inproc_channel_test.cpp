// What only channels inside one process do: work on virtual time, and hand blobs over untouched.
#include "core/simulated_executor.hpp"
#include "tests/transport/channel_world.hpp"

namespace fedloom {
namespace {

using namespace fedloom::testing;  // NOLINT

struct Virtual {
  SimulatedExecutor executor;
  ChannelOptions options;
  Virtual() { options.hub = make_inproc_hub(); }
};

TEST(InprocChannel, WorksOnVirtualTime) {
  Virtual world;
  Recorder at_server;
  Recorder at_client;
  auto server = make_server_channel("inproc", world.executor, world.options);
  at_server.attach(*server);
  auto client = make_client_channel(server->endpoint(), world.executor, world.options);
  at_client.attach(*client);
  world.executor.after(5, [&] { client->send(kServerPeer, make_message(1, 10, {1000})); });
  world.executor.run();  // until nothing is left: no heartbeat keeps virtual time going
  EXPECT_EQ(world.executor.now(), 5);
  EXPECT_EQ(at_client.joined(), 1U);
  ASSERT_EQ(at_server.messages.size(), 1U);
}

TEST(InprocChannel, HandsOverTheSameMemory) {
  Virtual world;
  Recorder at_client;
  auto server = make_server_channel("inproc", world.executor, world.options);
  auto client = make_client_channel("inproc", world.executor, world.options);
  at_client.attach(*client);
  world.executor.run();
  const Message message = make_message(1, 0, {5'000'000});
  server->send(1, message);
  world.executor.run();
  ASSERT_EQ(at_client.messages.size(), 1U);
  EXPECT_EQ(at_client.messages[0].second.blobs[0].data(), message.blobs[0].data());
}

// A client that goes before the server's answer reaches it leaves nothing behind.
TEST(InprocChannel, AClientMayCloseWhileItIsBeingConnected) {
  Virtual world;
  Recorder at_server;
  auto server = make_server_channel("inproc", world.executor, world.options);
  at_server.attach(*server);
  for (int steps = 0; steps < 4; ++steps) {
    auto client = make_client_channel("inproc", world.executor, world.options);
    for (int i = 0; i < steps; ++i) world.executor.step();
    client.reset();
    world.executor.run();
    EXPECT_TRUE(server->peers().empty()) << "closed after " << steps << " steps";
    EXPECT_EQ(at_server.joined(), at_server.left());
  }
}

TEST(InprocChannel, NeedsItsHubAndSocketsNeedTheRealExecutor) {
  SimulatedExecutor executor;
  EXPECT_DEATH(make_server_channel("inproc", executor, {}), "needs ChannelOptions::hub");
  EXPECT_DEATH(make_server_channel("tcp://127.0.0.1:0", executor, {}), "needs an AsioExecutor");
}

}  // namespace
}  // namespace fedloom
