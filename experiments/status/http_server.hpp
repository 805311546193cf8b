// A small read-only web server on a thread of its own, by Boost.Beast: GET and HEAD, nothing is taken in.
// What is answered is somebody else's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace fedloom {

struct HttpAnswer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  /// Called on the server's thread, one request at a time, with the path ("/metrics"), without what follows a
  /// '?'.
  using Handler = std::function<HttpAnswer(std::string_view path)>;

  /// host: an address of this machine, e.g. 127.0.0.1; port 0: a free one. Listens until it is destroyed.
  /// Requests of more than 8 kB, connections beyond 64 and those that say nothing for 10 s are dropped. On a
  /// loopback address a request for another host's name is refused: a page elsewhere may not read it through
  /// a visitor's browser. Throws UserError when the address cannot be had.
  HttpServer(const std::string& host, std::uint16_t port, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// "http://127.0.0.1:8480", with the port that the system chose.
  const std::string& address() const { return address_; }

 private:
  struct State;
  std::string address_;
  std::unique_ptr<State> state_;
};

}  // namespace fedloom
