// A counter that only the signal handler raises. Signals are process-wide, so this state has to be too.
#include "experiments/signals.hpp"

#include <csignal>

namespace fedloom {

namespace {

volatile std::sig_atomic_t interrupts = 0;  // house: signal handlers can reach nothing else

void on_signal(int /*signal*/) { interrupts = interrupts + 1; }

}  // namespace

void listen_for_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

Interrupt interrupt_wish() {
  if (interrupts == 0) return Interrupt::none;
  return interrupts == 1 ? Interrupt::after_window : Interrupt::now;
}

}  // namespace fedloom
