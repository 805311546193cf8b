// Trace files of devices: CSV with a header, amounts that may carry units. Reads text; knows nothing of
// distributions or of the experiment file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/devices/availability.hpp"

namespace fedloom {

/// Column -> its value for device 0, 1, …: seconds (task, compute, latency) or bytes per second (downlink,
/// uplink).
using SpeedTrace = std::map<std::string, std::vector<double>>;

/// `text` of the file `name`: any of the columns task, compute, downlink, uplink, latency, and perhaps client
/// (0, 1, … in any order; without it rows are in order). Throws UserError NAME:LINE:COLUMN on an unknown
/// column, a missing field, a negative amount or one in another unit, a client twice or left out.
SpeedTrace read_speed_trace(const std::string& text, const std::string& name);

/// The columns client, active_from, active_until, one row per interval, in seconds unless they say otherwise.
/// A row from 0 to 0 makes a client that is never there. `period` in seconds; 0 is the latest active_until.
/// Throws UserError NAME:LINE:COLUMN as above, and on an interval that ends before it begins or after the
/// period.
AvailabilityTrace read_availability_trace(const std::string& text, const std::string& name, double period,
                                          double ticks_per_second);

}  // namespace fedloom
