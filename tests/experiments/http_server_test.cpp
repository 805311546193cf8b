// The web server as browsers, scrapers and strangers meet it.
#include "experiments/status/http_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include "core/error.hpp"
#include "tests/support/http_client.hpp"

namespace fedloom::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServer server_{
      "127.0.0.1", 0, [](std::string_view path) {
        if (path == "/throws") throw std::runtime_error("what was wrong");
        return HttpAnswer{path == "/there" ? 200U : 404U, "text/plain", "you asked for " + std::string(path)};
      }};
};

TEST_F(HttpServerTest, AnswersWithThePath) {
  const std::string answer = get(server_.address(), "/there?x=1");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n"));
  EXPECT_EQ(body_of(answer), "you asked for /there");
  EXPECT_THAT(get(server_.address(), "/elsewhere"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, AHeadHasNoBody) {
  const std::string answer =
      ask(server_.address(), "HEAD /there HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 20\r\n"));
  EXPECT_EQ(body_of(answer), "");
}

TEST_F(HttpServerTest, OneConnectionMayAskTwice) {
  const std::string answers = ask(server_.address(),
                                  "GET /there HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                  "GET /elsewhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answers, HasSubstr("you asked for /there"));
  EXPECT_THAT(answers, HasSubstr("you asked for /elsewhere"));
}

TEST_F(HttpServerTest, NothingCanBeChanged) {
  for (const char* method : {"POST", "PUT", "DELETE"})
    EXPECT_THAT(
        ask(server_.address(), std::string(method) + " /there HTTP/1.1\r\nHost: localhost\r\nConnection: "
                                                     "close\r\n\r\n"),
        StartsWith("HTTP/1.1 405 "));
}

// A page elsewhere whose name was made to lead here by its owner.
TEST_F(HttpServerTest, OtherHostsNamesAreRefusedOnLoopback) {
  const auto asked_as = [&](const std::string& host) {
    return ask(server_.address(), "GET /there HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
  };
  EXPECT_THAT(asked_as("evil.example"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(asked_as("evil.example:8480"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(asked_as("localhost:8480"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(asked_as("127.0.0.1:8480"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(asked_as("[::1]:8480"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, WhatDoesNotParseOrIsTooLargeIsDropped) {
  EXPECT_THAT(ask(server_.address(), "nonsense\r\n\r\n"), Not(HasSubstr("200")));
  EXPECT_THAT(ask(server_.address(),
                  "GET /there HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n"),
              Not(HasSubstr("200")));
  EXPECT_THAT(
      ask(server_.address(), "GET /there HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
      Not(HasSubstr("200")));
  EXPECT_THAT(get(server_.address(), "/there"), HasSubstr("200 OK")) << "and others do not suffer";
}

TEST_F(HttpServerTest, AnAnswerThatFailsIsSaid) {
  const std::string answer = get(server_.address(), "/throws");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
  EXPECT_EQ(body_of(answer), "what was wrong\n");
}

TEST(HttpServer, AnAddressThatCannotBeHadIsSaid) {
  const auto handler = [](std::string_view) { return HttpAnswer{}; };
  EXPECT_THROW(HttpServer("nowhere.example", 0, handler), UserError);
  EXPECT_THROW(HttpServer("203.0.113.1", 0, handler), UserError)
      << "an address for documentation is nobody's";
  const HttpServer first("127.0.0.1", 0, handler);
  const std::string port = first.address().substr(first.address().rfind(':') + 1);
  EXPECT_THROW(HttpServer("127.0.0.1", static_cast<std::uint16_t>(std::stoi(port)), handler), UserError);
}

std::int64_t microseconds_of_work() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * std::int64_t{1'000'000} + used.ru_utime.tv_usec +
         used.ru_stime.tv_usec;
}

// The connection waits in the system's queue and cannot be taken; that it is tried again at once would show
// as work, all of the time that a core is free for it.
TEST(HttpServer, WhereNoFileMayBeOpenedItWaitsIdly) {
  const HttpServer server("127.0.0.1", 0, [](std::string_view) {
    return HttpAnswer{200, "text/plain", "here"};
  });
  const int sock = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int lowest = ::dup(sock);
  ::close(lowest);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(server.address().substr(17))));  // http://127.0.0.1:
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(sock, reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
  const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(::send(sock, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  const std::int64_t begin = microseconds_of_work();
  pollfd answered{sock, POLLIN, 0};
  EXPECT_EQ(::poll(&answered, 1, 300), 0) << "nobody can answer";
  EXPECT_LT(microseconds_of_work() - begin, 150'000);
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  std::string answer;
  char bytes[4096];
  for (ssize_t count = 1; (count = ::recv(sock, bytes, sizeof bytes, 0)) > 0;)
    answer.append(bytes, static_cast<std::size_t>(count));
  ::close(sock);
  EXPECT_EQ(body_of(answer), "here") << "and is when there is one again";
}

}  // namespace
}  // namespace fedloom::testing
