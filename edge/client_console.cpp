// Lines, and the timer between them.
#include "edge/client_console.hpp"

#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <netdb.h>
#include <unistd.h>

#include "core/human_units.hpp"
#include "transport/endpoint.hpp"

namespace fedloom {

namespace {

constexpr Tick kPatience = 5 * kSecond;

}  // namespace

ClientConsole::ClientConsole(Executor& executor, std::string server,
                             std::function<void(std::string_view)> print, std::function<std::string()> why)
    : executor_(executor), server_(std::move(server)), print_(std::move(print)), why_(std::move(why)) {}

ClientConsole::~ClientConsole() { executor_.cancel(timer_); }

void ClientConsole::connecting() {
  if (timer_ != 0) return;
  print_(fmt::format("connecting to {}", server_));
  (void)why_();
  timer_ = executor_.after(kPatience, [this] { still_waiting(); });
}

void ClientConsole::still_waiting() {
  const std::string why = why_();
  print_(fmt::format("still no server at {}{}{}", server_, why.empty() ? "" : ": ", why));
  timer_ = executor_.after(kPatience, [this] { still_waiting(); });
}

void ClientConsole::joined(ClientId client, std::uint64_t examples) {
  executor_.cancel(std::exchange(timer_, 0));
  print_(fmt::format("joined as client {} with {} examples", client, examples));
}

void ClientConsole::resting(const std::string& why) {
  executor_.cancel(std::exchange(timer_, 0));
  print_(fmt::format("resting: {}", why));
}

void ClientConsole::trained(const Task& task, const Update& update, Tick took) {
  ++tasks_;
  const std::string loss =
      update.loss_count == 0
          ? ""
          : fmt::format(", loss {:.4f}", update.loss_sum / static_cast<double>(update.loss_count));
  print_(fmt::format("round {}: {} examples{}, {}", task.window, update.examples, loss,
                     duration_text(static_cast<double>(took) * 1e-9)));
}

void ClientConsole::ended(const std::string& reason) {
  executor_.cancel(std::exchange(timer_, 0));
  print_(fmt::format("the end: {}; trained {} {}", reason, tasks_, tasks_ == 1 ? "time" : "times"));
}

void print_line(std::string_view line) {
  const std::string text = fmt::format("{}\n", line);
  (void)!::write(2, text.data(), text.size());
}

std::string why_unreachable(const std::string& endpoint) {
  const Endpoint where = parse_endpoint(endpoint, false);
  if (where.kind == Endpoint::Kind::ipc) {
    std::error_code error;
    return std::filesystem::exists(where.address, error) ? "" : "there is no such socket";
  }
  if (where.kind != Endpoint::Kind::tcp) return "";
  std::string host = where.address.substr(0, where.address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(host.c_str(), nullptr, &wanted, &found);
  if (failure != 0) return fmt::format("\"{}\" has no address: {}", host, gai_strerror(failure));
  freeaddrinfo(found);
  return "";
}

struct ReachabilityCheck::Findings {
  std::string endpoint;
  Look look;
  std::mutex mutex;
  bool looking = false;
  std::string found;
};

ReachabilityCheck::ReachabilityCheck(std::string endpoint, Look look)
    : findings_(std::make_shared<Findings>()) {
  findings_->endpoint = std::move(endpoint);
  findings_->look = std::move(look);
}

std::string ReachabilityCheck::latest() {
  const std::lock_guard lock(findings_->mutex);
  if (!std::exchange(findings_->looking, true)) {
    const auto work = [findings = findings_] {
      std::string found;
      try {
        found = findings->look(findings->endpoint);
      } catch (const std::exception&) {  // whoever connects there says what is wrong with the text
      }
      const std::lock_guard done(findings->mutex);
      findings->found = std::move(found);
      findings->looking = false;
    };
    try {
      std::thread(work).detach();
    } catch (const std::system_error&) {
      findings_->looking = false;  // the device has no thread to spare
    }
  }
  return findings_->found;
}

}  // namespace fedloom
