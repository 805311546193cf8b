// The named distributions. Formulas and sources are in docs/devices.md; all draws come from core/random.hpp,
// so they are equal on every machine.
#include <algorithm>
#include <cmath>
#include <limits>

#include "server/devices/distribution.hpp"

namespace fedloom {
namespace {

/// A distribution that is one function.
template <class Function>
class Drawn : public Distribution {
 public:
  explicit Drawn(Function function) : function_(std::move(function)) {}
  double draw(const DrawnFor& whose, Random& random) const override { return function_(whose, random); }

 private:
  Function function_;
};

template <class Function>
std::unique_ptr<Distribution> drawn(Function function) {
  return std::make_unique<Drawn<Function>>(std::move(function));
}

// (0, 1], so that logarithms and negative powers of it are finite.
double positive_uniform(Random& random) { return 1.0 - random.uniform(); }

const Registration<DistributionRegistry, NoSettings> kNone{
    {"none", "zero: a time that does not count, a link that takes no time", ""},
    [](const NoSettings&, Measure) { return drawn([](const DrawnFor&, Random&) { return 0.0; }); }};

struct ConstantSettings {
  Quantity value{1.0};
  template <class Visitor>
  void visit(Visitor& v) {
    v("value", value, "everybody's; `KEY: 30ms` is short for it", at_least(0));
  }
};

const Registration<DistributionRegistry, ConstantSettings> kConstant{
    {"constant", "the same for everybody", ""}, [](const ConstantSettings& s, Measure unit) {
      return drawn([value = s.value.in(unit)](const DrawnFor&, Random&) { return value; });
    }};

struct ListSettings {
  std::vector<Quantity> values{{1.0}};
  template <class Visitor>
  void visit(Visitor& v) {
    v("values", values, "client by client; those beyond the end start over", at_least(0));
  }
};

const Registration<DistributionRegistry, ListSettings> kList{
    {"list", "written out client by client", ""}, [](const ListSettings& s, Measure unit) {
      std::vector<double> values;
      for (const Quantity& value : s.values) values.push_back(value.in(unit));
      if (values.empty()) throw user_error("list: `values` is empty; give at least one");
      return listed_values(std::move(values));
    }};

struct LadderSettings {
  Quantity slowest{1.0};
  double percent = 80.0;
  template <class Visitor>
  void visit(Visitor& v) {
    v("slowest", slowest, "what client 0 takes", at_least(0));
    v("percent", percent, "how much less the last client takes; those between stand on equal rungs",
      between(0, 100));
  }
};

const Registration<DistributionRegistry, LadderSettings> kLadder{
    {"ladder", "F-X: falls in equal steps from client 0 to the last, X percent faster",
     "Fraboni et al., JMLR 2023"},
    [](const LadderSettings& s, Measure unit) {
      return drawn([slowest = s.slowest.in(unit), percent = s.percent](const DrawnFor& whose, Random&) {
        FEDLOOM_CHECK(whose.client < whose.population, "client {} of {}", whose.client, whose.population);
        if (whose.population < 2) return slowest;
        // slowest * (1 - i * (percent / 100) / (M - 1)) as one fraction: whole numbers stay exact up to the
        // one division, so a rung that is a whole number of ticks becomes exactly that many.
        const double whole = 100.0 * static_cast<double>(whose.population - 1);
        return slowest * (whole - static_cast<double>(whose.client) * percent) / whole;
      });
    }};

struct UniformSettings {
  Quantity low{0.5};
  Quantity high{1.5};
  template <class Visitor>
  void visit(Visitor& v) {
    v("low", low, "the least", at_least(0));
    v("high", high, "the most; >= low", at_least(0));
  }
};

const Registration<DistributionRegistry, UniformSettings> kUniform{
    {"uniform", "anything between two values alike", ""}, [](const UniformSettings& s, Measure unit) {
      const double low = s.low.in(unit);
      const double high = s.high.in(unit);
      if (high < low)
        throw user_error("{}{}uniform: high is {}, below low, which is {}", s.high.where,
                         s.high.where.empty() ? "" : ": ", s.high.text(), s.low.text());
      return drawn([low, high](const DrawnFor&, Random& random) { return random.uniform(low, high); });
    }};

struct NormalSettings {
  Quantity mean{1.0};
  Quantity deviation{0.1};
  Quantity minimum{0.0};
  template <class Visitor>
  void visit(Visitor& v) {
    v("mean", mean, "of the bell", at_least(0));
    v("deviation", deviation, "standard deviation of the bell; 0 is constant", at_least(0));
    v("minimum", minimum, "lower draws become this", at_least(0));
  }
};

const Registration<DistributionRegistry, NormalSettings> kNormal{
    {"normal", "a bell, cut off below: max(minimum, N(mean, deviation))", "as in FLSim's training durations"},
    [](const NormalSettings& s, Measure unit) {
      return drawn(
          [mean = s.mean.in(unit), deviation = s.deviation.in(unit), minimum = s.minimum.in(unit)](
              const DrawnFor&, Random& random) { return std::max(minimum, random.normal(mean, deviation)); });
    }};

struct HalfNormalSettings {
  Quantity minimum{0.0};
  Quantity deviation{1.0};
  template <class Visitor>
  void visit(Visitor& v) {
    v("minimum", minimum, "the least", at_least(0));
    v("deviation", deviation, "standard deviation of the whole bell; the mean is minimum + 0.798 of it",
      at_least(0));
  }
};

const Registration<DistributionRegistry, HalfNormalSettings> kHalfNormal{
    {"half_normal", "the right half of a bell: minimum + |N(0, deviation)|",
     "Nguyen et al., FedBuff, AISTATS 2022 (its training durations)"},
    [](const HalfNormalSettings& s, Measure unit) {
      return drawn(
          [minimum = s.minimum.in(unit), deviation = s.deviation.in(unit)](const DrawnFor&, Random& random) {
            return minimum + std::abs(random.normal(0.0, deviation));
          });
    }};

struct LognormalSettings {
  double mu = 0.0;
  double sigma = 1.0;
  Quantity scale{1.0};
  Quantity minimum{0.0};
  template <class Visitor>
  void visit(Visitor& v) {
    v("mu", mu, "mean of the logarithm, before scale", between(-100, 100));
    v("sigma", sigma, "standard deviation of the logarithm; 0 is constant", between(0, 100));
    v("scale", scale, "factor; with mu 0 it is the median", at_least(0));
    v("minimum", minimum, "lower draws become this", at_least(0));
  }
};

const Registration<DistributionRegistry, LognormalSettings> kLognormal{
    {"lognormal", "few are very slow: scale * exp(N(mu, sigma))", "Lai et al., FedScale, ICML 2022"},
    [](const LognormalSettings& s, Measure unit) {
      return drawn([mu = s.mu, sigma = s.sigma, scale = s.scale.in(unit), minimum = s.minimum.in(unit)](
                       const DrawnFor&, Random& random) {
        return std::max(minimum, scale * random.lognormal(mu, sigma));
      });
    }};

struct ExponentialSettings {
  Quantity mean{1.0};
  template <class Visitor>
  void visit(Visitor& v) {
    v("mean", mean, "of all; 37 % are above it", at_least(0));
  }
};

const Registration<DistributionRegistry, ExponentialSettings> kExponential{
    {"exponential", "most are short and no length is special", "as in FLSim's training durations"},
    [](const ExponentialSettings& s, Measure unit) {
      return drawn(
          [mean = s.mean.in(unit)](const DrawnFor&, Random& random) { return random.exponential(mean); });
    }};

struct ParetoSettings {
  double alpha = 2.0;
  Quantity minimum{1.0};
  std::optional<Quantity> cap;
  template <class Visitor>
  void visit(Visitor& v) {
    v("alpha", alpha,
      "how fast the tail falls: x times the minimum is passed by x^-alpha; up to 1 the mean is "
      "infinite without a cap",
      between(0.01, 1000));
    v("minimum", minimum, "the least", at_least(0));
    v("cap", cap, "higher draws become this; left out: none", at_least(0));
  }
};

double cap_of(const std::optional<Quantity>& cap, Measure unit) {
  return cap ? cap->in(unit) : std::numeric_limits<double>::infinity();
}

const Registration<DistributionRegistry, ParetoSettings> kPareto{
    {"pareto", "a heavy tail: minimum * U^(-1 / alpha)", "one of plato's client delays (Li et al.)"},
    [](const ParetoSettings& s, Measure unit) {
      return drawn([alpha = s.alpha, minimum = s.minimum.in(unit), cap = cap_of(s.cap, unit)](
                       const DrawnFor&, Random& random) {
        const double factor = std::pow(positive_uniform(random), -1.0 / alpha);
        return minimum == 0.0 ? 0.0 : std::min(cap, minimum * factor);
      });
    }};

struct ZipfSettings {
  double s = 2.0;
  Quantity unit{1.0};
  std::optional<Quantity> cap;
  template <class Visitor>
  void visit(Visitor& v) {
    v("s", s, "exponent: k units are as likely as k^-s", between(1.01, 100));
    v("unit", unit, "draws are 1, 2, 3 … of it", at_least(0));
    v("cap", cap, "higher draws become this; left out: none", at_least(0));
  }
};

/// k >= 1 with probability proportional to k^-s: rejection from a Pareto rounded down (Devroye, "Non-Uniform
/// Random Variate Generation", 1986, X.6.1). Accepts most draws for any s > 1.
double zipf(double s, Random& random) {
  const double power = s - 1.0;
  const double two = std::exp2(power);
  while (true) {
    const double k = std::floor(std::pow(positive_uniform(random), -1.0 / power));
    const double height = random.uniform();
    if (k > 0x1p53) return k;  // rounding hides the step from k to k + 1, where nearly all are accepted
    const double grown = std::pow(1.0 + 1.0 / k, power);
    if (height * k * (grown - 1.0) / (two - 1.0) <= grown / two) return k;
  }
}

const Registration<DistributionRegistry, ZipfSettings> kZipf{
    {"zipf", "whole multiples of a unit, k of them with probability proportional to k^-s",
     "one of plato's client delays (Li et al.)"},
    [](const ZipfSettings& settings, Measure unit) {
      return drawn([s = settings.s, step = settings.unit.in(unit), cap = cap_of(settings.cap, unit)](
                       const DrawnFor&, Random& random) {
        const double count = zipf(s, random);
        return step == 0.0 ? 0.0 : std::min(cap, step * count);
      });
    }};

}  // namespace

std::unique_ptr<Distribution> listed_values(std::vector<double> values) {
  FEDLOOM_CHECK(!values.empty(), "a list of no values");
  return drawn([values = std::move(values)](const DrawnFor& whose, Random&) {
    return values[whose.client % values.size()];
  });
}

}  // namespace fedloom
