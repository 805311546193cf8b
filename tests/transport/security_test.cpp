// Keys at the door: who is let in, who is not and why, revocation while connected, and what an eavesdropper
// sees.
#include "transport/security.hpp"

#include <map>
#include <set>

#include "tests/transport/channel_world.hpp"
#include "tests/transport/relay.hpp"
#include "transport/zmq_link.hpp"

namespace fedloom::testing {
namespace {

std::uint16_t port_of(const Channel& channel) {
  const std::string endpoint = channel.endpoint();
  return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

class SecurityTest : public ::testing::Test {
 protected:
  ChannelOptions server_options() {
    auto security = std::make_shared<Security>();
    security->own = server_;
    security->admits = [this](const std::string& key) -> std::optional<std::string> {
      return allowed_.contains(key) ? std::optional<std::string>("client") : std::nullopt;
    };
    return with(security);
  }
  ChannelOptions client_options(const KeyPair& own, const std::string& server_key) {
    auto security = std::make_shared<Security>();
    security->own = own;
    security->server_key = server_key;
    return with(security);
  }
  static ChannelOptions with(std::shared_ptr<const Security> security) {
    ChannelOptions options;
    options.heartbeat_interval = 20 * kMillisecond;
    options.heartbeat_timeout = 60 * kSecond;
    options.security = std::move(security);
    return options;
  }

  KeyPair server_ = make_key_pair();
  KeyPair client_ = make_key_pair();
  std::set<std::string> allowed_ = {client_.public_key};
  World world{"tcp"};
};

TEST(Keys, HaveTheirForm) {
  const KeyPair pair = make_key_pair();
  EXPECT_TRUE(is_key(pair.public_key));
  EXPECT_TRUE(is_key(pair.secret_key));
  EXPECT_EQ(public_key_of(pair.secret_key), pair.public_key);
  EXPECT_NE(make_key_pair().secret_key, pair.secret_key);
  EXPECT_FALSE(is_key(""));
  EXPECT_FALSE(is_key(pair.public_key.substr(1)));
  EXPECT_FALSE(is_key(std::string(64, 'g')));  // no digit
  EXPECT_EQ(key_text(key_bytes(pair.public_key)), pair.public_key);
  EXPECT_THROW(public_key_of("short"), UserError);
}

TEST_F(SecurityTest, ClientsWithKnownKeysTalk) {
  auto server = world.server(server_options());
  auto client = world.client(server->channel->endpoint(), client_options(client_, server_.public_key));
  ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 1 && server->seen.joined() == 1; }));
  EXPECT_EQ(server->channel->key_of(1), client_.public_key);
  EXPECT_EQ(server->channel->key_of(7), "");
  const Message message = make_message(3, 100, {3'000'000});
  client->channel->send(kServerPeer, message);
  server->channel->send(1, message);
  ASSERT_TRUE(
      world.wait([&] { return client->seen.messages.size() == 1 && server->seen.messages.size() == 1; }));
  EXPECT_TRUE(same(server->seen.messages[0].second, message));
  EXPECT_TRUE(same(client->seen.messages[0].second, message));
}

TEST_F(SecurityTest, StrangersAreTurnedAwayWithTheReason) {
  auto server = world.server(server_options());
  const KeyPair stranger = make_key_pair();
  auto unknown = world.client(server->channel->endpoint(), client_options(stranger, server_.public_key));
  ASSERT_TRUE(world.wait(
      [&] { return server->seen.refused(Reason::key) > 0 && unknown->seen.refused(Reason::key) > 0; }));
  EXPECT_NE(server->seen.refusals[0].text.find(stranger.public_key), std::string::npos)
      << server->seen.refusals[0].text;
  EXPECT_NE(unknown->seen.refusals[0].text.find("does not know our key"), std::string::npos);
  EXPECT_EQ(unknown->seen.joined() + server->seen.joined(), 0U);
}

TEST_F(SecurityTest, WhoeverExpectsAnotherServerIsNotLetIn) {
  auto server = world.server(server_options());
  auto misled =
      world.client(server->channel->endpoint(), client_options(client_, make_key_pair().public_key));
  ASSERT_TRUE(world.wait([&] { return server->seen.refused(Reason::key) > 0; }));
  EXPECT_EQ(misled->seen.joined() + server->seen.joined(), 0U);
}

TEST_F(SecurityTest, WithoutKeysNobodyGetsIn) {
  auto server = world.server(server_options());
  auto plain = world.client(server->channel->endpoint(), with(nullptr));
  ASSERT_TRUE(world.wait([&] { return server->seen.refused(Reason::key) > 0; }));
  EXPECT_EQ(plain->seen.joined() + server->seen.joined(), 0U);
  // And with keys not into a server that has none.
  auto open = world.server_at("tcp://127.0.0.1:0", with(nullptr));
  auto keyed = world.client(open->channel->endpoint(), client_options(client_, server_.public_key));
  // Either end may see first that they do not fit, and whoever sees it hangs up on the other.
  ASSERT_TRUE(
      world.wait([&] { return keyed->seen.refused(Reason::key) + open->seen.refused(Reason::key) > 0; }));
  EXPECT_EQ(keyed->seen.joined() + open->seen.joined(), 0U);
}

TEST_F(SecurityTest, RevokedAndAddedWhileTheServerRuns) {
  const KeyPair second = make_key_pair();
  auto server = world.server(server_options());
  auto client = world.client(server->channel->endpoint(), client_options(client_, server_.public_key));
  ASSERT_TRUE(world.wait([&] { return server->seen.joined() == 1; }));
  allowed_ = {second.public_key};
  ASSERT_TRUE(world.wait([&] { return server->seen.left() == 1 && client->seen.left() == 1; }));
  EXPECT_EQ(server->seen.changes.back().reason, Reason::key);
  auto added = world.client(server->channel->endpoint(), client_options(second, server_.public_key));
  ASSERT_TRUE(world.wait([&] { return added->seen.joined() == 1; }));
  EXPECT_EQ(server->channel->peers().size(), 1U);
  // Whoever was turned away keeps trying.
  ASSERT_TRUE(world.wait([&] { return server->seen.refused(Reason::key) > 2; }));
  EXPECT_EQ(client->seen.refused(Reason::key), 1U) << "it is said once";
  allowed_ = {client_.public_key, second.public_key};
  ASSERT_TRUE(world.wait([&] { return client->seen.joined() == 2; }));
}

// The counts are those of a wire on which everything is longer by what hides it.
TEST_F(SecurityTest, EveryByteIsCounted) {
  auto server = world.server(server_options());
  CountingRelay relay(port_of(*server->channel));
  auto client = world.client(relay.endpoint(), client_options(client_, server_.public_key));
  const auto wait = [&](const std::function<bool()>& done) {
    return world.wait([&] {
      relay.poll();
      return done();
    });
  };
  ASSERT_TRUE(wait([&] { return client->seen.joined() == 1; }));
  std::size_t count = 0;
  for (const std::size_t size : {0U, 10U, 200U, 222U, 223U, 300U, 60'000U, 1'000'000U}) {
    client->channel->send(kServerPeer, make_message(1, 5, {size, 8}));
    server->channel->send(1, make_message(1, 5, {size, 8}));
    ++count;
  }
  ASSERT_TRUE(
      wait([&] { return server->seen.messages.size() == count && client->seen.messages.size() == count; }));
  const auto agree = [&] {
    const ChannelStats at_client = client->channel->stats();
    const ChannelStats at_server = server->channel->stats();
    return at_client.sent.socket_bytes() == relay.to_server() &&
           at_server.sent.socket_bytes() == relay.to_client() &&
           at_server.received.socket_bytes() == relay.to_server() &&
           at_client.received.socket_bytes() == relay.to_client();
  };
  ASSERT_TRUE(wait(agree)) << "client sent " << client->channel->stats().sent.socket_bytes() << " of "
                           << relay.to_server() << ", server " << server->channel->stats().sent.socket_bytes()
                           << " of " << relay.to_client();
}

// What passes by contains neither the parameters nor the head of a message.
TEST_F(SecurityTest, NothingPassesInTheClear) {
  auto server = world.server(server_options());
  CountingRelay relay(port_of(*server->channel));
  relay.keep_bytes();
  auto client = world.client(relay.endpoint(), client_options(client_, server_.public_key));
  const auto wait = [&](const std::function<bool()>& done) {
    return world.wait([&] {
      relay.poll();
      return done();
    });
  };
  ASSERT_TRUE(wait([&] { return client->seen.joined() == 1; }));
  Message message;
  message.type = 1;
  message.head = "the labels of this client are secret";
  message.blobs.push_back(Blob::from(FloatBuffer(10'000, 1.2345678F)));
  client->channel->send(kServerPeer, message);
  server->channel->send(1, message);
  ASSERT_TRUE(wait([&] { return server->seen.messages.size() == 1 && client->seen.messages.size() == 1; }));
  ASSERT_GT(relay.kept().size(), 80'000U);
  EXPECT_EQ(relay.kept().find("labels of this client"), std::string::npos);
  const FloatBuffer one(2, 1.2345678F);
  EXPECT_EQ(relay.kept().find(std::string(reinterpret_cast<const char*>(one.data()), 8)), std::string::npos);
}

}  // namespace
}  // namespace fedloom::testing
