// An event descriptor that only the signal handler writes. Signals are process-wide, so this state has to be
// too.
#include "edge/stop_signal.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <sys/eventfd.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

volatile std::sig_atomic_t descriptor = -1;  // house: signal handlers can reach nothing else

void tell(int /*signal*/) {
  const int before = errno;
  (void)!eventfd_write(descriptor, 1);
  errno = before;
}

}  // namespace

int listen_by_descriptor() {
  descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) throw user_error("cannot listen for signals: {}", std::strerror(errno));
  struct sigaction action {};
  action.sa_handler = tell;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return descriptor;
}

}  // namespace fedloom
