// The combinations, from the traits of the strategy and what the pacer does.
#include "experiments/pacing_check.hpp"

#include "algorithms/algorithm.hpp"
#include "server/pacer.hpp"

namespace fedloom {

void check_pacing(const ExperimentConfig& config) {
  const auto made =
      PacerRegistry::instance().find(config.pacer.name, "pacer").make(config.pacer.settings, TimeScale{1e9});
  const Pacer& pacer = *made;
  if (!pacer.overlaps()) return;
  const auto refuse = [&](const char* why) {
    throw user_error("{}strategy {} and pacer {} do not go together: {}",
                     config.pacer.where.empty() ? "" : config.pacer.where + ": ", config.strategy.name,
                     config.pacer.name, why);
  };
  if (config.continual)
    refuse(
        "a sequence of stages goes by rounds, and tasks that overlap would be of more than one stage; use "
        "pacer "
        "sync");
  const Traits traits = AlgorithmRegistry::instance()
                            .find(config.strategy.name, "strategy")
                            .make(config.strategy.settings)
                            .strategy->traits();
  if (traits.pools_data)
    refuse("all data is in one place, so there is one client and nobody to overlap with; use pacer sync");
  if (!traits.exchanges)
    refuse("clients receive no model, so none can be older than another; use pacer sync");
  if (traits.several_phases)
    refuse("a window has several phases, and tasks that overlap would be of any of them; use pacer sync");
  if (traits.needs_rounds)
    refuse(
        "an update of this strategy means something only to the model that it started from, which rounds "
        "that "
        "overlap leave behind; use pacer sync");
  if (pacer.base() == Pacer::Base::current && (traits.keeps_updates || traits.sums_beside_delta))
    refuse(
        "what this pacer sums is relative to the current model, and that is defined for the change of the "
        "model alone; use fedbuff, fedfix or async_fedavg");
}

}  // namespace fedloom
