// The names of the other ends of sockets, of every family that a server listens on.
#include "transport/other_end.hpp"

#include <array>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fedloom::testing {
namespace {

/// A connection of this machine with itself.
template <class Address>
struct Connected {
  explicit Connected(Address address) {
    socklen_t size = sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    const int family = plain->sa_family;
    listener = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    good = ::bind(listener, plain, size) == 0 && ::listen(listener, 1) == 0 &&
           ::getsockname(listener, plain, &size) == 0;
    client = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    good = good && ::connect(client, plain, size) == 0;
    size = sizeof own;
    good = good && ::getsockname(client, reinterpret_cast<sockaddr*>(&own), &size) == 0;
    server = good ? ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) : -1;
  }
  ~Connected() {
    for (const int descriptor : {listener, client, server}) ::close(descriptor);
  }
  Connected(const Connected&) = delete;
  Connected& operator=(const Connected&) = delete;

  int listener = -1;
  int client = -1;
  int server = -1;
  bool good = false;
  Address own{};  // of the client
};

TEST(OtherEnd, OfTcpIsItsAddress) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const Connected<sockaddr_in> connected(address);
  ASSERT_TRUE(connected.good);
  const OtherEnd other = other_end_of(connected.server);
  EXPECT_EQ(other.host, "127.0.0.1");
  EXPECT_EQ(other.name, "127.0.0.1:" + std::to_string(ntohs(connected.own.sin_port)));
  EXPECT_NE(other.cookie, 0U);
  EXPECT_EQ(other.cookie, other_end_of(connected.server).cookie);
  EXPECT_NE(other.cookie, other_end_of(connected.client).cookie);
}

// ::1 is the only address of its network here.
TEST(OtherEnd, OfIpv6IsItsNetworkWhereLimitsAreMeant) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const Connected<sockaddr_in6> connected(address);
  if (!connected.good) GTEST_SKIP() << "this system has no IPv6 loopback";
  const OtherEnd other = other_end_of(connected.server);
  EXPECT_EQ(other.host, "::");
  EXPECT_EQ(other.name, "[::1]:" + std::to_string(ntohs(connected.own.sin6_port)));
}

TEST(OtherEnd, OfAUnixSocketIsItsProcess) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  EXPECT_EQ(other_end_of(ends[0]).name, "process " + std::to_string(::getpid()));
  for (const int end : ends) ::close(end);
  EXPECT_EQ(other_end_of(ends[0]).name, "") << "it is closed";
}

}  // namespace
}  // namespace fedloom::testing
