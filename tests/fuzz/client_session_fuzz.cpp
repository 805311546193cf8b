// libFuzzer: what a server, or whatever is there instead, may do to a client in any order: connections up and
// down, bad greetings, welcome twice or never, frames of all kinds well formed or not, replays, credits
// beyond what was announced, while the client sends, keeps what it gets, and has a socket that is full. The
// input is a script of such acts; time is the script's (scripted_time.cpp). At the end an honest server must
// be found, joined and heard, and every byte that came in or went out must be counted.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
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

constexpr std::uint16_t kHonest = 7;  // type of the honest server's message

void expect(bool what, int line = __builtin_LINE()) {
  if (what) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

class Session {
 public:
  explicit Session(bool rates) {
    ChannelOptions options;
    options.receive_budget_bytes = 1U << 20U;
    options.max_message_bytes = 4U << 20U;
    options.max_blobs = 16;
    options.max_queue_bytes = 4U << 20U;
    options.instance = 1;
    options.send_rate = rates ? 1'000'000 : 0;
    options.receive_rate = rates ? 1'000'000 : 0;
    link_.connected[""] = 1;
    channel_ = make_client_over(std::make_unique<ScriptedLink>(link_), executor_, options);
    channel_->set_handlers({.on_message = [this](PeerId, Message&& message) { heard(std::move(message)); },
                            .on_peer = [this](PeerId, PeerChange change,
                                              Reason) { joined_ += change == PeerChange::joined ? 1 : -1; },
                            .on_refused = [](PeerId, Reason, const std::string&) {}});
  }

  void act(Script& input) {
    switch (input.number<std::uint8_t>() % 16) {
      case 0: link_.event({Link::Event::Kind::up, 1, "script", ""}); break;
      case 1: link_.event({Link::Event::Kind::down, 1, "script", ""}); break;
      case 2: bad_greeting(input.number<std::uint8_t>()); break;
      case 3: say(parts(input)); break;
      case 4:
      case 5: welcome(input.number<std::uint8_t>() % 4, input); break;
      case 6:
      case 7:
      case 8: say({well_formed_frame(input)}); break;
      case 9: grant(input); break;
      case 10: replay(input.number<std::uint8_t>()); break;
      case 11: send(input); break;
      case 12: link_.full = !link_.full; break;
      case 13: link_.unreachable = !link_.unreachable; break;
      case 14: keeps_ = !keeps_; break;
      // A full socket is tried again every few milliseconds, and half a minute of that is much to do.
      default: turn(input.number<std::uint8_t>() * (link_.full ? kMillisecond : kSecond / 8)); return;
    }
    if (input.number<std::uint8_t>() % 2 == 0) turn(0);
  }

  void end() {
    keeps_ = false;
    kept_.clear();
    link_.full = link_.unreachable = false;
    // The honest server is on another connection, which the client has to look for.
    const int before = link_.reconnected;
    link_.event({Link::Event::Kind::down, 1, "script", ""});
    expect(executor_.run_until([&] { return link_.reconnected > before; }, 100 * kSecond));
    turn(0);
    expect(joined_ == 0 && channel_->peers().empty());
    sent_.fill(0);
    link_.event({Link::Event::Kind::up, 1, "script", ""});
    turn(0);
    expect(sent(FrameKind::hello) == 1);
    say({make_frame({.kind = FrameKind::welcome}, encode(Greeting{100, 1U << 20U, 1U << 16U, 16})).first});
    turn(0);
    expect(joined_ == 1 && channel_->peers().size() == 1);
    std::vector<std::byte> body;
    append(body, MessageShape{kHonest, 0, {}});
    say({make_frame({.kind = FrameKind::message}, body).first});
    channel_->send(kServerPeer, Message{1, "honest", {}});
    turn(kSecond);
    expect(honest_heard_ && sent(FrameKind::message) == 1);
    check_books();
  }

 private:
  void heard(Message&& message) {
    honest_heard_ = message.type == kHonest;
    if (keeps_) kept_.push_back(std::move(message));
  }

  static std::vector<std::vector<std::byte>> parts(Script& input) {
    std::vector<std::vector<std::byte>> parts(1 + input.number<std::uint8_t>() % 3);
    for (auto& part : parts) part = some_bytes(input);
    return parts;
  }
  void say(std::vector<std::vector<std::byte>> parts) {
    said_.push_back(parts);
    link_.packet("", std::move(parts));
  }
  void replay(std::size_t which) {
    if (!said_.empty()) link_.packet("", said_[which % said_.size()]);
  }
  void bad_greeting(std::uint8_t how) {
    constexpr std::array kKinds = {Link::Event::Kind::bad_handshake, Link::Event::Kind::bad_key,
                                   Link::Event::Kind::unknown_key};
    link_.event({kKinds[how % kKinds.size()], 1, "script", how < 128 ? "one" : "another"});
  }
  void welcome(std::uint64_t instance, Script& input) {
    Greeting caps{instance, 1U << 20U, 1U << 16U, 16};
    if (input.number<std::uint8_t>() % 4 == 0)
      caps = {instance, input.number<std::uint32_t>(), input.number<std::uint16_t>(),
              input.number<std::uint8_t>()};
    say({make_frame({.kind = FrameKind::welcome}, encode(caps)).first});
  }
  // Of a stream that there may be, up to anywhere.
  void grant(Script& input) {
    const std::uint32_t stream = input.number<std::uint8_t>() % 8;
    const std::uint64_t up_to =
        input.number<std::uint8_t>() % 4 == 0 ? input.number<std::uint64_t>() : input.number<std::uint32_t>();
    say({make_frame({.kind = FrameKind::grant, .stream = stream, .offset = up_to}, {}).first});
  }
  void send(Script& input) {
    const std::uint8_t what = input.number<std::uint8_t>();
    if (what > 250) return channel_->disconnect(kServerPeer, Reason::limit);
    const std::size_t head = what % 16 == 0 ? input.number<std::uint16_t>() : what;
    Message message{1, std::string(head, 'h'), {}};
    message.blobs.push_back(Blob::allocate(input.number<std::uint16_t>() * std::size_t{8}));
    for (std::uint8_t more = what % 8; more > 4; --more) message.blobs.push_back(Blob::allocate(more));
    for (Blob& blob : message.blobs) std::ranges::fill(blob.writable(), std::byte{1});
    if (what % 2 == 0) channel_->keep(message.blobs.front());
    channel_->send(kServerPeer, std::move(message));
  }

  void turn(Tick time) {
    executor_.run_until([] { return false; }, time);
    for (const std::vector<std::byte>& frame : link_.sent[""]) {
      const ParsedFrame parsed = parse_frame(frame);
      expect(parsed.reason == Reason::none);
      ++sent_[static_cast<std::size_t>(parsed.frame.kind)];
      sent_bytes_ += frame.size();
    }
    link_.sent.clear();
    expect(joined_ == static_cast<int>(channel_->peers().size()) && joined_ <= 1);
  }
  std::size_t sent(FrameKind kind) const { return sent_[static_cast<std::size_t>(kind)]; }

  void check_books() const {
    const ChannelStats stats = channel_->stats();
    const Traffic& in = stats.received;
    const Traffic& out = stats.sent;
    expect(in.payload_bytes + in.header_bytes + in.control_bytes + in.refused_bytes == link_.received_bytes);
    expect(out.payload_bytes + out.header_bytes + out.control_bytes == sent_bytes_ && out.refused_bytes == 0);
    expect(stats.receive_bytes == 0 && stats.queued_bytes == 0);
  }

  ScriptedLink::Script link_;
  AsioExecutor executor_;
  std::vector<Message> kept_;  // by the client, of the receive budget
  std::unique_ptr<Channel> channel_;
  std::vector<std::vector<std::vector<std::byte>>> said_;
  std::array<std::size_t, 16> sent_{};  // frames by kind
  std::uint64_t sent_bytes_ = 0;
  int joined_ = 0;
  bool keeps_ = false;
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
