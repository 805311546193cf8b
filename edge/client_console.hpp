// What a person sees of a deployed client: where it connects, whether anybody is there, what it trains, how
// it ends. Whole lines, for terminals and service logs alike; a run's own display is sinks/progress.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/executor.hpp"
#include "core/messages.hpp"

namespace fedloom {

class ClientConsole {
 public:
  /// `print` gets each line; `why` says what is known of a server that is not there, or "", without waiting
  /// to find out: it is asked when the waiting begins and before each line.
  ClientConsole(Executor& executor, std::string server, std::function<void(std::string_view)> print,
                std::function<std::string()> why);
  ~ClientConsole();
  ClientConsole(const ClientConsole&) = delete;
  ClientConsole& operator=(const ClientConsole&) = delete;

  /// There is no server, at the start or any more: said again every few seconds until joined().
  void connecting();
  void joined(ClientId client, std::uint64_t examples);
  /// It stays away until further notice: "the device is on battery".
  void resting(const std::string& why);
  /// `took` is in nanoseconds.
  void trained(const Task& task, const Update& update, Tick took);
  void ended(const std::string& reason);

 private:
  void still_waiting();

  Executor& executor_;
  std::string server_;
  std::function<void(std::string_view)> print_;
  std::function<std::string()> why_;
  TimerId timer_ = 0;
  std::uint64_t tasks_ = 0;
};

/// One line to standard error, in one piece.
void print_line(std::string_view line);

/// What is wrong with an endpoint that nobody answers at: a host without an address, a socket that is not
/// there. "" when nothing is known. May ask the system's resolver and wait for it.
std::string why_unreachable(const std::string& endpoint);

/// Asks that on a thread of its own, since a resolver that hears nothing takes half a minute to say so.
class ReachabilityCheck {
 public:
  using Look = std::function<std::string(const std::string&)>;
  explicit ReachabilityCheck(std::string endpoint, Look look = why_unreachable);
  /// What the last look that has ended found, "" before; begins another unless one is under way. Never waits,
  /// and a look under way may outlive this.
  std::string latest();

 private:
  struct Findings;
  std::shared_ptr<Findings> findings_;
};

}  // namespace fedloom
