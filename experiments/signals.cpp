// A counter that only the signal handler raises. Signals are process-wide, so this state has to be too.
#include "experiments/signals.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <sys/eventfd.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

volatile std::sig_atomic_t interrupts = 0;  // house: signal handlers can reach nothing else

volatile std::sig_atomic_t descriptor = -1;  // house: signal handlers can reach nothing else

void on_signal(int /*signal*/) { interrupts = interrupts + 1; }

void tell(int /*signal*/) {
  const int before = errno;
  (void)!eventfd_write(descriptor, 1);
  errno = before;
}

}  // namespace

void listen_for_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

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

Interrupt interrupt_wish() {
  if (interrupts == 0) return Interrupt::none;
  return interrupts == 1 ? Interrupt::after_window : Interrupt::now;
}

}  // namespace fedloom
