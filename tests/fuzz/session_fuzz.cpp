// libFuzzer: what any number of connections may do to a server, in any order: come and go, say hello twice or
// never, send frames of other streams, replay them, take back credits, while the server sends, drops peers
// and has a socket that is full. The input is a script of such acts. At the end an honest client must be let
// in and heard, and every byte that came in must be counted as one of the four things it can be.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/fuzz/frames.hpp"
#include "tests/transport/scripted_link.hpp"
#include "transport/zmq_channel.hpp"

namespace {

using namespace fedloom;  // NOLINT
using fedloom::testing::Script;
using fedloom::testing::ScriptedLink;
using fedloom::testing::some_bytes;
using fedloom::testing::well_formed_frame;

constexpr std::size_t kRoutes = 4;

class Session {
 public:
  explicit Session(bool rates) {
    ChannelOptions options;
    options.receive_budget_bytes = 1U << 20U;
    options.max_message_bytes = 4U << 20U;
    options.max_blobs = 16;
    options.max_peers = 3;
    options.max_half_open = 2;
    options.heartbeat_timeout = 20 * kSecond;
    options.stall_timeout = 5 * kSecond;
    options.least_rate = 1'000'000;
    options.max_control_frames = 20;
    options.instance = 1;
    options.send_rate = rates ? 1'000'000'000 : 0;
    options.receive_rate = rates ? 1'000'000'000 : 0;
    channel_ = make_server_over(std::make_unique<ScriptedLink>(script_), executor_, options);
    channel_->set_handlers({.on_message = [this](PeerId, Message&& message) { heard(std::move(message)); },
                            .on_peer = [this](PeerId, PeerChange change,
                                              Reason) { joined_ += change == PeerChange::joined ? 1 : -1; },
                            .on_refused = [](PeerId, Reason, const std::string&) {}});
  }

  void act(Script& input) {
    const std::string route = "route " + std::to_string(input.number<std::uint8_t>() % kRoutes);
    switch (input.number<std::uint8_t>() % 11) {
      case 0: connect(route); break;
      case 1: disconnect(route, input.number<std::uint8_t>() % 2 == 0); break;
      case 2: say(route, {some_bytes(input), some_bytes(input)}); break;
      case 3: hello(route, input.number<std::uint8_t>() % 4); break;
      case 4:
      case 5:
      case 6: say(route, {well_formed_frame(input)}); break;
      case 7: replay(input.number<std::uint8_t>()); break;
      case 8: send(input); break;
      case 9: executor_.run_until([] { return false; }, input.number<std::uint8_t>() * kSecond / 8); break;
      default: script_.full = !script_.full; break;
    }
    if (input.number<std::uint8_t>() % 2 == 0) turn();
  }

  void end() {
    script_.full = false;
    for (std::size_t i = 0; i < kRoutes; ++i) disconnect("route " + std::to_string(i));
    turn();
    if (joined_ != 0 || !channel_->peers().empty()) std::abort();
    honest_ = true;
    connect("honest");
    hello("honest", 100);
    turn();
    if (joined_ != 1) std::abort();
    std::vector<std::byte> body;
    append(body, MessageShape{7, 0, {}});
    say("honest", {parts_of(make_frame({.kind = FrameKind::message}, body))});
    turn();
    if (!honest_heard_) std::abort();
    const ChannelStats stats = channel_->stats();
    const Traffic& in = stats.received;
    if (in.payload_bytes + in.header_bytes + in.control_bytes + in.refused_bytes != script_.received_bytes)
      std::abort();
    if (stats.receive_bytes != 0) std::abort();
  }

 private:
  using Connected = std::pair<const std::string, int>;
  static std::vector<std::byte> parts_of(const OutFrame& frame) { return frame.first; }

  void heard(Message&& message) { honest_heard_ = honest_heard_ || (honest_ && message.type == 7); }

  // Descriptors are used again, as the system's are.
  void connect(const std::string& route) {
    if (script_.connected.contains(route)) return;
    int descriptor = 100;
    while (std::ranges::find(script_.connected, descriptor, &Connected::second) != script_.connected.end())
      ++descriptor;
    script_.connected[route] = descriptor;
    script_.event({.kind = Link::Event::Kind::opened,
                   .descriptor = descriptor,
                   .host = descriptor % 2 == 0 ? "crowd" : route,
                   .cookie = ++cookie_,
                   .name = route});
    script_.event({.kind = Link::Event::Kind::up, .descriptor = descriptor});
  }
  void disconnect(const std::string& route, bool failed = false) {
    const auto found = script_.connected.find(route);
    if (found == script_.connected.end()) return;
    if (failed)
      script_.event({.kind = Link::Event::Kind::bad_handshake, .endpoint = "here", .text = "failed"});
    script_.event({.kind = Link::Event::Kind::down, .descriptor = found->second});
    script_.connected.erase(found);
  }
  void say(const std::string& route, std::vector<std::vector<std::byte>> parts) {
    if (!script_.connected.contains(route)) return;
    said_.emplace_back(route, parts);
    script_.packet(route, std::move(parts));
  }
  void hello(const std::string& route, std::uint64_t instance) {
    say(route, {parts_of(make_frame({.kind = FrameKind::hello},
                                    encode(Greeting{instance, 1U << 20U, 1U << 16U, 16})))});
  }
  void replay(std::size_t which) {
    if (said_.empty()) return;
    const auto again = said_[which % said_.size()];
    say(again.first, again.second);
  }
  void send(Script& input) {
    const std::vector<PeerId> peers = channel_->peers();
    const std::uint8_t what = input.number<std::uint8_t>();
    if (peers.empty()) return;
    const PeerId peer = peers[what % peers.size()];
    if (what > 200) return channel_->disconnect(peer, Reason::limit);
    Message message{1, std::string(input.number<std::uint8_t>(), 'h'), {}};
    message.blobs.push_back(Blob::allocate(input.number<std::uint16_t>() * std::size_t{8}));
    channel_->send(peer, std::move(message));
  }
  void turn() {
    executor_.run_until([] { return false; }, kMillisecond);
    for (const int descriptor : std::exchange(script_.hung_up, {})) {
      const auto found = std::ranges::find(script_.connected, descriptor, &Connected::second);
      if (found != script_.connected.end()) disconnect(std::string(found->first));
    }
  }

  ScriptedLink::Script script_;
  AsioExecutor executor_;
  std::unique_ptr<Channel> channel_;
  std::vector<std::pair<std::string, std::vector<std::vector<std::byte>>>> said_;
  std::uint64_t cookie_ = 0;
  int joined_ = 0;
  bool honest_ = false;
  bool honest_heard_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script input(std::as_bytes(std::span(data, size)));
  Session session(input.number<std::uint8_t>() % 2 == 0);
  for (int acts = 0; acts < 300 && !input.ended(); ++acts) session.act(input);
  session.end();
  return 0;
}
