// Lines of the page before they are written: values along a run, means over runs, and which points a line
// keeps. Where the values come from is run_data.
#pragma once

#include <cstddef>
#include <vector>

#include "core/ids.hpp"

namespace fedloom {

/// Points along a run, structure of arrays; all vectors have one length. NaN: no such value.
struct Curve {
  std::vector<WindowId> rounds;
  std::vector<double> ticks;
  std::vector<double> seconds;   // the ticks as time; NaN where a tick has no unit
  std::vector<double> bytes;     // up and down, since the start of the run
  std::vector<double> bytes_up;  // the part of them that clients sent
  std::vector<double> wall;      // seconds since the start of the run
  std::vector<double> accuracy;
  std::vector<double> loss;

  std::size_t size() const { return rounds.size(); }
};

/// The mean over the runs at every round that all of them have, with the smallest and largest value.
struct MeanCurve {
  Curve mean;
  std::vector<double> accuracy_low, accuracy_high;
  std::vector<double> loss_low, loss_high;
};
MeanCurve mean_curve(const std::vector<const Curve*>& curves);

/// At most `limit` (at least 2) of the indices 0 .. size-1, evenly spread, the first and the last among them.
std::vector<std::size_t> thinned(std::size_t size, std::size_t limit);

}  // namespace fedloom
