// What only sockets can suffer: garbage, liars, other versions, silence, cut connections; and that our
// counts are the bytes that really went over the wire.
#include <cstring>
#include <random>

#include "tests/transport/channel_world.hpp"
#include "tests/transport/raw_peer.hpp"
#include "tests/transport/relay.hpp"
#include "transport/endpoint.hpp"
#include "transport/frame.hpp"
#include "transport/outbound.hpp"
#include "transport/zmq_link.hpp"

namespace fedloom {
namespace {

using namespace fedloom::testing;  // NOLINT

constexpr std::size_t kMiB = std::size_t{1} << 20U;

class ZmqChannelTest : public ::testing::TestWithParam<std::string> {
 protected:
  World world{GetParam()};

  /// Waits although nothing that happens outside wakes our executor.
  bool wait_polling(const std::function<bool()>& done) {
    std::function<void()> turn = [&] { world.executor.after(kMillisecond, turn); };
    turn();
    const bool held = world.wait(done);
    bool last = false;
    turn = [&] { last = true; };
    world.executor.run_until([&] { return last; }, kDeadline);
    return held;
  }
  /// A peer that has said hello and was welcomed.
  std::unique_ptr<RawPeer> raw_joined(Node& server) {
    auto peer = std::make_unique<RawPeer>(zmq::socket_type::dealer);
    const std::size_t before = server.seen.joined();
    peer->connect(server.channel->endpoint());
    peer->hello(before + 1000);
    EXPECT_TRUE(world.wait([&] { return server.seen.joined() == before + 1; }));
    return peer;
  }
  void expect_still_serving(Node& server) {
    auto client = world.client(server.channel->endpoint());
    const std::size_t before = server.seen.messages.size();
    ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 1; }));
    client->channel->send(kServerPeer, make_message(5, 3, {100'000}));
    ASSERT_TRUE(world.wait([&] { return server.seen.messages.size() == before + 1; }));
    EXPECT_TRUE(same(server.seen.messages.back().second, make_message(5, 3, {100'000})));
  }
};

TEST_P(ZmqChannelTest, GarbageFramesAreRefusedAndTheirSenderIsIgnoredAfterAFew) {
  auto server = world.server();
  RawPeer garbage(zmq::socket_type::dealer);
  garbage.connect(server->channel->endpoint());
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::vector<std::string> parts(1 + random() % 4);
    for (std::string& part : parts) {
      part.resize(random() % 300);
      for (char& c : part) c = static_cast<char>(random());
    }
    garbage.send(parts);
  }
  ASSERT_TRUE(world.wait([&] { return server->channel->stats().refusals(Reason::malformed) == 200; }));
  EXPECT_EQ(server->seen.refused(Reason::malformed), 3U);  // then nobody listens
  EXPECT_EQ(server->seen.joined(), 0U);
  EXPECT_GT(server->channel->stats().received.refused_bytes, 0U);
  garbage.hello();  // too late
  expect_still_serving(*server);
  EXPECT_EQ(server->seen.joined(), 1U);
}

TEST_P(ZmqChannelTest, APeerThatBeginsToTalkNonsenseIsDropped) {
  auto server = world.server();
  auto peer = raw_joined(*server);
  for (int i = 0; i < 3; ++i) peer->send({"nonsense"});
  ASSERT_TRUE(world.wait([&] { return server->seen.left() == 1; }));
  EXPECT_EQ(server->seen.changes.back(), (Recorder::Change{1, PeerChange::left, Reason::malformed}));
  EXPECT_EQ(server->seen.refused(Reason::malformed), 3U);
  std::vector<std::string> last;
  ASSERT_TRUE(wait_polling([&] {
    const auto next = peer->receive();
    if (!next.empty()) last = next;
    return !last.empty() && kind_of(last[0]) == FrameKind::goodbye;
  }));
  expect_still_serving(*server);
}

// 3 MB at 20 MB/s in chunks of 256 KiB: when the last chunk leaves, all others are paid for.
TEST_P(ZmqChannelTest, ASenderKeepsToItsRate) {
  auto server = world.server();
  ChannelOptions options;
  options.chunk_bytes = 256U << 10U;
  options.send_rate = 20'000'000;
  auto client = world.client(server->channel->endpoint(), options);
  ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 1; }));
  const Tick begin = world.executor.now();
  for (std::uint16_t i = 0; i < 3; ++i) client->channel->send(kServerPeer, make_message(i, 3, {1'000'000}));
  ASSERT_TRUE(world.wait([&] { return server->seen.messages.size() == 3; }));
  EXPECT_GE(world.executor.now() - begin, (3'000'000 - (256 << 10)) / 20 * kMicrosecond);
  EXPECT_TRUE(same(server->seen.messages[2].second, make_message(2, 3, {1'000'000})));
}

// 12 MB at 20 MB/s. Credits are for 2 MiB ahead, and the last waits until what came before is paid for.
TEST_P(ZmqChannelTest, AReceiverGivesCreditsAtItsRate) {
  auto server = world.server();
  ChannelOptions options;
  options.receive_rate = 20'000'000;
  auto client = world.client(server->channel->endpoint(), options);
  ASSERT_TRUE(world.wait([&] { return server->seen.joined() == 1; }));
  const Tick begin = world.executor.now();
  for (std::uint16_t i = 0; i < 3; ++i) server->channel->send(1, make_message(i, 3, {4'000'000}));
  ASSERT_TRUE(world.wait([&] { return client->seen.messages.size() == 3; }));
  EXPECT_GE(world.executor.now() - begin, (12'000'000 - (2 << 20)) / 20 * kMicrosecond);
  EXPECT_TRUE(same(client->seen.messages[2].second, make_message(2, 3, {4'000'000})));
}

TEST_P(ZmqChannelTest, StrangersAreToldToSayHello) {
  auto server = world.server();
  RawPeer stranger(zmq::socket_type::dealer);
  stranger.connect(server->channel->endpoint());
  std::vector<std::byte> body;
  append(body, MessageShape{1, 0, {}});
  stranger.send(make_frame({.kind = FrameKind::message}, body));
  ASSERT_TRUE(world.wait([&] { return server->seen.refused(Reason::disconnected) == 1; }));
  EXPECT_EQ(server->seen.refusals[0].peer, kNoPeer);
  EXPECT_TRUE(server->seen.messages.empty());
  std::vector<std::string> answer;
  ASSERT_TRUE(wait_polling([&] { return !(answer = stranger.receive()).empty(); }));
  EXPECT_EQ(kind_of(answer[0]), FrameKind::refuse);
}

TEST_P(ZmqChannelTest, AClientOfAnotherVersionIsRefusedWithBothNumbers) {
  auto server = world.server();
  RawPeer newer(zmq::socket_type::dealer);
  newer.connect(server->channel->endpoint());
  OutFrame hello = make_frame({.kind = FrameKind::hello}, encode(Greeting{1, 1, 1, 1}));
  hello.first[4] = std::byte{9};
  newer.send(hello);
  ASSERT_TRUE(world.wait([&] { return server->seen.refused(Reason::version) == 1; }));
  EXPECT_NE(server->seen.refusals[0].text.find("version 9"), std::string::npos)
      << server->seen.refusals[0].text;
  EXPECT_NE(server->seen.refusals[0].text.find(fmt::format("version {}", kProtocolVersion)),
            std::string::npos)
      << server->seen.refusals[0].text;
  std::vector<std::string> answer;
  ASSERT_TRUE(wait_polling([&] { return !(answer = newer.receive()).empty(); }));
  EXPECT_EQ(kind_of(answer[0]), FrameKind::refuse);
  EXPECT_EQ(answer[0][4], kProtocolVersion);  // our version, for the other to see
}

TEST_P(ZmqChannelTest, AServerOfAnotherVersionIsRefusedWithBothNumbers) {
  RawPeer server(zmq::socket_type::router);
  const std::string endpoint =
      server.bind(GetParam() == "ipc" ? world.fresh_endpoint() : "tcp://127.0.0.1:*");
  auto client = world.client(endpoint);
  std::vector<std::string> hello;
  ASSERT_TRUE(wait_polling([&] { return !(hello = server.receive()).empty(); }));
  OutFrame welcome = make_frame({.kind = FrameKind::welcome}, encode(Greeting{1, 1, 1, 1}));
  welcome.first[4] = std::byte{9};
  server.send(
      {hello[0], std::string(reinterpret_cast<const char*>(welcome.first.data()), welcome.first.size())});
  ASSERT_TRUE(world.wait([&] { return client->seen.refused(Reason::version) == 1; }));
  EXPECT_NE(client->seen.refusals[0].text.find("version 9"), std::string::npos)
      << client->seen.refusals[0].text;
  EXPECT_EQ(client->seen.joined(), 0U);
}

TEST_P(ZmqChannelTest, ASilentPeerIsNoticed) {
  ChannelOptions options;
  options.heartbeat_interval = 10 * kMillisecond;
  options.heartbeat_timeout = 50 * kMillisecond;
  auto server = world.server(options);
  auto peer = raw_joined(*server);
  ASSERT_TRUE(world.wait([&] { return server->seen.left() == 1; }));
  EXPECT_EQ(server->seen.changes.back().reason, Reason::disconnected);
}

TEST_P(ZmqChannelTest, ASilentServerIsNoticedAndGreetedAgain) {
  RawPeer server(zmq::socket_type::router);
  const std::string endpoint =
      server.bind(GetParam() == "ipc" ? world.fresh_endpoint() : "tcp://127.0.0.1:*");
  ChannelOptions options;
  options.heartbeat_interval = 10 * kMillisecond;
  options.heartbeat_timeout = 50 * kMillisecond;
  auto client = world.client(endpoint, options);
  std::vector<std::string> packet;
  ASSERT_TRUE(wait_polling([&] { return !(packet = server.receive()).empty(); }));
  const OutFrame welcome = make_frame({.kind = FrameKind::welcome}, encode(Greeting{1, 1, 1, 1}));
  const std::string text(reinterpret_cast<const char*>(welcome.first.data()), welcome.first.size());
  server.send({packet[0], text});
  ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 1 && client->seen.left() == 1; }));
  int hellos = 0;
  ASSERT_TRUE(wait_polling([&] {
    for (packet = server.receive(); !packet.empty(); packet = server.receive())
      hellos += kind_of(packet[1]) == FrameKind::hello ? 1 : 0;
    return hellos > 0;
  }));
}

TEST_P(ZmqChannelTest, LivePeersOutliveManyTimeouts) {
  ChannelOptions options;
  options.heartbeat_interval = 20 * kMillisecond;
  options.heartbeat_timeout = 5 * kSecond;
  auto server = world.server(options);
  auto client = world.client(server->channel->endpoint(), options);
  ASSERT_TRUE(world.wait([&] { return server->channel->stats().received.control_bytes > 20 * 40; }));
  EXPECT_EQ(client->seen.left() + server->seen.left(), 0U);
  EXPECT_GT(client->channel->stats().received.control_bytes, 0U);
}

TEST_P(ZmqChannelTest, APeerThatVanishesMidStreamFreesItsBudget) {
  ChannelOptions options;
  options.receive_budget_bytes = 8 * kMiB;
  auto server = world.server(options);
  auto peer = raw_joined(*server);
  std::vector<std::byte> body;
  append(body, MessageShape{1, 0, {7 * kMiB}});
  peer->send(make_frame({.kind = FrameKind::announce, .stream = 1}, body));
  ASSERT_TRUE(world.wait([&] { return server->channel->stats().receive_bytes > 0; }));
  auto client = world.client(server->channel->endpoint());
  ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 1; }));
  client->channel->send(kServerPeer, make_message(1, 0, {6 * kMiB}));
  peer.reset();  // no goodbye: the connection breaks
  ASSERT_TRUE(world.wait([&] { return server->seen.messages.size() == 1; }));
  EXPECT_EQ(server->seen.changes.back(), (Recorder::Change{1, PeerChange::left, Reason::disconnected}));
}

TEST_P(ZmqChannelTest, APeerThatStallsMidStreamIsDropped) {
  ChannelOptions options;
  options.heartbeat_interval = 10 * kMillisecond;
  options.stall_timeout = 50 * kMillisecond;
  auto server = world.server(options);
  auto peer = raw_joined(*server);
  std::vector<std::byte> body;
  append(body, MessageShape{1, 0, {7 * kMiB}});
  peer->send(make_frame({.kind = FrameKind::announce, .stream = 1}, body));
  ASSERT_TRUE(world.wait([&] { return server->seen.left() == 1; }));
  EXPECT_EQ(server->seen.changes.back().reason, Reason::late);
  EXPECT_EQ(server->channel->stats().receive_bytes, 0U);
}

TEST_P(ZmqChannelTest, ALiarAboutSizesIsRefused) {
  ChannelOptions options;
  options.max_message_bytes = kMiB;
  auto server = world.server(options);
  auto peer = raw_joined(*server);
  std::vector<std::byte> body;
  append(body, MessageShape{1, 0, {1ULL << 50U}});
  for (std::uint32_t i = 1; i <= 3; ++i)
    peer->send(make_frame({.kind = FrameKind::announce, .stream = i}, body));
  ASSERT_TRUE(world.wait([&] { return server->seen.left() == 1; }));
  EXPECT_EQ(server->seen.refused(Reason::limit), 3U);
  EXPECT_EQ(server->channel->stats().peak_receive_bytes, 0U);
}

TEST_P(ZmqChannelTest, OneClientIsOnePeerHoweverOftenItConnects) {
  auto server = world.server();
  RawPeer first(zmq::socket_type::dealer);
  first.connect(server->channel->endpoint());
  first.hello(42);
  ASSERT_TRUE(world.wait([&] { return server->seen.joined() == 1; }));
  RawPeer second(zmq::socket_type::dealer);
  second.connect(server->channel->endpoint());
  second.hello(42);
  ASSERT_TRUE(world.wait([&] { return server->seen.joined() == 2; }));
  EXPECT_EQ(server->channel->peers(), std::vector<PeerId>{2});
  EXPECT_EQ(server->seen.left(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Sockets, ZmqChannelTest, ::testing::Values("ipc", "tcp"),
                         [](const auto& param) { return param.param; });

// ---- tcp alone -----------------------------------------------------------------------------------------

class TcpTest : public ::testing::Test {
 protected:
  World world{"tcp"};

  static std::uint16_t port_of(const Channel& channel) {
    const std::string endpoint = channel.endpoint();
    return static_cast<std::uint16_t>(std::stoul(endpoint.substr(endpoint.rfind(':') + 1)));
  }
  /// Turns the relay and our executor together.
  bool wait_with(CountingRelay& relay, const std::function<bool()>& done) {
    bool ticking = false;
    return world.executor.run_until(
        [&] {
          relay.poll();
          if (done()) return true;
          if (!std::exchange(ticking, true))
            world.executor.after(100 * kMicrosecond, [&ticking] { ticking = false; });
          return false;
        },
        kDeadline);
  }
};

TEST_F(TcpTest, BytesThatAreNoZmtpDoNoHarm) {
  auto server = world.server();
  std::mt19937 random(5);
  boost::asio::io_context context;
  std::vector<boost::asio::ip::tcp::socket> sockets;
  for (int i = 0; i < 20; ++i) {
    auto& socket = sockets.emplace_back(context);
    socket.connect({boost::asio::ip::address_v4::loopback(), port_of(*server->channel)});
    std::string bytes(1 + random() % 5000, ' ');
    for (char& c : bytes) c = static_cast<char>(random());
    if (i % 4 == 0) bytes[0] = '\xff';                                    // looks like a greeting at first
    if (i % 4 == 1) bytes = "GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n";  // a lost browser
    boost::system::error_code ignored;
    boost::asio::write(socket, boost::asio::buffer(bytes), ignored);
    if (i % 3 == 0) socket.close();
  }
  auto client = world.client(server->channel->endpoint());
  ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 1; }));
  client->channel->send(kServerPeer, make_message(1, 0, {kMiB}));
  ASSERT_TRUE(world.wait([&] { return server->seen.messages.size() == 1; }));
  EXPECT_EQ(server->seen.joined(), 1U);
}

// Every byte on the socket is in exactly one of our counts.
TEST_F(TcpTest, CountsReconcileWithTheSocket) {
  ChannelOptions options;
  options.heartbeat_interval = 20 * kMillisecond;  // so that there are some
  options.heartbeat_timeout = 60 * kSecond;
  auto server = world.server(options);
  CountingRelay relay(port_of(*server->channel));
  auto client = world.client(relay.endpoint(), options);
  ASSERT_TRUE(wait_with(relay, [&] { return client->seen.joined() == 1; }));
  std::uint64_t expected = 0;
  std::size_t count = 0;
  for (const std::size_t size : {0U, 10U, 250U, 300U, 60'000U, 100'000U, 1'000'000U, 5'000'000U}) {
    const Message message = make_message(static_cast<std::uint16_t>(size % 13), size % 1000, {size, 8});
    expected += wire_size(message, options);
    ++count;
    client->channel->send(kServerPeer, message);
    server->channel->send(1, message);
  }
  ASSERT_TRUE(wait_with(relay, [&] {
    return server->seen.messages.size() == count && client->seen.messages.size() == count &&
           server->channel->stats().received.control_bytes > 1000;
  }));
  // Heartbeats go on; between two of them everything has arrived.
  const auto agree = [&] {
    const ChannelStats at_client = client->channel->stats();
    const ChannelStats at_server = server->channel->stats();
    return at_client.sent.socket_bytes() == relay.to_server() &&
           at_server.received.socket_bytes() == relay.to_server() &&
           at_server.sent.socket_bytes() == relay.to_client() &&
           at_client.received.socket_bytes() == relay.to_client();
  };
  ASSERT_TRUE(wait_with(relay, agree))
      << "client sent " << to_text(client->channel->stats().sent) << "\nrelay to server " << relay.to_server()
      << "\nserver received " << to_text(server->channel->stats().received) << "\nserver sent "
      << to_text(server->channel->stats().sent) << "\nrelay to client " << relay.to_client()
      << "\nclient received " << to_text(client->channel->stats().received);
  const ChannelStats at_client = client->channel->stats();
  EXPECT_EQ(at_client.sent.wire_bytes(), expected);
  EXPECT_EQ(at_client.received.wire_bytes(), expected);
  EXPECT_EQ(at_client.sent.handshake_bytes, kZmtpHandshakeBytes);
  EXPECT_EQ(at_client.sent.refused_bytes + at_client.received.refused_bytes, 0U);
}

// As when a router forgets a connection: hello on the old one would never arrive.
TEST_F(TcpTest, AConnectionThatFellSilentIsLeftForANewOne) {
  ChannelOptions options;
  options.heartbeat_interval = 10 * kMillisecond;
  options.heartbeat_timeout = kSecond / 2;
  auto server = world.server(options);
  CountingRelay relay(port_of(*server->channel));
  auto client = world.client(relay.endpoint(), options);
  ASSERT_TRUE(wait_with(relay, [&] { return client->seen.joined() == 1; }));
  relay.silence();
  ASSERT_TRUE(wait_with(relay, [&] { return client->seen.joined() == 2 && server->seen.joined() == 2; }));
  server->seen.messages.clear();
  client->channel->send(kServerPeer, make_message(9, 0, {kMiB}));
  ASSERT_TRUE(wait_with(relay, [&] { return !server->seen.messages.empty(); }));
  EXPECT_TRUE(same(server->seen.messages[0].second, make_message(9, 0, {kMiB})));
}

TEST_F(TcpTest, ACutConnectionIsNoticedAtOnceAndJoinedAgain) {
  auto server = world.server();
  CountingRelay relay(port_of(*server->channel));
  auto client = world.client(relay.endpoint());
  ASSERT_TRUE(wait_with(relay, [&] { return client->seen.joined() == 1; }));
  for (std::uint16_t i = 0; i < 4; ++i) client->channel->send(kServerPeer, make_message(i, 0, {8 * kMiB}));
  ASSERT_TRUE(wait_with(relay, [&] { return relay.to_server() > 2 * kMiB; }));
  relay.cut();
  ASSERT_TRUE(wait_with(relay, [&] { return client->seen.joined() == 2 && server->seen.joined() == 2; }));
  EXPECT_EQ(client->seen.left(), 1U);
  EXPECT_EQ(server->channel->peers(), std::vector<PeerId>{2});
  EXPECT_GT(client->channel->stats().dropped_messages, 0U);
  server->seen.messages.clear();
  client->channel->send(kServerPeer, make_message(9, 0, {kMiB}));
  server->channel->send(2, make_message(8, 0, {kMiB}));
  ASSERT_TRUE(
      wait_with(relay, [&] { return client->seen.messages.size() == 1 && !server->seen.messages.empty(); }));
  EXPECT_TRUE(same(server->seen.messages[0].second, make_message(9, 0, {kMiB})));
  EXPECT_EQ(server->seen.messages[0].first, 2U);
}

TEST_F(TcpTest, SpeaksIpv6WhereThereIsAny) {
  std::unique_ptr<Node> server;
  try {
    server = world.server_at("tcp://[::1]:0");
  } catch (const UserError& error) {
    GTEST_SKIP() << "no IPv6 here: " << error.what();
  }
  auto client = world.client(server->channel->endpoint());
  EXPECT_TRUE(world.wait([&] { return client->seen.joined() == 1; }));
}

TEST_F(TcpTest, EndpointsThatCannotBeAreUserErrors) {
  for (const char* text : {"", "tcp", "http://x", "tcp://", "tcp://host", "tcp://:1", "tcp://h:x",
                           "tcp://h:65536", "tcp://h:-1", "ipc://"})
    EXPECT_THROW(parse_endpoint(text, true), UserError) << text;
  EXPECT_THROW(parse_endpoint("ipc://" + std::string(200, 'x'), true), UserError);
  for (const char* text : {"tcp://host:0", "tcp://host:*", "tcp://*:5000"})
    EXPECT_THROW(parse_endpoint(text, false), UserError) << text;
  EXPECT_EQ(parse_endpoint("tcp://localhost:0", true).text, "tcp://127.0.0.1:*");
  EXPECT_EQ(parse_endpoint("tcp://[::1]:80", true).text, "tcp://[::1]:80");
  EXPECT_THROW(world.server_at("tcp://192.0.2.1:0"), UserError);  // nobody's address here
  EXPECT_THROW(world.server_at("ipc:///nowhere/at/all/socket"), UserError);
}

}  // namespace
}  // namespace fedloom
