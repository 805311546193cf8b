// Channels against the sockets below them: round trips of 64 bytes, one-way throughput, and the shape of an
// empty federated round (a model to each of ten processes, as much back from each). Two threads or, for the
// rounds, one process per client. `share` is the part of the raw socket's throughput that a channel reaches.
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <map>
#include <thread>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/asio_executor.hpp"
#include "transport/channel.hpp"

namespace fedloom {
namespace {

constexpr Tick kDeadline = 120 * kSecond;

std::string socket_path() { return fmt::format("/tmp/fedloom-bench-{}", getpid()); }

std::string endpoint_for(const std::string& kind) {
  if (kind == "inproc") return "inproc://bench";
  if (kind == "ipc") return "ipc://" + socket_path();
  return "tcp://127.0.0.1:0";
}

Message message_of(std::size_t size) {
  Blob blob = Blob::allocate(size);
  std::memset(blob.writable().data(), 1, size);
  return {1, "", {blob}};
}

// A server on this thread and a client on another that does `work`, both for one benchmark.
class Duo {
 public:
  explicit Duo(const std::string& kind) {
    options_.hub = make_inproc_hub();
    server = make_server_channel(endpoint_for(kind), executor, options_);
  }
  ~Duo() {
    client_executor_.stop();
    if (thread_.joinable()) thread_.join();
  }
  Duo(const Duo&) = delete;
  Duo& operator=(const Duo&) = delete;

  /// `on_message` runs on the client's thread.
  void start(std::function<void(Channel&, Message&&)> on_message) {
    bool joined = false;
    server->set_handlers({.on_message = [this](PeerId, Message&&) { ++received; },
                          .on_peer = [&](PeerId, PeerChange, Reason) { joined = true; }});
    thread_ = std::thread([this, on_message, endpoint = server->endpoint()] {
      auto client = make_client_channel(endpoint, client_executor_, options_);
      client->set_handlers({.on_message = [&](PeerId, Message&& m) { on_message(*client, std::move(m)); }});
      client_executor_.run();
    });
    executor.run_until([&] { return joined; }, kDeadline);
  }
  void wait_for(std::uint64_t count) {
    executor.run_until([&] { return received == count; }, kDeadline);
  }

  AsioExecutor executor;
  std::unique_ptr<Channel> server;
  std::uint64_t received = 0;

 private:
  ChannelOptions options_;
  AsioExecutor client_executor_;
  std::thread thread_;
};

void round_trip(benchmark::State& state, const std::string& kind) {
  Duo duo(kind);
  duo.start([](Channel& channel, Message&& message) { channel.send(kServerPeer, std::move(message)); });
  const Message message = message_of(64);
  for (auto _ : state) {
    duo.received = 0;
    duo.server->send(1, message);
    duo.wait_for(1);
  }
}

// ---- the raw sockets -----------------------------------------------------------------------------------

std::array<int, 2> connected_pair(const std::string& kind) {
  std::array<int, 2> ends{};
  if (kind == "ipc") {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) std::abort();
    return ends;
  }
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, plain, length) != 0 || listen(listener, 1) != 0) std::abort();
  getsockname(listener, plain, &length);
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(ends[0], plain, length) != 0) std::abort();
  ends[1] = accept(listener, nullptr, nullptr);
  close(listener);
  const int on = 1;
  for (const int end : ends) setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return ends;
}

void write_all(int fd, const std::byte* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, data, size);
    if (n <= 0) return;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

bool read_all(int fd, std::byte* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = read(fd, data, size);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

std::size_t messages_for(std::size_t size) {
  return std::max<std::size_t>(4, (std::size_t{400} << 20U) / size);
}

double gigabytes_per_second(std::size_t bytes, Tick nanoseconds) {
  return static_cast<double>(bytes) / static_cast<double>(nanoseconds);
}

/// The receiver reads each message into the same buffer.
double raw_throughput(const std::string& kind, std::size_t size) {
  const std::array<int, 2> ends = connected_pair(kind);
  const std::size_t count = messages_for(size);
  const Message message = message_of(size);
  Blob buffer = Blob::allocate(size);
  const AsioExecutor clock;
  const Tick start = clock.now();
  std::thread sender([&] {
    for (std::size_t i = 0; i < count; ++i) write_all(ends[0], message.blobs[0].data(), size);
  });
  for (std::size_t i = 0; i < count; ++i) read_all(ends[1], buffer.writable().data(), size);
  const Tick taken = clock.now() - start;
  sender.join();
  close(ends[0]);
  close(ends[1]);
  return gigabytes_per_second(count * size, taken);
}

double channel_throughput(const std::string& kind, std::size_t size) {
  Duo duo(kind);
  const std::size_t count = messages_for(size);
  const Message message = message_of(size);
  duo.start([&](Channel& channel, Message&& order) {
    for (std::uint16_t i = 0; i < order.type; ++i) channel.send(kServerPeer, message);
  });
  const auto transfer = [&](std::size_t messages) {
    duo.received = 0;
    duo.server->send(1, {static_cast<std::uint16_t>(messages), "", {}});
    duo.wait_for(messages);
  };
  transfer(2);  // memory that will be used again
  const Tick start = duo.executor.now();
  transfer(count);
  return gigabytes_per_second(count * size, duo.executor.now() - start);
}

void throughput(benchmark::State& state, const std::string& kind, std::size_t size) {
  double best = 0;
  double raw = 0;
  for (auto _ : state) {
    best = std::max(best, channel_throughput(kind, size));
    if (kind != "inproc") raw = std::max(raw, raw_throughput(kind, size));
    state.SetIterationTime(static_cast<double>(messages_for(size) * size) / 1e9 / best);
  }
  state.counters["GB/s"] = best;
  if (kind == "inproc") return;
  state.counters["raw GB/s"] = raw;
  state.counters["share"] = best / raw;
}

// ---- rounds --------------------------------------------------------------------------------------------

/// Answers every message with its own bytes until the server says goodbye.
int echo_client(const std::string& endpoint) {
  AsioExecutor executor;
  auto channel = make_client_channel(endpoint, executor);
  channel->set_handlers({.on_message = [&](PeerId, Message&& m) { channel->send(kServerPeer, std::move(m)); },
                         .on_peer =
                             [&](PeerId, PeerChange change, Reason) {
                               if (change == PeerChange::left) executor.stop();
                             }});
  executor.run();
  return 0;
}

/// User and system time of this process and of children that were waited for.
double cpu_milliseconds() {
  double total = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    for (const timeval& t : {usage.ru_utime, usage.ru_stime})
      total += static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) * 1e-3;
  }
  return total;
}

double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1000;
  return 0;
}

void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

/// The server gets a copy of the model of its own each round, as it does when it has aggregated.
void empty_round(benchmark::State& state, const std::string& kind, std::size_t size) {
  constexpr std::size_t kClients = 10;
  forget_peak_memory();
  const double cpu_before = cpu_milliseconds();
  AsioExecutor executor;
  auto server = make_server_channel(endpoint_for(kind), executor);
  std::uint64_t received = 0;
  server->set_handlers({.on_message = [&](PeerId, Message&&) { ++received; }});
  std::vector<pid_t> children(kClients);
  std::string endpoint = server->endpoint();
  std::string program = "/proc/self/exe";
  std::string word = "--echo-client";
  for (pid_t& child : children) {
    std::array<char*, 4> arguments{program.data(), word.data(), endpoint.data(), nullptr};
    if (posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environ) != 0) std::abort();
  }
  executor.run_until([&] { return server->peers().size() == kClients; }, kDeadline);
  const Message model = message_of(size);
  const auto round = [&] {
    received = 0;
    for (const PeerId peer : server->peers()) server->send(peer, model);
    executor.run_until([&] { return received == kClients; }, kDeadline);
  };
  round();
  for (auto _ : state) round();
  state.counters["server MB"] = peak_memory_mb();
  server->close();
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  // Of all eleven processes with their start and end: what a round costs however busy the machine is.
  state.counters["cpu ms"] = (cpu_milliseconds() - cpu_before) / static_cast<double>(state.iterations() + 1);
}

void register_all() {
  for (const std::string kind : {"inproc", "ipc", "tcp"}) {
    benchmark::RegisterBenchmark(("round_trip_64B/" + kind).c_str(), [=](auto& s) { round_trip(s, kind); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
    for (const std::size_t size : {250'000U, 10'000'000U, 100'000'000U}) {
      benchmark::RegisterBenchmark(fmt::format("throughput/{}/{}kB", kind, size / 1000).c_str(),
                                   [=](auto& s) { throughput(s, kind, size); })
          ->UseManualTime()
          ->Iterations(5)
          ->Unit(benchmark::kMillisecond);
    }
    if (kind == "inproc") continue;
    for (const std::size_t size : {800'000U, 100'000'000U}) {
      benchmark::RegisterBenchmark(fmt::format("empty_round_of_10/{}/{}kB", kind, size / 1000).c_str(),
                                   [=](auto& s) { empty_round(s, kind, size); })
          ->UseRealTime()
          ->Iterations(size < 10'000'000U ? 300 : 5)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace fedloom

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--echo-client") == 0) return fedloom::echo_client(argv[2]);
  fedloom::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
