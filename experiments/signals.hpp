// Ctrl-C and SIGTERM as a question the run can ask: once means stop after this round with a checkpoint,
// twice means now.
#pragma once

#include "server/driver.hpp"

namespace fedloom {

/// Starts listening; the previous handlers are not restored.
void listen_for_interrupts();
Interrupt interrupt_wish();

}  // namespace fedloom
