// When a run is given up because nothing of use comes in. A simulation is given up by plain counts; in a
// deployed run a few broken clients must not end it for the others, see server/failing_clients.hpp.
#include "server/coordinator.hpp"

namespace fedloom {

namespace {

constexpr std::uint64_t kHopelessUpdates = 64;
constexpr std::uint64_t kHopelessTasks = 10'000;
constexpr std::uint64_t kHopelessWindows = 5;

}  // namespace

void Coordinator::note_outcome(Tick now, ClientId client, Verdict verdict) {
  if (!failing_) return;
  switch (verdict) {
    case Verdict::accepted:
    case Verdict::discarded: return failing_->succeeded(client);  // it was sound
    case Verdict::rejected: return failing_->failed(client, now);
    case Verdict::lost:
    case Verdict::cancelled: return failing_->gave_up(client);
  }
}

std::string Coordinator::last_words() const {
  if (last_rejection_ == Reason::failed) return last_failure_;
  return fmt::format("the last one was rejected as {}; is train.lr too large?", to_string(last_rejection_));
}

// Windows that close by count would stay open for ever; rounds have their own limit.
void Coordinator::check_hope() const {
  if (failing_ && failing_->leave_no_hope())
    throw user_error(
        "round {}: {} updates of {} clients in a row were of no use, and no client had a good one; {}",
        open_window(), failing_->failures(), failing_->clients(), last_words());
  if (!failing_ && pacer_.overlaps() && rejected_in_row_ >= kHopelessUpdates)
    throw user_error(
        "round {}: the last {} updates were all rejected, the last one as {}; is train.lr too large?",
        open_window(), rejected_in_row_, to_string(last_rejection_));
  // Devices of our own making; real ones come back.
  if (population_.devices != nullptr && lost_in_row_ >= kHopelessTasks)
    throw user_error(
        "round {}: the last {} tasks were all lost; see devices.dropout, devices.failure and devices.leaving",
        open_window(), lost_in_row_);
}

// A learning rate that is far too large makes every update a bad one; going on would waste the time.
void Coordinator::check_window() {
  fruitless_ = closed_.accepted == 0 && closed_.rejected > 0 ? fruitless_ + 1 : 0;
  if (fruitless_ < kHopelessWindows || (failing_ && !failing_->are_many())) return;
  if (last_rejection_ == Reason::failed)
    throw user_error("round {}: every task of the last {} rounds failed; {}", open_window(), fruitless_,
                     last_failure_);
  throw user_error(
      "round {}: every update of the last {} rounds was rejected, the last one as {}; is train.lr too "
      "large?",
      open_window(), fruitless_, to_string(last_rejection_));
}

}  // namespace fedloom
