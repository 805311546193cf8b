// A link without a network: whoever holds the script says which connections come and go and what they send,
// and sees what they are sent.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

#include "core/error.hpp"
#include "transport/link.hpp"

namespace fedloom::testing {

class ScriptedLink final : public Link {
 public:
  /// Outlives the channel that owns the link.
  struct Script {
    Script() = default;
    ~Script() { close(); }
    Script(const Script&) = delete;
    Script& operator=(const Script&) = delete;

    void packet(const std::string& route, std::vector<std::vector<std::byte>> parts) {
      if (is_away()) return;
      packets.emplace_back(route, std::move(parts));
      wake(packets_come);
    }
    void event(Event event) {
      if (is_away()) return;
      events.push_back(std::move(event));
      wake(events_come);
    }
    static void wake(int descriptor) { (void)!::write(descriptor, &kOne, sizeof kOne); }
    static constexpr std::uint64_t kOne = 1;
    static int descriptor() { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

    /// Between leave() and reconnect(): nothing is heard, and nobody is there to send to.
    bool is_away() const { return packets_come < 0; }
    void close() {
      if (!is_away()) {
        ::close(packets_come);
        ::close(events_come);
      }
      packets_come = events_come = -1;
      packets.clear();
      events.clear();
    }
    void open() {
      close();
      packets_come = descriptor();
      events_come = descriptor();
    }

    int packets_come = descriptor();
    int events_come = descriptor();
    std::map<std::string, int> connected;  // route -> descriptor
    std::deque<std::pair<std::string, std::vector<std::vector<std::byte>>>> packets;
    std::deque<Event> events;
    std::map<std::string, std::vector<std::vector<std::byte>>> sent;  // frames by route, their parts joined
    std::uint64_t received_bytes = 0;                                 // handed to the channel
    std::vector<int> hung_up;                                         // descriptors
    int left = 0;
    int reconnected = 0;
    bool full = false;         // the socket takes nothing
    bool unreachable = false;  // a client finds no way back
  };

  explicit ScriptedLink(Script& script) : script_(script) {}

  bool receive(Packet& packet) override {
    packet = {};
    if (script_.packets.empty()) return false;
    std::tie(packet.route, parts_) = std::move(script_.packets.front());
    script_.packets.pop_front();
    const auto connection = script_.connected.find(packet.route);
    if (connection != script_.connected.end()) packet.descriptor = connection->second;
    packet.parts = parts_.size();
    for (const auto& part : parts_) packet.bytes += part.size();
    if (!parts_.empty()) packet.first = parts_[0];
    if (parts_.size() > 1) packet.second = parts_[1];
    script_.received_bytes += packet.bytes;
    return true;
  }
  Sent send(const std::string& route, const OutFrame& frame) override {
    if (script_.is_away() || !script_.connected.contains(route)) return Sent::gone;
    if (script_.full) return Sent::full;
    std::vector<std::byte> bytes = frame.first;
    bytes.insert(bytes.end(), frame.second.bytes().begin(), frame.second.bytes().end());
    script_.sent[route].push_back(std::move(bytes));
    return Sent::yes;
  }
  bool next_event(Event& event) override {
    if (script_.events.empty()) return false;
    event = std::move(script_.events.front());
    script_.events.pop_front();
    return true;
  }
  void hang_up(int descriptor, std::uint64_t /*cookie*/) override { script_.hung_up.push_back(descriptor); }
  void leave() override {
    ++script_.left;
    script_.close();
  }
  void reconnect() override {
    script_.close();
    if (script_.unreachable) throw user_error("the script lets nobody back");
    script_.open();
    ++script_.reconnected;
  }
  bool is_readable() override { return !script_.packets.empty(); }
  int descriptor() const override { return script_.packets_come; }
  int event_descriptor() const override { return script_.events_come; }
  const std::string& endpoint() const override { return endpoint_; }

 private:
  Script& script_;
  std::string endpoint_ = "script";
  std::vector<std::vector<std::byte>> parts_;
};

}  // namespace fedloom::testing
