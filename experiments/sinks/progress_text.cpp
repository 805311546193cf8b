// How progress looks: fields, bar, closing block, and what the terminal is able to show.
// When to draw is progress.cpp.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/human_units.hpp"
#include "experiments/sinks/progress.hpp"

namespace fedloom {

namespace {

constexpr const char* kBold = "1";
constexpr const char* kDim = "2";
constexpr const char* kGreen = "32";
constexpr const char* kCyan = "36";
constexpr std::size_t kNarrowestBar = 6;
constexpr std::size_t kWidestBar = 24;

std::string environment(const char* name) {
  const char* value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read once, before any thread starts
  return value == nullptr ? "" : value;
}

bool speaks_utf8() {
  std::string locale = environment("LC_ALL");
  if (locale.empty()) locale = environment("LC_CTYPE");
  if (locale.empty()) locale = environment("LANG");
  std::transform(locale.begin(), locale.end(), locale.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
}

}  // namespace

ProgressOptions terminal_options(int descriptor) {
  ProgressOptions options;
  const std::string term = environment("TERM");
  options.live = ::isatty(descriptor) == 1 && term != "dumb";
  options.color = options.live && environment("NO_COLOR").empty();
  options.unicode = speaks_utf8();
  options.width = [descriptor] {
    struct winsize size {};
    return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? static_cast<int>(size.ws_col)
                                                                          : 80;
  };
  return options;
}

std::string ProgressSink::styled(const std::string& text, const char* style) const {
  return options_.color && *style != '\0' ? fmt::format("\x1b[{}m{}\x1b[0m", style, text) : text;
}

std::string ProgressSink::round_text() const {
  const WindowId round = ended_ ? closed_ : std::max(open_, closed_);
  return options_.rounds > 0 ? fmt::format("round {}/{}", round, options_.rounds)
                             : fmt::format("round {}", round);
}

// "at 12.3 s of 40.0 s" of the federation's time; nothing where it has no unit.
std::string ProgressSink::time_text() const {
  if (!options_.simulated || ticks_per_second_ <= 1.0) return "";
  const std::string now = "at " + duration_text(static_cast<double>(tick_) / ticks_per_second_);
  return options_.duration > 0 ? now + " of " + duration_text(options_.duration) : now;
}

// "↑12.4 ↓13.1 MB": the unit once where both have the same.
std::string ProgressSink::traffic_text() const {
  std::string up = bytes_text(static_cast<double>(bytes_up_ + open_bytes_up_));
  const std::string down = bytes_text(static_cast<double>(bytes_down_ + open_bytes_down_));
  const std::string unit = down.substr(down.find(' '));
  if (up.ends_with(unit)) up.resize(up.size() - unit.size());
  return options_.unicode ? fmt::format("\u2191{} \u2193{}", up, down)
                          : fmt::format("up {} down {}", up, down);
}

std::string ProgressSink::epsilon_text() const {
  // Up, as a bound is rounded.
  const double unit = *epsilon_ < 0.1 ? 1e-4 : 1e-2;
  const std::string spent =
      fmt::format("{:.{}f}", std::ceil(*epsilon_ / unit - 1e-6) * unit, unit < 1e-3 ? 4 : 2);
  return options_.epsilon > 0.0 ? fmt::format("{} of {:g}", spent, options_.epsilon) : spent;
}

std::vector<ProgressSink::Field> ProgressSink::fields(bool compact) const {
  if (open_ == 0 && closed_ == 0 && !accuracy_) {
    const std::string waiting =
        peers_ == 0 ? "starting" : fmt::format("starting, {} peers connected", peers_);
    return {{waiting, kBold, 0}};
  }
  std::vector<Field> shown = {{round_text(), kBold, 0}};
  if (const std::string time = time_text(); !time.empty()) shown.push_back({time, "", 2});
  if (accuracy_) shown.push_back({"acc " + percent_text(*accuracy_), kGreen, 1});
  if (accuracy_ && options_.target_accuracy)
    shown.push_back({"of " + percent_text(*options_.target_accuracy), kDim, 6});
  if (loss_) shown.push_back({fmt::format("loss {:.4f}", *loss_), "", 3});
  if (epsilon_) shown.push_back({(options_.unicode ? "\u03B5 " : "epsilon ") + epsilon_text(), "", 3});
  if (trainings_ > 0)
    shown.push_back({rate_text(trainings_per_second()) + (compact ? "/s" : " clients/s"), "", 4});
  shown.push_back({traffic_text(), kDim, 5});
  if (const auto left = eta()) shown.push_back({"eta " + duration_text(*left), kCyan, 2});
  return shown;
}

std::string ProgressSink::live_line(std::size_t columns) const {
  const bool has_bar = share_done() && open_ > 0;
  std::size_t gap = 2;
  std::vector<Field> shown = fields(false);
  const auto taken = [&] {
    std::size_t sum = 0;
    for (const Field& field : shown) sum += columns_of(field.text) + gap;
    return sum - gap;
  };
  // The bar's two ends and its gap are columns, too.
  const auto fits = [&](std::size_t bar) {
    return taken() + (has_bar && bar > 0 ? bar + 2 + gap : 0) <= columns;
  };
  const auto drop_down_to = [&](int rank, std::size_t bar) {
    for (int highest = 6; highest >= rank && !fits(bar); --highest)
      std::erase_if(shown, [&](const Field& field) { return field.rank == highest; });
  };
  if (!fits(kNarrowestBar)) {
    drop_down_to(6, kNarrowestBar);
    if (!fits(kNarrowestBar)) {
      gap = 1;
      shown = fields(true);
      drop_down_to(3, kNarrowestBar);
    }
  }
  const bool with_bar = has_bar && fits(kNarrowestBar);
  drop_down_to(1, 0);
  if (!fits(0)) return shown.front().text.substr(0, columns);
  const std::string space(gap, ' ');
  std::string line = styled(shown.front().text, shown.front().style);
  if (with_bar) line += space + bar(std::min(columns - taken() - 2 - gap, kWidestBar));
  for (std::size_t i = 1; i < shown.size(); ++i) line += space + styled(shown[i].text, shown[i].style);
  return line;
}

std::string ProgressSink::bar(std::size_t columns) const {
  const double share = std::clamp(share_done().value_or(0.0), 0.0, 1.0);
  if (!options_.unicode) {
    const auto full = static_cast<std::size_t>(share * static_cast<double>(columns));
    return fmt::format("[{}{}]", std::string(full, '#'), std::string(columns - full, '-'));
  }
  // Eighths of a block make a bar of 24 columns move in 192 steps.
  static constexpr std::array kEighths = {"",       "\u258F", "\u258E", "\u258D",
                                          "\u258C", "\u258B", "\u258A", "\u2589"};
  const auto eighths = static_cast<std::size_t>(share * static_cast<double>(columns) * 8);
  std::string filled;
  for (std::size_t i = 0; i < eighths / 8; ++i) filled += "\u2588";
  filled += kEighths[eighths % 8];
  const std::string rest(columns - columns_of(filled), ' ');
  return styled("\u2595", kDim) + styled(filled, kGreen) + rest + styled("\u258F", kDim);
}

std::string ProgressSink::headline() const {
  const std::string rounds = count_text(closed_) + (closed_ == 1 ? " round" : " rounds");
  std::string time = duration_text(seconds_() - started_);
  if (options_.simulated && ticks_per_second_ > 1.0)
    time += fmt::format(" ({} simulated)", duration_text(static_cast<double>(tick_) / ticks_per_second_));
  if (!ended_ || ended_->reason == "signal")
    return fmt::format("stopped after {} ({}); --resume goes on from the last checkpoint", rounds, time);
  if (target_round_)
    return fmt::format("done: {} in {}, target {} reached in round {}", rounds, time,
                       percent_text(*options_.target_accuracy), *target_round_);
  if (options_.target_accuracy)
    return fmt::format("done: {} in {}, target {} not reached", rounds, time,
                       percent_text(*options_.target_accuracy));
  return fmt::format("done: {} in {}", rounds, time);
}

std::string ProgressSink::closing_block() const {
  std::string block = styled(headline(), kBold);
  const auto row = [&](const char* name, const std::string& text) {
    block += fmt::format("\n  {} {}", styled(fmt::format("{:<9}", name), kDim), text);
  };
  if (accuracy_) {
    const std::string best =
        best_round_ == closed_ || !best_accuracy_
            ? ""
            : fmt::format(", best {} in round {}", percent_text(*best_accuracy_), best_round_);
    row("accuracy", fmt::format("{} {}{}", styled(percent_text(*accuracy_), kGreen), split_, best));
  }
  if (loss_) row("loss", fmt::format("{:.4f}", *loss_));
  if (epsilon_)
    row("privacy",
        fmt::format("epsilon {} spent{}", epsilon_text(),
                    ended_ && ended_->reason == "privacy budget" ? "; another round would be too much" : ""));
  std::string clients = fmt::format("{} trainings, {}/s; {} accepted", count_text(trainings_),
                                    rate_text(trainings_per_second()), count_text(accepted_));
  if (dropped_ > 0) clients += fmt::format(", {} not", count_text(dropped_));
  if (refused_ > 0) clients += fmt::format("; {} messages refused", count_text(refused_));
  row("clients", clients);
  row("traffic", fmt::format("{} up, {} down", bytes_text(static_cast<double>(bytes_up_)),
                             bytes_text(static_cast<double>(bytes_down_))));
  if (!options_.folder.empty()) row("folder", options_.folder);
  if (!report_.empty()) row("report", report_);
  return block;
}

}  // namespace fedloom
