// How long a task takes on the device of its client, whether it breaks off, and when the client is there at
// all. All answers are pure functions of the seed, the client, the task and the time asked about: nobody's
// order of asking changes them, and a resumed run gets them again. Profiles and traces are profiles.hpp.
#pragma once

#include <cstdint>
#include <optional>

#include "core/error.hpp"
#include "core/ids.hpp"

namespace fedloom {

/// What a task asks of its device; known when it starts.
struct Work {
  TaskId task;
  std::uint64_t examples =
      0;  // examples that pass forward and backward: epochs times data, or steps times batch
  std::uint64_t bytes_down = 0;
  std::uint64_t bytes_up = 0;
};

/// What becomes of a task on its device.
struct Course {
  Tick duration = 1;  // from its start until the server has the update, or knows that none comes; >= 1
  Reason lost = Reason::none;  // why no update comes
};

class Devices {
 public:
  virtual ~Devices() = default;
  /// The course of a task that starts at `start`.
  virtual Course course(const Work& work, Tick start) const = 0;
  /// Its duration without jitter, losses and absence; what a server plans with. >= 1.
  virtual Tick typical(const Work& work) const = 0;
  /// Draw number `draw` of the duration of work like this, jitter included, losses and absence left out.
  /// Draws are independent of every course.
  virtual Tick sample_duration(const Work& work, std::uint64_t draw) const = 0;
  /// Whether sample_duration() differs from typical().
  virtual bool varies() const = 0;
  /// Whether a client could start a task at `now`.
  virtual bool available(ClientId client, Tick now) const = 0;
  /// The first tick >= now at which it could; nothing when it never will.
  virtual std::optional<Tick> next_available(ClientId client, Tick now) const = 0;
};

}  // namespace fedloom
