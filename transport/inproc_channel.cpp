// Ports pass closures to each other's executors; a link is what two ports share while they talk.
#include "transport/inproc_channel.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

namespace fedloom {

class InprocChannel;
struct InprocLink;

/// One end as the other end sees it: runs things on its executor for as long as its channel is open.
class InprocPort : public std::enable_shared_from_this<InprocPort> {
 public:
  using Call = std::function<void(InprocChannel&)>;

  InprocPort(Executor& executor, InprocChannel& channel) : executor_(&executor), channel_(&channel) {}

  void run(Call call) {
    const std::lock_guard lock(mutex_);
    if (channel_ == nullptr) return;
    executor_->post([self = shared_from_this(), call = std::move(call)] {
      // Closing happens on this thread, so an open channel stays open during the call unless the call closes
      // it.
      if (InprocChannel* channel = self->channel()) call(*channel);
    });
  }
  /// A server gives a client its link; false when the client is closed already.
  bool adopt(const std::shared_ptr<InprocLink>& link) {
    const std::lock_guard lock(mutex_);
    if (channel_ == nullptr) return false;
    adopted_ = link;
    return true;
  }
  /// Nothing runs here any more. Returns the link adopted last, which the channel may not have heard of yet.
  std::shared_ptr<InprocLink> close() {
    const std::lock_guard lock(mutex_);
    channel_ = nullptr;
    return adopted_.lock();
  }

 private:
  InprocChannel* channel() {
    const std::lock_guard lock(mutex_);
    return channel_;
  }

  std::mutex mutex_;
  Executor* executor_;
  InprocChannel* channel_;
  std::weak_ptr<InprocLink> adopted_;
};

namespace {

// What waits between two ports in one direction, and the caps of its receiver.
struct Lane {
  ChannelOptions receiver;
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> messages{0};

  explicit Lane(const ChannelOptions& options) : receiver(options) {}
};

}  // namespace

// One conversation. Its address is its identity: a client that comes back has another one.
struct InprocLink {
  std::shared_ptr<InprocPort> server;
  std::shared_ptr<InprocPort> client;
  Lane to_server;
  Lane to_client;

  InprocLink(std::shared_ptr<InprocPort> its_server, const ChannelOptions& server_options,
             std::shared_ptr<InprocPort> its_client, const ChannelOptions& client_options)
      : server(std::move(its_server)),
        client(std::move(its_client)),
        to_server(server_options),
        to_client(client_options) {}
};

class InprocChannel final : public Channel {
 public:
  enum class Role { server, client };

  InprocChannel(Role role, const Endpoint& endpoint, Executor& executor, const ChannelOptions& options)
      : role_(role), name_(endpoint.address), endpoint_(endpoint.text), options_(options) {
    FEDLOOM_CHECK(options.hub != nullptr, "channel \"{}\" needs ChannelOptions::hub", endpoint.text);
    port_ = std::make_shared<InprocPort>(executor, *this);
    if (role == Role::server) {
      options.hub->serve(name_, port_);
    } else {
      options.hub->connect(name_, port_, options);
    }
  }
  ~InprocChannel() override { InprocChannel::close(); }

  void set_handlers(ChannelHandlers handlers) override { handlers_ = std::move(handlers); }
  void send(PeerId id, Message message) override;
  void disconnect(PeerId id, Reason reason) override;
  void close() override;
  void keep(const Blob&) override {}
  ChannelStats stats() const override;
  std::vector<PeerId> peers() const override;
  std::string key_of(PeerId /*peer*/) const override { return {}; }  // nobody else can listen here
  std::string endpoint() const override { return endpoint_; }

  // Called through ports, on this channel's executor.
  void on_hub_connection(const std::shared_ptr<InprocPort>& other, const ChannelOptions& theirs);
  void on_link(const std::shared_ptr<InprocLink>& link);
  void on_message(const std::shared_ptr<InprocLink>& link, Message&& message);
  void on_end(const std::shared_ptr<InprocLink>& link, Reason reason);
  void on_refused(PeerId peer, Reason reason, const std::string& text);

 private:
  Lane& lane_out(InprocLink& link) const { return role_ == Role::server ? link.to_client : link.to_server; }
  Lane& lane_in(InprocLink& link) const { return role_ == Role::server ? link.to_server : link.to_client; }
  InprocPort& other(const InprocLink& link) const {
    return role_ == Role::server ? *link.client : *link.server;
  }
  std::map<PeerId, std::shared_ptr<InprocLink>>::iterator find(const std::shared_ptr<InprocLink>& link) {
    return std::ranges::find(links_, link, [](const auto& entry) { return entry.second; });
  }
  Reason admit(const Lane& lane, const Message& message, std::string& text) const;
  void refuse(PeerId peer, Reason reason, std::string text);
  void end(PeerId id, Reason reason);

  Role role_;
  std::string name_;
  std::string endpoint_;
  ChannelOptions options_;
  ChannelHandlers handlers_;
  std::shared_ptr<InprocPort> port_;
  std::map<PeerId, std::shared_ptr<InprocLink>> links_;
  PeerId last_peer_ = 0;
  ChannelStats stats_;
  bool closed_ = false;
};

// ---- the hub -------------------------------------------------------------------------------------------

namespace {

void introduce(const std::shared_ptr<InprocPort>& client, const ChannelOptions& options, InprocPort& server) {
  server.run([client, options](InprocChannel& channel) { channel.on_hub_connection(client, options); });
}

}  // namespace

void InprocHub::serve(const std::string& name, const std::shared_ptr<InprocPort>& server) {
  const std::lock_guard lock(mutex_);
  if (!servers_.emplace(name, server).second)
    throw user_error("endpoint \"inproc://{}\" is served already", name);
  const auto [first, last] = clients_.equal_range(name);
  for (auto it = first; it != last; ++it) introduce(it->second.port, it->second.options, *server);
}

void InprocHub::retire(const std::string& name, const std::shared_ptr<InprocPort>& port) {
  const std::lock_guard lock(mutex_);
  const auto server = servers_.find(name);
  if (server != servers_.end() && server->second == port) servers_.erase(server);
  std::erase_if(clients_, [&port](const auto& entry) { return entry.second.port == port; });
}

void InprocHub::connect(const std::string& name, const std::shared_ptr<InprocPort>& client,
                        const ChannelOptions& options) {
  const std::lock_guard lock(mutex_);
  ChannelOptions caps = options;
  caps.hub = nullptr;  // the hub keeps these
  clients_.emplace(name, Client{client, caps});
  const auto server = servers_.find(name);
  if (server != servers_.end()) introduce(client, caps, *server->second);
}

std::shared_ptr<InprocHub> make_inproc_hub() { return std::make_shared<InprocHub>(); }

// ---- conversations begin and end -----------------------------------------------------------------------

void InprocChannel::on_hub_connection(const std::shared_ptr<InprocPort>& client,
                                      const ChannelOptions& theirs) {
  if (links_.size() >= options_.max_peers) {
    const std::string text = fmt::format("the server has its {} peers already", options_.max_peers);
    refuse(kNoPeer, Reason::limit, text);
    client->run([text](InprocChannel& c) {
      c.on_refused(kServerPeer, Reason::limit, "the server refused us: " + text);
    });
    return;
  }
  auto link = std::make_shared<InprocLink>(port_, options_, client, theirs);
  if (!client->adopt(link)) return;
  client->run([link](InprocChannel& c) { c.on_link(link); });
  on_link(link);
}

void InprocChannel::on_link(const std::shared_ptr<InprocLink>& link) {
  const PeerId id = role_ == Role::server ? ++last_peer_ : kServerPeer;
  FEDLOOM_CHECK(!links_.contains(id), "a second conversation with peer {}", id);
  links_[id] = link;
  handlers_.on_peer(id, PeerChange::joined, Reason::none);
}

void InprocChannel::disconnect(PeerId id, Reason reason) {
  if (closed_ || !links_.contains(id)) return;
  end(id, reason);
  port_->run([id, reason](InprocChannel& c) { c.handlers_.on_peer(id, PeerChange::left, reason); });
}

/// Forgets a peer and tells it.
void InprocChannel::end(PeerId id, Reason reason) {
  const std::shared_ptr<InprocLink> link = links_.extract(id).mapped();
  other(*link).run([link, reason](InprocChannel& c) { c.on_end(link, reason); });
}

void InprocChannel::on_end(const std::shared_ptr<InprocLink>& link, Reason reason) {
  const auto found = find(link);
  if (found == links_.end()) return;
  const PeerId id = found->first;
  links_.erase(found);
  handlers_.on_peer(id, PeerChange::left, reason);
}

void InprocChannel::close() {
  if (std::exchange(closed_, true)) return;
  // Goodbyes first: the next server of this name must find the clients free.
  while (!links_.empty()) end(links_.begin()->first, Reason::none);
  options_.hub->retire(name_, port_);
  const std::shared_ptr<InprocLink> unheard = port_->close();
  if (unheard) unheard->server->run([unheard](InprocChannel& c) { c.on_end(unheard, Reason::none); });
}

// ---- messages ------------------------------------------------------------------------------------------

Reason InprocChannel::admit(const Lane& lane, const Message& message, std::string& text) const {
  const std::uint64_t payload = payload_size(message);
  const ChannelOptions& caps = lane.receiver;
  if (payload > caps.max_message_bytes || message.head.size() > caps.max_head_bytes ||
      message.blobs.size() > caps.max_blobs) {
    text = fmt::format("a message of {} bytes (head {}, {} blobs) for a peer that takes {} ({}, {})", payload,
                       message.head.size(), message.blobs.size(), caps.max_message_bytes, caps.max_head_bytes,
                       caps.max_blobs);
    return Reason::limit;
  }
  const std::uint64_t waiting = lane.bytes;
  const std::uint64_t count = lane.messages;
  const bool room = payload <= options_.max_queue_bytes && waiting <= options_.max_queue_bytes - payload &&
                    count < options_.max_queue_messages;
  if (room || count == 0) return Reason::none;
  text = fmt::format("a message of {} bytes finds {} messages with {} bytes waiting; at most {} and {} may",
                     payload, count, waiting, options_.max_queue_messages, options_.max_queue_bytes);
  return Reason::limit;
}

void InprocChannel::send(PeerId id, Message message) {
  if (closed_) return;
  const auto found = links_.find(id);
  std::string text = fmt::format("a message for peer {}, who is not there", id);
  Reason reason = Reason::disconnected;
  if (found != links_.end()) reason = admit(lane_out(*found->second), message, text);
  if (reason != Reason::none) {
    refuse(id, reason, std::move(text));
    return;
  }
  const std::shared_ptr<InprocLink>& link = found->second;
  Lane& lane = lane_out(*link);
  const std::uint64_t payload = payload_size(message);
  lane.bytes += payload;
  ++lane.messages;
  ++stats_.sent.messages;
  stats_.sent.payload_bytes += payload;
  stats_.sent.header_bytes += wire_size(message, options_) - payload;
  // std::function wants to be copied, a message is moved: hence the shared box.
  auto box = std::make_shared<Message>(std::move(message));
  other(*link).run([link, box, header = wire_size(*box, options_) - payload](InprocChannel& c) {
    c.stats_.received.header_bytes += header;
    c.on_message(link, std::move(*box));
  });
}

void InprocChannel::on_message(const std::shared_ptr<InprocLink>& link, Message&& message) {
  Lane& lane = lane_in(*link);
  const std::uint64_t payload = payload_size(message);
  lane.bytes -= payload;
  --lane.messages;
  ++stats_.received.messages;
  stats_.received.payload_bytes += payload;
  const auto found = find(link);
  if (found != links_.end()) handlers_.on_message(found->first, std::move(message));
}

void InprocChannel::refuse(PeerId peer, Reason reason, std::string text) {
  port_->run([peer, reason, text = std::move(text)](InprocChannel& c) { c.on_refused(peer, reason, text); });
}

void InprocChannel::on_refused(PeerId peer, Reason reason, const std::string& text) {
  ++stats_.refused[static_cast<std::size_t>(reason)];
  handlers_.on_refused(peer, reason, text);
}

ChannelStats InprocChannel::stats() const {
  ChannelStats stats = stats_;
  for (const auto& [id, link] : links_) stats.queued_bytes += lane_out(*link).bytes;
  return stats;
}

std::vector<PeerId> InprocChannel::peers() const {
  std::vector<PeerId> ids;
  for (const auto& [id, link] : links_) ids.push_back(id);
  return ids;
}

std::unique_ptr<Channel> make_inproc_server(const Endpoint& endpoint, Executor& executor,
                                            const ChannelOptions& options) {
  return std::make_unique<InprocChannel>(InprocChannel::Role::server, endpoint, executor, options);
}

std::unique_ptr<Channel> make_inproc_client(const Endpoint& endpoint, Executor& executor,
                                            const ChannelOptions& options) {
  return std::make_unique<InprocChannel>(InprocChannel::Role::client, endpoint, executor, options);
}

}  // namespace fedloom
