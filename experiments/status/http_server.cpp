// Asynchronous accept, read, write on one io_context; a connection is an object that lives in its handlers.
#include "experiments/status/http_server.hpp"

#include <chrono>
#include <optional>
#include <thread>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>

#include "core/error.hpp"

namespace fedloom {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr std::size_t kMostConnections = 64;
constexpr std::size_t kMostHeader = 8192;
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::seconds kPause{1};  // after a connection that could not be taken

// "localhost:8480" without the port; an address in brackets keeps them.
std::string_view host_of(std::string_view header) {
  const std::size_t bracket = header.rfind(']');
  const std::size_t colon = header.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  return has_port ? header.substr(0, colon) : header;
}

bool is_loopback_name(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

}  // namespace

struct HttpServer::State {
  State(const tcp::endpoint& where, Handler its_handler)
      : acceptor(context, where), handler(std::move(its_handler)) {}

  class Connection;
  void accept();
  HttpAnswer answer(const http::request<http::empty_body>& request) const;

  asio::io_context context{1};
  tcp::acceptor acceptor;
  asio::steady_timer pause{context};
  Handler handler;
  bool loopback = true;
  std::size_t connections = 0;
  std::jthread thread;
};

class HttpServer::State::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(State& server, tcp::socket socket) : server_(server), stream_(std::move(socket)) {
    ++server_.connections;
  }
  ~Connection() { --server_.connections; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(kMostHeader);
    parser_->body_limit(std::uint64_t{0});
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                       if (!error) self->write();
                     });
  }

 private:
  void write() {
    const auto& request = parser_->get();
    HttpAnswer answer = server_.answer(request);
    response_ = {http::int_to_status(answer.status), request.version()};
    response_.set(http::field::content_type, answer.type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set("X-Frame-Options", "DENY");
    response_.keep_alive(request.keep_alive());
    response_.body() = std::move(answer.body);
    response_.prepare_payload();
    // A HEAD is told the size of what it does not get.
    if (request.method() == http::verb::head) response_.body().clear();
    stream_.expires_after(kPatience);
    http::async_write(stream_, response_, [self = shared_from_this()](const ErrorCode& error, std::size_t) {
      if (error) return;
      if (self->response_.keep_alive()) return self->read();
      ErrorCode ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  State& server_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{2 * kMostHeader};
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
};

void HttpServer::State::accept() {
  acceptor.async_accept([this](const ErrorCode& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {
      // Where no file may be opened the connection stays in the queue, and would fail again at once.
      pause.expires_after(kPause);
      return pause.async_wait([this](const ErrorCode& stopped) {
        if (!stopped) accept();
      });
    }
    if (connections < kMostConnections) std::make_shared<Connection>(*this, std::move(socket))->read();
    accept();
  });
}

HttpAnswer HttpServer::State::answer(const http::request<http::empty_body>& request) const {
  if (request.method() != http::verb::get && request.method() != http::verb::head)
    return {405, "text/plain; charset=utf-8", "only GET and HEAD: nothing can be changed here\n"};
  const std::string_view host(request[http::field::host].data(), request[http::field::host].size());
  if (loopback && !host.empty() && !is_loopback_name(host_of(host)))
    return {421, "text/plain; charset=utf-8", "this server answers for localhost\n"};
  const std::string_view target(request.target().data(), request.target().size());
  try {
    return handler(target.substr(0, target.find('?')));
  } catch (const std::exception& error) {
    return {500, "text/plain; charset=utf-8", std::string(error.what()) + "\n"};
  }
}

HttpServer::HttpServer(const std::string& host, std::uint16_t port, Handler handler) {
  ErrorCode error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error)
    throw user_error("\"{}\" is no address to serve a status page at; give e.g. 127.0.0.1:8480", host);
  try {
    state_ = std::make_unique<State>(tcp::endpoint(address, port), std::move(handler));
  } catch (const boost::system::system_error& failure) {
    throw user_error("the status page cannot be served at {}:{}: {}", host, port, failure.code().message());
  }
  state_->loopback = address.is_loopback();
  const std::string shown = address.is_v6() ? fmt::format("[{}]", host) : host;
  address_ = fmt::format("http://{}:{}", shown, state_->acceptor.local_endpoint().port());
  state_->accept();
  state_->thread = std::jthread([state = state_.get()] { state->context.run(); });
}

HttpServer::~HttpServer() {
  state_->context.stop();
  state_->thread = {};
}

}  // namespace fedloom
