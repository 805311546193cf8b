// Channels between executors of one process, possibly on several threads. Messages are handed over, their
// blobs shared: nothing is copied, framed or chunked, and the counts say what the wire would have carried.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "transport/channel.hpp"
#include "transport/endpoint.hpp"

namespace fedloom {

class InprocPort;

/// Who serves which name, and who waits for it. Thread-safe.
class InprocHub {
 public:
  /// Throws UserError when the name is served already. Clients of that name are connected.
  void serve(const std::string& name, const std::shared_ptr<InprocPort>& server);
  /// Connects the client now if the name is served, and to every server that serves it later.
  void connect(const std::string& name, const std::shared_ptr<InprocPort>& client,
               const ChannelOptions& options);
  /// A server or client that is no longer to be connected.
  void retire(const std::string& name, const std::shared_ptr<InprocPort>& port);

 private:
  struct Client {
    std::shared_ptr<InprocPort> port;
    ChannelOptions options;
  };

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<InprocPort>> servers_;
  std::multimap<std::string, Client> clients_;
};

/// Requires options.hub (checked).
std::unique_ptr<Channel> make_inproc_server(const Endpoint& endpoint, Executor& executor,
                                            const ChannelOptions& options);
std::unique_ptr<Channel> make_inproc_client(const Endpoint& endpoint, Executor& executor,
                                            const ChannelOptions& options);

}  // namespace fedloom
