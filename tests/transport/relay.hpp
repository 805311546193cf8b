// A TCP relay that counts: what really went over the socket, in each direction, and the power to cut it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transport/asio.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

namespace fedloom::testing {

/// Stands between clients and a server on 127.0.0.1; works on a thread-less loop of its own that `poll()`
/// turns.
class CountingRelay {
 public:
  explicit CountingRelay(std::uint16_t server_port)
      : server_port_(server_port), acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}) {
    accept();
  }
  std::string endpoint() const {
    return "tcp://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  /// Does what can be done now.
  void poll() { context_.poll(); }
  /// Drops every connection, as a network does; new ones are accepted.
  void cut() {
    for (const auto& connection : connections_) {
      connection->ends[0].close();
      connection->ends[1].close();
    }
    connections_.clear();
  }
  /// From now on nothing passes over the connections that there are, and nobody is told. New ones are as
  /// ever.
  void silence() {
    for (const auto& connection : connections_) connection->silent = true;
  }
  /// From now on what passes is written down, of all connections in one.
  void keep_bytes() { keep_ = true; }
  const std::string& kept_to_server() const { return kept_[0]; }
  std::string kept() const { return kept_[0] + kept_[1]; }
  std::uint64_t to_server() const { return bytes_[0]; }
  std::uint64_t to_client() const { return bytes_[1]; }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  struct Connection {
    std::array<Socket, 2> ends;  // client, server
    std::array<std::vector<char>, 2> buffers{std::vector<char>(1U << 16U), std::vector<char>(1U << 16U)};
    bool silent = false;
  };

  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, Socket client) {
      if (error) return;
      auto connection = std::make_shared<Connection>(Connection{{std::move(client), Socket(context_)}});
      connections_.push_back(connection);
      boost::system::error_code refused;
      connection->ends[1].connect({boost::asio::ip::address_v4::loopback(), server_port_}, refused);
      if (refused) {
        connection->ends[0].close();
      } else {
        // Small writes must not wait for acknowledgements, as they do not on ZeroMQ's own sockets.
        for (Socket& end : connection->ends) end.set_option(boost::asio::ip::tcp::no_delay(true));
        forward(connection, 0);
        forward(connection, 1);
      }
      accept();
    });
  }
  void forward(const std::shared_ptr<Connection>& connection, std::size_t from) {
    auto& buffer = connection->buffers[from];
    connection->ends[from].async_read_some(
        boost::asio::buffer(buffer),
        [this, connection, from](const boost::system::error_code& error, std::size_t size) {
          if (error) return finish(*connection);
          if (connection->silent) return forward(connection, from);
          bytes_[from] += size;
          if (keep_) kept_[from].append(connection->buffers[from].data(), size);
          boost::asio::async_write(
              connection->ends[1 - from], boost::asio::buffer(connection->buffers[from], size),
              [this, connection, from](const boost::system::error_code& failed, std::size_t) {
                if (failed) return finish(*connection);
                forward(connection, from);
              });
        });
  }
  static void finish(Connection& connection) {
    connection.ends[0].close();
    connection.ends[1].close();
  }

  boost::asio::io_context context_;
  std::uint16_t server_port_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::array<std::uint64_t, 2> bytes_{};
  bool keep_ = false;
  std::array<std::string, 2> kept_;
};

}  // namespace fedloom::testing
