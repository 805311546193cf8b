// Checks of endpoint texts.
#include "transport/endpoint.hpp"

#include <charconv>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

Endpoint parse_tcp(const std::string& text, std::string address, bool is_server) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0)
    throw user_error("endpoint \"{}\": tcp needs a host and a port, as in tcp://127.0.0.1:5570", text);
  std::string host = address.substr(0, colon);
  const std::string port = address.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool is_number = error == std::errc() && end == port.data() + port.size() && number <= 65535;
  if (!is_number && port != "*")
    throw user_error("endpoint \"{}\": port \"{}\" is not a number from 0 to 65535", text, port);
  const bool open = port == "*" || number == 0;
  if (!is_server && open)
    throw user_error("endpoint \"{}\": a client must name the port of its server", text);
  if (!is_server && host == "*")
    throw user_error("endpoint \"{}\": a client must name the host of its server", text);
  // Binding takes addresses and interface names, not host names; this one is expected to work everywhere.
  if (is_server && host == "localhost") host = "127.0.0.1";
  address = host + ":" + (open ? "*" : port);
  return {Endpoint::Kind::tcp, "tcp://" + address, address};
}

Endpoint parse_ipc(const std::string& text, const std::string& path) {
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty() || path.size() > kLongest) {
    throw user_error("endpoint \"{}\": the path has {} characters; a socket path has 1 to {}", text,
                     path.size(), kLongest);
  }
  return {Endpoint::Kind::ipc, "ipc://" + path, path};
}

}  // namespace

Endpoint parse_endpoint(const std::string& text, bool is_server) {
  const auto after = [&text](std::string_view scheme) { return text.substr(scheme.size()); };
  if (text == "inproc") return {Endpoint::Kind::inproc, "inproc://", ""};
  if (text.starts_with("inproc://")) return {Endpoint::Kind::inproc, text, after("inproc://")};
  if (text.starts_with("ipc://")) return parse_ipc(text, after("ipc://"));
  if (text.starts_with("tcp://")) return parse_tcp(text, after("tcp://"), is_server);
  throw user_error("endpoint \"{}\" is none of inproc://NAME, ipc:///PATH, tcp://HOST:PORT", text);
}

void refuse_taken_ipc_path(const Endpoint& endpoint) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, endpoint.address.data(), endpoint.address.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return;
  const bool taken = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(probe);
  if (taken) throw user_error("endpoint \"{}\" is served by another process already", endpoint.text);
}

}  // namespace fedloom
