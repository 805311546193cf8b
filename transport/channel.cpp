// Which channel an endpoint means.
#include "transport/channel.hpp"

#include <random>

#include "transport/asio_executor.hpp"
#include "transport/endpoint.hpp"
#include "transport/inproc_channel.hpp"
#include "transport/zmq_channel.hpp"

namespace fedloom {

namespace {

// Settings are checked here once, so that the rest may rely on them.
ChannelOptions checked(ChannelOptions options) {
  FEDLOOM_CHECK(options.chunk_bytes >= (256U << 10U) && options.chunk_bytes <= kMaxChunkBytes,
                "chunk_bytes = {}; it lies in [256 KiB, 1 MiB]", options.chunk_bytes);
  FEDLOOM_CHECK(options.inline_bytes <= kMaxChunkBytes, "inline_bytes = {}; it is at most 1 MiB",
                options.inline_bytes);
  FEDLOOM_CHECK(options.max_blobs >= 1 && options.max_blobs <= 65536, "max_blobs = {}; it lies in [1, 65536]",
                options.max_blobs);
  FEDLOOM_CHECK(options.heartbeat_interval > 0 && options.heartbeat_timeout > options.heartbeat_interval,
                "a heartbeat every {} ns with a timeout of {} ns", options.heartbeat_interval,
                options.heartbeat_timeout);
  // Names an incarnation of a process, never a choice of the experiment: it may be truly random.
  std::random_device device;
  while (options.instance == 0) options.instance = (static_cast<std::uint64_t>(device()) << 32U) | device();
  return options;
}

AsioExecutor& asio(Executor& executor, const Endpoint& endpoint) {
  auto* real = dynamic_cast<AsioExecutor*>(&executor);
  FEDLOOM_CHECK(real != nullptr, "channel \"{}\" needs an AsioExecutor to watch its socket", endpoint.text);
  return *real;
}

}  // namespace

std::unique_ptr<Channel> make_server_channel(const std::string& endpoint, Executor& executor,
                                             const ChannelOptions& options) {
  const Endpoint where = parse_endpoint(endpoint, true);
  if (where.kind == Endpoint::Kind::inproc) return make_inproc_server(where, executor, checked(options));
  return make_zmq_server(where, asio(executor, where), checked(options));
}

std::unique_ptr<Channel> make_client_channel(const std::string& endpoint, Executor& executor,
                                             const ChannelOptions& options) {
  const Endpoint where = parse_endpoint(endpoint, false);
  if (where.kind == Endpoint::Kind::inproc) return make_inproc_client(where, executor, checked(options));
  return make_zmq_client(where, asio(executor, where), checked(options));
}

}  // namespace fedloom
