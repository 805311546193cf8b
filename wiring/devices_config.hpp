// The section `devices:` of an experiment file: how fast clients are, when they are there, how often they
// fail. What it means is server/devices/; here are its keys. Without the section every task lasts one tick
// and everybody is there.
#pragma once

#include <string>

#include "core/config.hpp"

namespace fedloom {

struct DevicesConfig {
  ComponentSpec task{"none"};
  ComponentSpec compute{"none"};
  double passes = 1.0;
  ComponentSpec downlink{"none"};
  ComponentSpec uplink{"none"};
  ComponentSpec latency{"none"};
  ComponentSpec jitter{"none"};
  std::string trace;
  std::string trace_sha256;
  ComponentSpec availability{"always"};
  std::string availability_trace;
  std::string availability_sha256;
  Duration trace_period;
  std::string leaving = "finish";
  double dropout = 0.0;
  double failure = 0.0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("task", task,
      "time that a task computes, however many examples it has: an amount (1s), a name from `fedloom list "
      "distributions`, or a map with its settings");
    v("compute", compute, "instead of task: time per example and pass, in the same forms");
    v("passes", passes, "passes of an example through the device; FedScale counts 3", Bounds{0.0, 1e6, true});
    v("downlink", downlink,
      "what a client receives per second (2MB/s, 10Mbit/s), in the same forms; none: at once");
    v("uplink", uplink, "what a client sends per second");
    v("latency", latency, "time that a message is on its way, each way");
    v("jitter", jitter, "factor on a task's whole duration, drawn for each task");
    v("trace", trace,
      "CSV file of measured devices, relative to the experiment file, with any of the columns client, task, "
      "compute, downlink, uplink, latency; clients beyond it start over");
    v("trace_sha256", trace_sha256,
      "what the bytes of trace must hash to; left out: filled in when a run starts");
    v("availability", availability,
      "when clients are there: a name from `fedloom list availability`, or a map with its settings");
    v("availability_trace", availability_trace,
      "CSV file with the columns client, active_from, active_until in seconds, relative to the experiment "
      "file; "
      "means availability: intervals");
    v("availability_sha256", availability_sha256,
      "what the bytes of availability_trace must hash to; left out: filled in when a run starts");
    v("trace_period", trace_period,
      "after which availability_trace starts over; 0s: at its latest active_until");
    v("leaving", leaving,
      "a client whose availability ends in the middle of a task. finish: ends it first; abort: loses it",
      one_of({"finish", "abort"}));
    v("dropout", dropout, "probability that a device vanishes in the course of a task", between(0, 1));
    v("failure", failure, "probability that a task runs to its end and fails", between(0, 1));
  }
};

}  // namespace fedloom
