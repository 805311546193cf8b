// A network that fails, between clients and a server on this machine: what it carries comes late and in
// pieces, and connections break in the middle of a message or go silent and stay open.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/random.hpp"
#include "transport/asio.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

namespace fedloom::testing {

/// Probabilities are of every block that is read from a socket.
struct Faults {
  std::uint64_t seed = 1;
  std::chrono::microseconds longest_delay{2000};  // uniform from none; order is kept, as tcp keeps it
  double pieces = 0.3;                            // sent in two, the second later
  double cut = 0.005;                             // part of it is sent, then the connection breaks
  double silence = 0.002;                         // nothing passes any more, either way, and nobody is told
  double nobody = 0.05;                           // of a new connection: accepted, and nothing more ever
  double stranger = 0.05;                         // of a new connection: somebody else answers, with noise
};

/// Works on a thread of its own until it is destroyed.
class UnreliableNetwork {
 public:
  UnreliableNetwork(const std::string& server_endpoint, const Faults& faults)
      : server_port_(
            static_cast<std::uint16_t>(std::stoi(server_endpoint.substr(server_endpoint.rfind(':') + 1)))),
        faults_(faults),
        random_(faults.seed, Stream::sampling, 0),
        acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}),
        endpoint_("tcp://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port())) {
    accept();
    thread_ = std::jthread([this] { context_.run(); });
  }
  ~UnreliableNetwork() { context_.stop(); }
  UnreliableNetwork(const UnreliableNetwork&) = delete;
  UnreliableNetwork& operator=(const UnreliableNetwork&) = delete;

  const std::string& endpoint() const { return endpoint_; }
  /// Breaks, or silences, `count` of the connections that there are (all, when fewer), and says how many it
  /// were.
  std::size_t cut(std::size_t count) {
    return to_some(count, [](Connection& connection) { connection.close(); });
  }
  std::size_t silence(std::size_t count) {
    return to_some(count, [](Connection& connection) { connection.silent = true; });
  }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  struct Connection {
    explicit Connection(Socket client, boost::asio::io_context& context)
        : ends{std::move(client), Socket(context)},
          timers{boost::asio::steady_timer(context), boost::asio::steady_timer(context)} {}
    std::array<Socket, 2> ends;  // client, server
    std::array<boost::asio::steady_timer, 2> timers;
    std::array<std::vector<char>, 2> buffers{std::vector<char>(1U << 14U), std::vector<char>(1U << 14U)};
    bool silent = false;

    void close() {
      boost::system::error_code ignored;
      for (Socket& end : ends) end.close(ignored);
    }
  };
  using Held = std::shared_ptr<Connection>;

  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, Socket client) {
      if (error) return;
      const auto connection = std::make_shared<Connection>(std::move(client), context_);
      if (random_.bernoulli(faults_.nobody)) {
        silent_.push_back(connection);
        return accept();
      }
      if (random_.bernoulli(faults_.stranger)) {
        answer_noise(connection);
        return accept();
      }
      boost::system::error_code refused;
      connection->ends[1].connect({boost::asio::ip::address_v4::loopback(), server_port_}, refused);
      if (refused) {
        connection->close();
      } else {
        connections_.push_back(connection);
        read(connection, 0);
        read(connection, 1);
      }
      accept();
    });
  }

  // Stays open: it is for the other side to see that nothing sensible comes.
  void answer_noise(const Held& connection) {
    for (char& byte : connection->buffers[1]) byte = static_cast<char>(random_.below(256));
    write(connection, 1, 0, 1 + random_.below(200), [this, connection] { silent_.push_back(connection); });
  }

  void read(const Held& connection, std::size_t from) {
    connection->ends[from].async_read_some(
        boost::asio::buffer(connection->buffers[from]),
        [this, connection, from](const boost::system::error_code& error, std::size_t size) {
          if (error) return connection->close();
          connection->silent = connection->silent || random_.bernoulli(faults_.silence);
          if (connection->silent) return silent_.push_back(connection);  // neither read nor closed any more
          after_delay(connection, from, [this, connection, from, size] { pass(connection, from, size); });
        });
  }

  void pass(const Held& connection, std::size_t from, std::size_t size) {
    const bool cut = random_.bernoulli(faults_.cut);
    const bool pieces = cut || random_.bernoulli(faults_.pieces);
    const std::size_t first = pieces ? random_.below(size) : size;
    write(connection, from, 0, first, [this, connection, from, first, size, cut] {
      if (cut) return connection->close();
      if (first == size) return read(connection, from);
      after_delay(connection, from, [this, connection, from, first, size] {
        write(connection, from, first, size, [this, connection, from] { read(connection, from); });
      });
    });
  }

  template <class Next>
  void write(const Held& connection, std::size_t from, std::size_t begin, std::size_t end, Next next) {
    boost::asio::async_write(connection->ends[1 - from],
                             boost::asio::buffer(connection->buffers[from].data() + begin, end - begin),
                             [connection, next](const boost::system::error_code& error, std::size_t) {
                               if (error) return connection->close();
                               next();
                             });
  }

  template <class Next>
  void after_delay(const Held& connection, std::size_t from, Next next) {
    boost::asio::steady_timer& timer = connection->timers[from];
    timer.expires_after(std::chrono::microseconds(
        random_.below(static_cast<std::uint64_t>(faults_.longest_delay.count()) + 1)));
    timer.async_wait([next](const boost::system::error_code& error) {
      if (!error) next();
    });
  }

  std::size_t to_some(std::size_t count, const std::function<void(Connection&)>& fate) {
    std::promise<std::size_t> done;
    boost::asio::post(context_, [&] {
      std::size_t met = 0;
      std::erase_if(connections_, [](const std::weak_ptr<Connection>& one) { return one.expired(); });
      for (const std::weak_ptr<Connection>& one : connections_) {
        const Held connection = one.lock();
        if (met == count || !connection || connection->silent || !connection->ends[0].is_open()) continue;
        fate(*connection);
        ++met;
      }
      done.set_value(met);
    });
    return done.get_future().get();
  }

  std::uint16_t server_port_;
  Faults faults_;
  Random random_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::string endpoint_;
  std::vector<std::weak_ptr<Connection>> connections_;
  std::vector<Held> silent_;  // open until the end, as both sides believe
  std::jthread thread_;
};

}  // namespace fedloom::testing
