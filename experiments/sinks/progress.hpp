// What a person at a terminal sees of a run: one live line, plain lines when the output is a file or a pipe,
// and a closing block. It reads the event stream and an injected clock, nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/events.hpp"

namespace fedloom {

struct ProgressOptions {
  std::uint64_t rounds = 0;               // planned; 0: not known
  double duration = 0.0;                  // planned, seconds of the federation's time; 0: not known
  bool simulated = true;                  // false: the federation's time is everybody's
  std::optional<double> target_accuracy;  // share in (0, 1]
  double epsilon = 0.0;                   // budget of privacy; 0: none
  std::string folder;                     // run folder as the closing block names it; "": left out
  bool quiet = false;                     // say nothing at all
  bool live = false;                      // redraw one line in place; false: plain lines
  bool color = false;
  bool unicode = false;
  std::function<int()> width = [] { return 80; };  // columns, asked for at every redraw
};

/// live, color, unicode and width as the terminal behind `descriptor` (1 or 2) and the environment want them:
/// NO_COLOR, TERM=dumb, LC_ALL / LC_CTYPE / LANG.
ProgressOptions terminal_options(int descriptor);

class ProgressSink final : public Sink {
 public:
  /// `write` gets the bytes for the terminal; `seconds` is a monotonic clock with any origin.
  ProgressSink(ProgressOptions options, std::function<void(std::string_view)> write,
               std::function<double()> seconds);

  void on(const FederationEvent& event) override;
  void on(const MachineEvent& event) override;
  /// A report was written; the closing block names it.
  void wrote_report(std::string file) { report_ = std::move(file); }
  /// Removes the live line and prints the closing block.
  void finish() override;

  /// An event from before the checkpoint of a resumed run: counted, not shown, and kept out of rates and ETA.
  void restore(const FederationEvent& event);
  /// Redraws the live line if it is due. Events do so too; a timer may, while a long round has none.
  void refresh();
  /// Prints a whole line above the live line.
  void print(std::string_view line);

 private:
  struct Field {
    std::string text;
    const char* style;  // SGR parameters, "" for none
    int rank;           // the highest is dropped first where columns are short; the bar goes before rank 2
  };

  void apply(const FederationEvent& event);
  void evaluated(const Evaluated& event);
  void draw();
  void plain_line();
  void write_line(std::string_view line);
  std::string live_line(std::size_t columns) const;
  std::vector<Field> fields(bool compact) const;
  std::string bar(std::size_t columns) const;
  std::string closing_block() const;
  std::string headline() const;
  std::string styled(const std::string& text, const char* style) const;
  std::string round_text() const;
  std::string traffic_text() const;
  std::string epsilon_text() const;
  std::string time_text() const;
  std::optional<double> share_done() const;
  std::optional<double> eta() const;
  double trainings_per_second() const;

  ProgressOptions options_;
  std::function<void(std::string_view)> write_;
  std::function<double()> seconds_;

  double started_;      // clock at construction
  double last_output_;  // clock at the last redraw or plain line
  bool live_line_shown_ = false;
  bool evaluated_since_line_ = false;

  WindowId open_ = 0;  // the window at work
  WindowId closed_ = 0;
  WindowId restored_ = 0;        // closed before this process began
  double restored_share_ = 0.0;  // of the whole run
  double ticks_per_second_ = 1.0;
  Tick tick_ = 0;                    // the federation's time
  std::uint64_t tasks_started_ = 0;  // in the open window
  std::uint64_t tasks_ended_ = 0;
  std::uint64_t trainings_ = 0;
  std::uint64_t restored_trainings_ = 0;  // of them before this process began
  std::uint64_t accepted_ = 0, dropped_ = 0;
  std::uint64_t bytes_up_ = 0, bytes_down_ = 0;            // closed windows
  std::uint64_t open_bytes_up_ = 0, open_bytes_down_ = 0;  // the open one
  std::deque<std::pair<double, std::uint64_t>> samples_;   // (clock, trainings) at the latest closes
  std::uint64_t peers_ = 0;
  std::uint64_t refused_ = 0;

  std::string report_;
  std::string split_;  // the split that accuracy and loss are of
  std::optional<double> accuracy_, loss_, best_accuracy_;
  std::optional<double> epsilon_;  // of privacy, spent
  WindowId best_round_ = 0;
  std::optional<WindowId> target_round_;
  std::optional<RunEnded> ended_;
};

}  // namespace fedloom
