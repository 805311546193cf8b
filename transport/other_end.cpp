// tcp tells the address, a unix socket the process.
#include "transport/other_end.hpp"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace fedloom {

namespace {

std::string text_of(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family, address, text.data(), text.size()) == nullptr ? "" : text.data();
}

OtherEnd ipv4(const sockaddr_in& address) {
  const std::string host = text_of(AF_INET, &address.sin_addr);
  return {host, fmt::format("{}:{}", host, ntohs(address.sin_port)), 0};
}

// Whoever has one address of a network of 64 bits has all of them.
OtherEnd ipv6(const sockaddr_in6& address) {
  in6_addr network = address.sin6_addr;
  const std::string name = fmt::format("[{}]:{}", text_of(AF_INET6, &network), ntohs(address.sin6_port));
  if (!IN6_IS_ADDR_V4MAPPED(&network)) std::memset(network.s6_addr + 8, 0, 8);
  return {text_of(AF_INET6, &network), name, 0};
}

OtherEnd local(int descriptor) {
  ucred process{};
  socklen_t size = sizeof process;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &process, &size) != 0 || process.pid == 0) return {};
  const std::string name = fmt::format("process {}", process.pid);
  return {name, name, 0};
}

}  // namespace

OtherEnd other_end_of(int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  OtherEnd other;
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return other;
  if (storage.ss_family == AF_INET) other = ipv4(reinterpret_cast<const sockaddr_in&>(storage));
  if (storage.ss_family == AF_INET6) other = ipv6(reinterpret_cast<const sockaddr_in6&>(storage));
  if (storage.ss_family == AF_UNIX) other = local(descriptor);
  size = sizeof other.cookie;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &other.cookie, &size) != 0) other.cookie = 0;
  return other;
}

}  // namespace fedloom
