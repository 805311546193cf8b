// How much a contribution still counts that started from an older model: the functions of FedAsync (Xie,
// Koyejo, Gupta, "Asynchronous Federated Optimization", 2019, section 5) and FedBuff. A section of pacers'
// settings; s is the number of server updates between the contribution's start and its arrival.
//
//   constant     1
//   polynomial   ((1 + average) / (1 + s))^exponent     FedBuff: exponent 0.5; average 1 is FLSim's norm
//   hinge        1 for s <= from, else 1 / (slope (s - from) + 1)
#pragma once

#include <cstdint>
#include <string>

#include "core/config.hpp"

namespace fedloom {

struct StalenessConfig {
  std::string function = "polynomial";
  double exponent = 0.5;
  double average = 0.0;
  double slope = 10.0;
  double from = 4.0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("function", function, "how the weight falls with staleness s",
      one_of({"constant", "polynomial", "hinge"}));
    v("exponent", exponent, "polynomial: a in (1 + s)^-a; 0 is constant", between(0, 10));
    v("average", average, "polynomial: the staleness that has weight 1", between(0, 1e6));
    v("slope", slope, "hinge: a in 1 / (a (s - b) + 1)", between(0, 1e6));
    v("from", from, "hinge: b, the largest staleness of full weight", between(0, 1e6));
  }

  /// In (0, (1 + average)^exponent]; 1 without staleness unless `average` says otherwise.
  double weight(std::uint64_t staleness) const;
};

}  // namespace fedloom
