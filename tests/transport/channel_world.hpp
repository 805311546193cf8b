// What channel tests share: endpoints of each kind that nobody else uses, and a recorder of what a channel
// reports. Waiting is by events, with a deadline that only a hang reaches.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "transport/asio_executor.hpp"
#include "transport/channel.hpp"

namespace fedloom::testing {

inline constexpr Tick kDeadline = 120 * kSecond;

/// A folder of its own under the system's temporary folder, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "fedloom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Everything a channel reported, in order.
struct Recorder {
  struct Change {
    PeerId peer;
    PeerChange change;
    Reason reason;
    bool operator==(const Change&) const = default;
  };
  struct Refusal {
    PeerId peer;
    Reason reason;
    std::string text;
  };
  std::vector<std::pair<PeerId, Message>> messages;
  std::vector<Change> changes;
  std::vector<Refusal> refusals;

  void attach(Channel& channel) {
    channel.set_handlers(
        {.on_message = [this](PeerId peer, Message&& m) { messages.emplace_back(peer, std::move(m)); },
         .on_peer =
             [this](PeerId peer, PeerChange change, Reason reason) {
               changes.push_back({peer, change, reason});
             },
         .on_refused =
             [this](PeerId peer, Reason reason, const std::string& text) {
               refusals.push_back({peer, reason, text});
             }});
  }
  std::size_t joined() const {
    return static_cast<std::size_t>(std::ranges::count(changes, PeerChange::joined, &Change::change));
  }
  std::size_t left() const {
    return static_cast<std::size_t>(std::ranges::count(changes, PeerChange::left, &Change::change));
  }
  std::size_t refused(Reason reason) const {
    return static_cast<std::size_t>(std::ranges::count(refusals, reason, &Refusal::reason));
  }
};

struct Node {
  std::unique_ptr<Channel> channel;
  Recorder seen;
};

/// One executor, one server and any number of clients over one kind of endpoint.
class World {
 public:
  explicit World(std::string kind) : kind_(std::move(kind)), hub_(make_inproc_hub()) {}

  /// Where a server may be opened.
  std::string fresh_endpoint() const {
    if (kind_ == "inproc") return "inproc://test";
    if (kind_ == "ipc") return "ipc://" + folder_.file("socket");
    return "tcp://127.0.0.1:0";
  }
  ChannelOptions with_hub(ChannelOptions options) const {
    options.hub = hub_;
    options.linger = 100 * kMillisecond;  // a test that abandons a dead peer need not wait long
    return options;
  }
  std::unique_ptr<Node> server(const ChannelOptions& options = {}) {
    return server_at(fresh_endpoint(), options);
  }
  std::unique_ptr<Node> server_at(const std::string& endpoint, const ChannelOptions& options = {}) {
    auto node = std::make_unique<Node>();
    node->channel = make_server_channel(endpoint, executor, with_hub(options));
    node->seen.attach(*node->channel);
    return node;
  }
  std::unique_ptr<Node> client(const std::string& endpoint, const ChannelOptions& options = {}) {
    auto node = std::make_unique<Node>();
    node->channel = make_client_channel(endpoint, executor, with_hub(options));
    node->seen.attach(*node->channel);
    return node;
  }
  bool wait(const std::function<bool()>& done) { return executor.run_until(done, kDeadline); }
  bool is_wire() const { return kind_ != "inproc"; }

  AsioExecutor executor;

 private:
  std::string kind_;
  std::shared_ptr<InprocHub> hub_;
  TemporaryFolder folder_;
};

/// Bytes that differ by position and seed, so that a shifted or swapped chunk is seen.
inline Blob pattern(std::size_t size, std::uint64_t seed) {
  Blob blob = Blob::allocate(size);
  std::byte* out = blob.writable().data();
  std::uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
  for (std::size_t at = 0; at < size; at += sizeof state) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    std::memcpy(out + at, &state, std::min(sizeof state, size - at));
  }
  return blob;
}

inline bool same(const Blob& a, const Blob& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

inline bool same(const Message& a, const Message& b) {
  return a.type == b.type && a.head == b.head &&
         std::ranges::equal(a.blobs, b.blobs, [](const Blob& x, const Blob& y) { return same(x, y); });
}

inline std::string to_text(const Traffic& t) {
  return fmt::format("messages {}, payload {}, headers {}, control {}, refused {}, zmtp {}, handshake {}: {}",
                     t.messages, t.payload_bytes, t.header_bytes, t.control_bytes, t.refused_bytes,
                     t.zmtp_bytes, t.handshake_bytes, t.socket_bytes());
}

/// A message with `blobs` of these sizes.
inline Message make_message(std::uint16_t type, std::size_t head,
                            const std::vector<std::size_t>& blobs = {}) {
  Message message{type, std::string(head, static_cast<char>('a' + type % 26)), {}};
  for (std::size_t i = 0; i < blobs.size(); ++i) message.blobs.push_back(pattern(blobs[i], type * 1000U + i));
  return message;
}

}  // namespace fedloom::testing
