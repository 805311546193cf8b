// What progress counts, and when it speaks. How it looks is in progress_text.cpp.
#include "experiments/sinks/progress.hpp"

#include <utility>

#include <fmt/format.h>

#include "core/human_units.hpp"

namespace fedloom {

namespace {

constexpr double kRedrawSeconds = 0.1;   // live: at most ten redraws a second
constexpr double kSilenceSeconds = 5.0;  // plain: never silent for longer while rounds close
constexpr double kRateSeconds = 10.0;    // clients/s is over this long, but over two rounds at least

}  // namespace

ProgressSink::ProgressSink(ProgressOptions options, std::function<void(std::string_view)> write,
                           std::function<double()> seconds)
    : options_(std::move(options)), write_(std::move(write)), seconds_(std::move(seconds)) {
  started_ = seconds_();
  last_output_ = started_ - kRedrawSeconds;
  samples_.emplace_back(started_, 0);
}

void ProgressSink::restore(const FederationEvent& event) {
  apply(event);
  restored_ = closed_;
  restored_share_ = share_done().value_or(0.0);
  restored_trainings_ = trainings_;
  samples_ = {{started_, trainings_}};
  ended_.reset();
  evaluated_since_line_ = false;
}

void ProgressSink::on(const FederationEvent& event) {
  // The evaluation of a round comes after it closes, so its plain line is due when the next one opens.
  const bool ends = std::holds_alternative<RunEnded>(event);
  if (!options_.quiet && !options_.live && (ends || std::holds_alternative<WindowOpened>(event))) {
    const double silence = seconds_() - last_output_;
    const bool due = evaluated_since_line_ ? ends || silence >= kRedrawSeconds
                                           : closed_ > restored_ && silence >= kSilenceSeconds;
    if (due) plain_line();
  }
  apply(event);
  refresh();
}

void ProgressSink::apply(const FederationEvent& event) {
  if (const auto* run = std::get_if<RunStarted>(&event)) {
    ticks_per_second_ = run->ticks_per_second;
  } else if (const auto* opened = std::get_if<WindowOpened>(&event)) {
    open_ = opened->window;
    tick_ = opened->tick;
    tasks_started_ = tasks_ended_ = 0;
  } else if (const auto* task = std::get_if<TaskStarted>(&event)) {
    ++tasks_started_;
    open_bytes_down_ += task->bytes_down;
  } else if (const auto* done = std::get_if<TaskEnded>(&event)) {
    ++tasks_ended_;
    tick_ = done->tick;
    if (done->steps > 0) ++trainings_;
    open_bytes_up_ += done->bytes_up;
  } else if (const auto* closed = std::get_if<WindowClosed>(&event)) {
    closed_ = closed->window;
    tasks_started_ = tasks_ended_ = 0;
    accepted_ += closed->accepted;
    dropped_ += closed->rejected + closed->discarded + closed->lost + closed->cancelled;
    bytes_up_ += closed->bytes_up;
    bytes_down_ += closed->bytes_down;
    open_bytes_up_ = open_bytes_down_ = 0;
    if (const auto spent = closed->metrics.find("epsilon"); spent != closed->metrics.end())
      epsilon_ = spent->second;
    samples_.emplace_back(seconds_(), trainings_);
    while (samples_.size() > 3 && samples_.back().first - samples_[1].first >= kRateSeconds)
      samples_.pop_front();
  } else if (const auto* e = std::get_if<Evaluated>(&event)) {
    evaluated(*e);
  } else if (const auto* clients = std::get_if<ClientsEvaluated>(&event)) {
    bytes_up_ += clients->bytes_up;
    bytes_down_ += clients->bytes_down;
  } else if (const auto* ended = std::get_if<RunEnded>(&event)) {
    ended_ = *ended;
    if (const auto spent = ended->metrics.find("epsilon"); spent != ended->metrics.end())
      epsilon_ = spent->second;
    tick_ = ended->tick;
  }
}

void ProgressSink::evaluated(const Evaluated& event) {
  // One split is shown: test where it exists, else the first that comes.
  if (split_.empty() || event.split == "test") split_ = event.split;
  if (event.split != split_) return;
  accuracy_ = event.accuracy;
  loss_ = event.loss;
  evaluated_since_line_ = true;
  if (!best_accuracy_ || event.accuracy > *best_accuracy_) {
    best_accuracy_ = event.accuracy;
    best_round_ = event.window;
  }
  if (options_.target_accuracy && !target_round_ && event.accuracy >= *options_.target_accuracy)
    target_round_ = event.window;
}

void ProgressSink::on(const MachineEvent& event) {
  if (const auto* peer = std::get_if<PeerChanged>(&event)) {
    if (peer->joined) {
      ++peers_;
    } else {
      peers_ -= peers_ > 0 ? 1 : 0;
      if (!ended_)
        print(fmt::format("{} left{}{}", peer->name, peer->detail.empty() ? "" : ": ", peer->detail));
    }
  } else if (const auto* note = std::get_if<Note>(&event)) {
    print(note->text);
  } else if (const auto* resumed = std::get_if<Resumed>(&event)) {
    print(fmt::format("resumed after round {} from {}", resumed->window, resumed->file));
  } else if (std::holds_alternative<Refused>(event)) {
    ++refused_;  // a hostile peer could flood the terminal; run.jsonl has each
  }
  refresh();
}

void ProgressSink::refresh() {
  if (options_.quiet || !options_.live || ended_) return;
  if (seconds_() - last_output_ >= kRedrawSeconds) draw();
}

void ProgressSink::draw() {
  const int columns = options_.width();
  // One column stays free: a line that fills the last one wraps on some terminals.
  write_("\r" + live_line(columns > 1 ? static_cast<std::size_t>(columns - 1) : 1) + "\x1b[K");
  live_line_shown_ = true;
  last_output_ = seconds_();
}

void ProgressSink::print(std::string_view line) {
  if (options_.quiet) return;
  write_line(line);
  if (options_.live && !ended_) draw();
}

void ProgressSink::write_line(std::string_view line) {
  write_(fmt::format("{}{}\n", std::exchange(live_line_shown_, false) ? "\r\x1b[K" : "", line));
}

void ProgressSink::plain_line() {
  std::string line;
  for (const Field& field : fields(false)) line += (line.empty() ? "" : "  ") + field.text;
  write_line(fmt::format("{}  {} elapsed", line, duration_text(seconds_() - started_)));
  last_output_ = seconds_();
  evaluated_since_line_ = false;
}

void ProgressSink::finish() {
  if (options_.quiet) return;
  write_line(closing_block());
}

// By rounds or by time, whichever ends the run first; nothing where neither is planned.
std::optional<double> ProgressSink::share_done() const {
  std::optional<double> share;
  if (options_.rounds > 0) {
    const double part =
        tasks_started_ == 0 ? 0.0 : static_cast<double>(tasks_ended_) / static_cast<double>(tasks_started_);
    // A window that counts as closed has no open part; asynchronous ones may end more tasks than they start.
    const double rounds = static_cast<double>(closed_) + (open_ > closed_ && part < 1 ? part : 0.0);
    share = rounds / static_cast<double>(options_.rounds);
  }
  if (options_.duration > 0)
    share = std::max(share.value_or(0.0), static_cast<double>(tick_) / ticks_per_second_ / options_.duration);
  return share;
}

std::optional<double> ProgressSink::eta() const {
  const std::optional<double> share = share_done();
  if (!share || *share <= restored_share_) return std::nullopt;
  return (seconds_() - started_) * std::max(0.0, 1.0 - *share) / (*share - restored_share_);
}

double ProgressSink::trainings_per_second() const {
  const auto [since, before] = ended_ ? std::pair(started_, restored_trainings_) : samples_.front();
  const double span = seconds_() - since;
  return span > 0 ? static_cast<double>(trainings_ - before) / span : 0.0;
}

}  // namespace fedloom
