// One suite for every kind of channel: whatever a channel promises in transport/channel.hpp holds in
// process, over ipc and over tcp.
#include <deque>
#include <set>
#include <thread>

#include "tests/transport/channel_world.hpp"

namespace fedloom {
namespace {

using namespace fedloom::testing;  // NOLINT

constexpr std::size_t kMiB = std::size_t{1} << 20U;

class ChannelConformance : public ::testing::TestWithParam<std::string> {
 protected:
  World world{GetParam()};

  std::unique_ptr<Node> joined_client(Node& server, const ChannelOptions& options = {}) {
    const std::size_t before = server.seen.joined();
    auto client = world.client(server.channel->endpoint(), options);
    EXPECT_TRUE(world.wait([&] { return client->seen.joined() == 1 && server.seen.joined() == before + 1; }));
    return client;
  }
};

TEST_P(ChannelConformance, BothSidesHearOfEachOther) {
  auto server = world.server();
  auto client = joined_client(*server);
  EXPECT_EQ(client->channel->peers(), std::vector<PeerId>{kServerPeer});
  EXPECT_EQ(server->channel->peers(), std::vector<PeerId>{1});
}

TEST_P(ChannelConformance, AClientMayComeBeforeItsServer) {
  auto first = world.server();
  const std::string endpoint = first->channel->endpoint();
  first.reset();
  auto client = world.client(endpoint);
  auto server = world.server_at(endpoint);
  ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 1; }));
}

TEST_P(ChannelConformance, MessagesOfEverySizeArriveWholeAndAligned) {
  auto server = world.server();
  auto client = joined_client(*server);
  std::vector<Message> sent;
  std::uint16_t type = 0;
  const auto add = [&](std::size_t head, const std::vector<std::size_t>& blobs) {
    sent.push_back(make_message(++type, head, blobs));
  };
  add(0, {});                                      // nothing at all
  add(5, {});                                      // a head alone
  add(0, {0});                                     // an empty blob
  add(17, {1, 0, 63, 64, 65});                     // odd sizes
  add(40'000, {1000});                             // a head that would follow if the message were large
  add(100'000, {});                                // a large head alone
  add(3 * kMiB, {kMiB, 7});                        // a head of several chunks
  add(10, {64 * 1024});                            // just too large for one frame
  add(10, {5 * kMiB + 13});                        // many chunks
  add(10, {kMiB, 0, 3, 70'000, 2 * kMiB + 1, 9});  // chunks that end and begin in odd places
  add(10, std::vector<std::size_t>(4096, 33));     // more small blobs than fit one chunk's pieces
  add(10, std::vector<std::size_t>(4096, 0));
  for (const Message& message : sent) server->channel->send(1, message);
  for (const Message& message : sent) client->channel->send(kServerPeer, message);
  ASSERT_TRUE(world.wait([&] {
    return client->seen.messages.size() >= sent.size() && server->seen.messages.size() >= sent.size();
  }));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_TRUE(same(client->seen.messages[i].second, sent[i])) << "message " << i << " at the client";
    EXPECT_TRUE(same(server->seen.messages[i].second, sent[i])) << "message " << i << " at the server";
    for (const Blob& blob : client->seen.messages[i].second.blobs)
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blob.data()) % Blob::kAlignment, 0U);
  }
}

TEST_P(ChannelConformance, OrderIsKeptAcrossSizes) {
  auto server = world.server();
  auto client = joined_client(*server);
  constexpr std::uint16_t kCount = 300;
  for (std::uint16_t i = 0; i < kCount; ++i) {
    const std::size_t size = i % 7 == 3 ? 700'000 : i % 5 == 1 ? 70'000 : 20;
    client->channel->send(kServerPeer, {i, "", {Blob::allocate(size)}});
    server->channel->send(1, {i, "", {Blob::allocate(size)}});
  }
  ASSERT_TRUE(world.wait(
      [&] { return server->seen.messages.size() == kCount && client->seen.messages.size() == kCount; }));
  for (std::uint16_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(server->seen.messages[i].second.type, i);
    ASSERT_EQ(client->seen.messages[i].second.type, i);
  }
}

TEST_P(ChannelConformance, ManyPeersEachGetTheirOwn) {
  auto server = world.server();
  constexpr std::size_t kClients = 20;
  std::vector<std::unique_ptr<Node>> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.push_back(world.client(server->channel->endpoint()));
  ASSERT_TRUE(world.wait([&] { return server->seen.joined() == kClients; }));
  for (const PeerId peer : server->channel->peers())
    server->channel->send(peer, make_message(static_cast<std::uint16_t>(peer), 3, {200'000}));
  ASSERT_TRUE(world.wait([&] {
    return std::ranges::all_of(clients, [](const auto& c) { return c->seen.messages.size() == 1; });
  }));
  std::set<std::uint16_t> types;
  for (const auto& client : clients) {
    const Message& message = client->seen.messages[0].second;
    EXPECT_TRUE(same(message, make_message(message.type, 3, {200'000})));
    types.insert(message.type);
    client->channel->send(kServerPeer, message);
  }
  EXPECT_EQ(types.size(), kClients);
  ASSERT_TRUE(world.wait([&] { return server->seen.messages.size() == kClients; }));
  for (const auto& [peer, message] : server->seen.messages) EXPECT_EQ(message.type, peer);
}

TEST_P(ChannelConformance, ReceiveBudgetIsKept) {
  ChannelOptions options;
  options.receive_budget_bytes = 8 * kMiB;
  auto server = world.server(options);
  std::vector<std::unique_ptr<Node>> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(joined_client(*server));
  for (const auto& client : clients)
    for (std::uint16_t i = 0; i < 3; ++i) client->channel->send(kServerPeer, make_message(i, 0, {3 * kMiB}));
  // The server holds what it has; only letting go makes room for more.
  for (std::size_t taken = 0; taken < 18; ++taken) {
    ASSERT_TRUE(world.wait([&] { return !server->seen.messages.empty(); })) << taken;
    EXPECT_LE(server->channel->stats().receive_bytes, 8 * kMiB);
    const auto first = server->seen.messages.begin();
    EXPECT_TRUE(same(first->second, make_message(first->second.type, 0, {3 * kMiB})));
    server->seen.messages.erase(first);
  }
  EXPECT_LE(server->channel->stats().peak_receive_bytes, 8 * kMiB);
  EXPECT_TRUE(world.wait([&] { return server->channel->stats().receive_bytes == 0; }));
}

TEST_P(ChannelConformance, KeptMemoryDoesNotCount) {
  ChannelOptions options;
  options.receive_budget_bytes = 4 * kMiB;
  auto server = world.server(options);
  auto client = joined_client(*server);
  std::vector<Message> kept;
  server->channel->set_handlers({.on_message = [&](PeerId, Message&& message) {
    server->channel->keep(message.blobs[0]);
    kept.push_back(std::move(message));
  }});
  for (std::uint16_t i = 0; i < 5; ++i) client->channel->send(kServerPeer, make_message(i, 0, {3 * kMiB}));
  ASSERT_TRUE(world.wait([&] { return kept.size() == 5; }));
  EXPECT_EQ(server->channel->stats().receive_bytes, 0U);
  for (std::uint16_t i = 0; i < 5; ++i) EXPECT_TRUE(same(kept[i], make_message(i, 0, {3 * kMiB})));
}

TEST_P(ChannelConformance, OneMessageAboveTheBudgetIsLetIn) {
  ChannelOptions options;
  options.receive_budget_bytes = kMiB;
  auto server = world.server(options);
  auto client = joined_client(*server);
  for (std::uint16_t i = 0; i < 3; ++i) client->channel->send(kServerPeer, make_message(i, 0, {5 * kMiB}));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(world.wait([&] { return !server->seen.messages.empty(); }));
    EXPECT_EQ(server->seen.messages.size(), 1U + (world.is_wire() ? 0U : server->seen.messages.size() - 1));
    server->seen.messages.erase(server->seen.messages.begin());
  }
}

TEST_P(ChannelConformance, UploadsShareTheBudgetFairly) {
  if (!world.is_wire()) GTEST_SKIP() << "nothing waits for memory in process";
  ChannelOptions options;
  options.receive_budget_bytes = 4 * kMiB;
  auto server = world.server(options);
  constexpr std::size_t kClients = 4;
  constexpr std::size_t kEach = 20;
  std::vector<std::unique_ptr<Node>> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.push_back(joined_client(*server));
  std::map<PeerId, std::size_t> done;
  std::size_t widest = 0;
  std::size_t total = 0;
  server->channel->set_handlers({.on_message = [&](PeerId peer, Message&&) {
    ++done[peer];
    ++total;
    // While all have something left, nobody runs ahead by more than what may be announced at a time.
    if (total > kClients * kEach / 2) return;
    std::size_t least = kEach;
    for (PeerId id = 1; id <= kClients; ++id) least = std::min(least, done[id]);
    widest = std::max(widest, done[peer] - least);
  }});
  for (const auto& client : clients)
    for (std::size_t i = 0; i < kEach; ++i)
      client->channel->send(kServerPeer, {0, "", {Blob::allocate(kMiB)}});
  ASSERT_TRUE(world.wait([&] { return total == kClients * kEach; }));
  EXPECT_LE(widest, 8U);
}

TEST_P(ChannelConformance, AFullQueueIsAnEventAndLosesNothingElse) {
  // The server's thread does nothing, so the client's queue fills.
  auto hub = make_inproc_hub();
  TemporaryFolder folder;
  ChannelOptions options;
  options.hub = hub;
  options.max_queue_bytes = 4 * kMiB;
  options.heartbeat_timeout = 1000 * kSecond;
  AsioExecutor server_executor;
  Recorder at_server;
  auto server = make_server_channel(world.fresh_endpoint(), server_executor, options);
  at_server.attach(*server);
  const std::string endpoint = server->endpoint();
  AsioExecutor client_executor;
  Recorder at_client;
  auto client = make_client_channel(endpoint, client_executor, options);
  at_client.attach(*client);
  std::thread serving([&] { server_executor.run(); });
  const bool joined = client_executor.run_until([&] { return at_client.joined() == 1; }, kDeadline);
  server_executor.stop();
  serving.join();
  ASSERT_TRUE(joined);

  std::uint16_t sent = 0;
  while (at_client.refused(Reason::limit) == 0 && sent < 10'000) {
    client->send(kServerPeer, {sent, "", {Blob::allocate(50'000)}});
    bool turned = false;
    client_executor.post([&] { turned = true; });
    ASSERT_TRUE(client_executor.run_until([&] { return turned; }, kDeadline));
    ++sent;
  }
  ASSERT_EQ(at_client.refused(Reason::limit), 1U);
  const auto accepted = static_cast<std::size_t>(sent - 1);

  std::thread sending([&] { client_executor.run(); });
  server_executor.run_until([&] { return at_server.messages.size() == accepted; }, kDeadline);
  client_executor.stop();
  sending.join();
  ASSERT_EQ(at_server.messages.size(), accepted);
  for (std::size_t i = 0; i < accepted; ++i) ASSERT_EQ(at_server.messages[i].second.type, i);
  EXPECT_EQ(client->stats().refusals(Reason::limit), 1U);
}

TEST_P(ChannelConformance, NobodyIsToldApart) {
  auto server = world.server();
  server->channel->send(7, make_message(1, 1));
  ASSERT_TRUE(world.wait([&] { return server->seen.refused(Reason::disconnected) == 1; }));
  EXPECT_EQ(server->seen.refusals[0].peer, 7U);
}

TEST_P(ChannelConformance, MessagesAboveThePeersCapsAreRefusedBeforeTheyLeave) {
  ChannelOptions narrow;
  narrow.max_message_bytes = kMiB;
  narrow.max_head_bytes = 100;
  narrow.max_blobs = 2;
  auto server = world.server(narrow);
  auto client = joined_client(*server);
  client->channel->send(kServerPeer, make_message(1, 0, {kMiB + 1}));
  client->channel->send(kServerPeer, make_message(2, 101));
  client->channel->send(kServerPeer, make_message(3, 0, {1, 1, 1}));
  client->channel->send(kServerPeer, make_message(4, 100, {kMiB - 101, 1}));
  ASSERT_TRUE(
      world.wait([&] { return server->seen.messages.size() == 1 && client->seen.refusals.size() == 3; }));
  EXPECT_EQ(client->seen.refused(Reason::limit), 3U);
  EXPECT_EQ(server->seen.messages[0].second.type, 4);
}

TEST_P(ChannelConformance, AServerLimitsItsPeers) {
  ChannelOptions options;
  options.max_peers = 1;
  auto server = world.server(options);
  auto first = joined_client(*server);
  auto second = world.client(server->channel->endpoint());
  ASSERT_TRUE(world.wait([&] { return second->seen.refused(Reason::limit) == 1; }));
  EXPECT_EQ(second->seen.joined(), 0U);
  EXPECT_EQ(server->channel->peers(), std::vector<PeerId>{1});
}

TEST_P(ChannelConformance, GoodbyeComesAfterTheLastMessage) {
  auto server = world.server();
  auto client = joined_client(*server);
  for (std::uint16_t i = 0; i < 5; ++i) client->channel->send(kServerPeer, make_message(i, 10));
  client->channel->close();
  ASSERT_TRUE(world.wait([&] { return server->seen.left() == 1; }));
  EXPECT_EQ(server->seen.messages.size(), 5U);
  EXPECT_EQ(server->seen.changes.back(), (Recorder::Change{1, PeerChange::left, Reason::none}));
  EXPECT_TRUE(server->channel->peers().empty());
}

TEST_P(ChannelConformance, DisconnectTellsThePeerWhyAndItStaysAway) {
  auto server = world.server();
  auto client = joined_client(*server);
  auto other = joined_client(*server);
  server->channel->disconnect(1, Reason::late);
  ASSERT_TRUE(world.wait([&] { return client->seen.left() == 1 && server->seen.left() == 1; }));
  EXPECT_EQ(client->seen.changes.back(), (Recorder::Change{kServerPeer, PeerChange::left, Reason::late}));
  EXPECT_EQ(server->seen.changes.back(), (Recorder::Change{1, PeerChange::left, Reason::late}));
  client->channel->send(kServerPeer, make_message(1, 1));
  other->channel->send(kServerPeer, make_message(2, 1));
  ASSERT_TRUE(
      world.wait([&] { return server->seen.messages.size() == 1 && client->seen.refusals.size() == 1; }));
  EXPECT_EQ(server->seen.messages[0].first, 2U);
  EXPECT_EQ(client->seen.refused(Reason::disconnected), 1U);
  EXPECT_EQ(client->seen.joined(), 1U);
}

TEST_P(ChannelConformance, AClientMayLeave) {
  auto server = world.server();
  auto client = joined_client(*server);
  client->channel->disconnect(kServerPeer, Reason::none);
  ASSERT_TRUE(world.wait([&] { return client->seen.left() == 1 && server->seen.left() == 1; }));
  EXPECT_TRUE(client->channel->peers().empty());
}

TEST_P(ChannelConformance, ClientsRejoinARestartedServer) {
  auto server = world.server();
  const std::string endpoint = server->channel->endpoint();
  auto client = joined_client(*server);
  server.reset();
  ASSERT_TRUE(world.wait([&] { return client->seen.left() == 1; }));
  EXPECT_EQ(client->seen.changes.back().reason, Reason::none);
  auto next = world.server_at(endpoint);
  ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 2 && next->seen.joined() == 1; }));
  client->channel->send(kServerPeer, make_message(1, 0, {kMiB}));
  ASSERT_TRUE(world.wait([&] { return next->seen.messages.size() == 1; }));
  EXPECT_TRUE(same(next->seen.messages[0].second, make_message(1, 0, {kMiB})));
}

TEST_P(ChannelConformance, ClosingWithMuchToSendEnds) {
  auto server = world.server();
  auto client = joined_client(*server);
  for (std::uint16_t i = 0; i < 20; ++i) client->channel->send(kServerPeer, make_message(i, 0, {4 * kMiB}));
  client->channel->close();
  client->channel->close();                                 // again is harmless
  client->channel->send(kServerPeer, make_message(99, 1));  // and so is talking to a closed channel
  client->channel->disconnect(kServerPeer, Reason::none);
  ASSERT_TRUE(world.wait([&] { return server->seen.left() == 1; }));
  for (const auto& [peer, message] : server->seen.messages)
    EXPECT_TRUE(same(message, make_message(message.type, 0, {4 * kMiB})));  // whole or not at all
  server->seen.messages.clear();
  EXPECT_EQ(server->channel->stats().receive_bytes, 0U);
}

TEST_P(ChannelConformance, HandlersMayCloseTheirChannel) {
  auto server = world.server();
  auto client = joined_client(*server);
  int heard = 0;
  client->channel->set_handlers({.on_message = [&](PeerId, Message&&) {
    ++heard;
    client->channel->close();
  }});
  for (std::uint16_t i = 0; i < 5; ++i) server->channel->send(1, make_message(i, 10));
  ASSERT_TRUE(world.wait([&] { return server->seen.left() == 1; }));
  EXPECT_EQ(heard, 1);
}

TEST_P(ChannelConformance, StatsEqualWireSize) {
  ChannelOptions options;
  auto server = world.server(options);
  auto client = joined_client(*server, options);
  std::uint64_t expected = 0;
  std::uint64_t payload = 0;
  std::uint64_t count = 0;
  for (const std::size_t size : {0U, 1U, 1000U, 65'000U, 65'536U, 300'000U, 524'288U, 524'289U, 3'000'000U}) {
    const Message message = make_message(static_cast<std::uint16_t>(size % 97), size % 50'000, {size, 0, 17});
    expected += wire_size(message, options);
    payload += payload_size(message);
    ++count;
    client->channel->send(kServerPeer, message);
  }
  ASSERT_TRUE(world.wait([&] { return server->seen.messages.size() == count; }));
  const Traffic sent = client->channel->stats().sent;
  const Traffic received = server->channel->stats().received;
  EXPECT_EQ(sent.wire_bytes(), expected);
  EXPECT_EQ(received.wire_bytes(), expected);
  EXPECT_EQ(sent.payload_bytes, payload);
  EXPECT_EQ(received.payload_bytes, payload);
  EXPECT_EQ(sent.messages, count);
  EXPECT_EQ(received.messages, count);
  EXPECT_EQ(client->channel->stats().queued_bytes, 0U);
}

TEST_P(ChannelConformance, BlobsAreSharedNotCopiedBySending) {
  auto server = world.server();
  auto client = joined_client(*server);
  auto owner = std::make_shared<FloatBuffer>(2 * kMiB, 1.5F);
  const std::weak_ptr<FloatBuffer> watched = owner;
  server->channel->send(1, {1, "", {Blob::view(owner, *owner)}});
  owner.reset();
  ASSERT_TRUE(world.wait([&] { return client->seen.messages.size() == 1; }));
  const auto values = client->seen.messages[0].second.blobs[0].as<float>();
  EXPECT_EQ(values.size(), 2 * kMiB);
  EXPECT_TRUE(std::ranges::all_of(values, [](float v) { return v == 1.5F; }));
  client->seen.messages.clear();
  client.reset();
  server.reset();  // ends the socket's threads, and with them the last use
  EXPECT_TRUE(watched.expired());
}

TEST_P(ChannelConformance, TwoThreadsTalk) {
  ChannelOptions options = world.with_hub({});
  AsioExecutor server_executor;
  auto server = make_server_channel(world.fresh_endpoint(), server_executor, options);
  server->set_handlers({.on_message = [&](PeerId peer, Message&& m) { server->send(peer, std::move(m)); }});
  const std::string endpoint = server->endpoint();
  std::thread serving([&] { server_executor.run(); });
  constexpr std::size_t kCount = 400;
  Recorder seen;
  {
    AsioExecutor client_executor;
    auto client = make_client_channel(endpoint, client_executor, options);
    seen.attach(*client);
    ASSERT_TRUE(client_executor.run_until([&] { return seen.joined() == 1; }, kDeadline));
    for (std::uint16_t i = 0; i < kCount; ++i)
      client->send(kServerPeer, make_message(i, 5, {i % 10 == 0 ? std::size_t{300'000} : std::size_t{100}}));
    EXPECT_TRUE(client_executor.run_until([&] { return seen.messages.size() == kCount; }, kDeadline));
  }
  for (std::size_t i = 0; i < seen.messages.size(); ++i) ASSERT_EQ(seen.messages[i].second.type, i);
  server_executor.stop();
  serving.join();
}

TEST_P(ChannelConformance, ATakenEndpointIsAUserError) {
  auto server = world.server();
  EXPECT_THROW(world.server_at(server->channel->endpoint()), UserError);
  auto client = joined_client(*server);  // the first still serves
}

INSTANTIATE_TEST_SUITE_P(Kinds, ChannelConformance, ::testing::Values("inproc", "ipc", "tcp"),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace fedloom
