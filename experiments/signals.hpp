// Ctrl-C and SIGTERM as a question the run can ask: once means stop after this round with a checkpoint,
// twice means now.
#pragma once

#include "server/driver.hpp"

namespace fedloom {

/// Starts listening; the previous handlers are not restored.
void listen_for_interrupts();
Interrupt interrupt_wish();
/// The same for a program that waits on descriptors: this one becomes readable at the first signal. A second
/// signal ends the program as if nobody listened.
int listen_by_descriptor();

}  // namespace fedloom
