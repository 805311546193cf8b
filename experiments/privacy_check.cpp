// From the keys to settings, and the reasons for refusals.
#include "experiments/privacy_check.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "core/error.hpp"
#include "experiments/components.hpp"

namespace fedloom {

namespace {

// Of one client among others, which is all the pacer's weights can tell apart here.
class EqualClients : public ClientFacts {
 public:
  std::uint64_t clients() const override { return 2; }
  std::uint64_t all_examples() const override { return 2; }
  double mean_duration(ClientId) const override { return 1.0; }
  double mean_periods(ClientId, Tick) const override { return 1.0; }
  bool planned() const override { return true; }
  double total_rate() const override { return 2.0; }
  bool exact() const override { return true; }
  std::optional<Tick> duration_of_steps(ClientId, std::int64_t) const override { return 1; }
};

bool weighs_by_examples(const Pacer& pacer) {
  const EqualClients facts;
  return pacer.weight({0, 1, 0}, facts) != pacer.weight({0, 2, 0}, facts);
}

void check_unit_example(const ExperimentConfig& config, const Components& parts) {
  if (config.continual)
    throw user_error(
        "privacy.unit: example is accounted for clients whose data is the same in every round, and "
        "`continual` has "
        "other data in every stage");
  if (config.privacy.noise != "server")
    throw user_error(
        "privacy.noise: client is for unit: client; with unit: example the noise is in every step on the "
        "client "
        "already");
  if (parts.pacer->sets_steps() && config.privacy.noise_multiplier == 0.0)
    throw user_error(
        "privacy.epsilon: how much noise it takes depends on the number of steps, which pacer {} chooses "
        "client by "
        "client; give privacy.noise_multiplier",
        config.pacer.name);
  if (config.privacy.adaptive)
    throw user_error("privacy.adaptive follows the norms of updates: for unit: client");
}

void check_unit_client(const ExperimentConfig& config, const Components& parts) {
  const Traits traits = parts.strategy->traits();
  const auto refuse = [&](const std::string& why) {
    throw user_error("privacy.unit: client does not go with strategy {}: {}", config.strategy.name, why);
  };
  if (!traits.exchanges || traits.pools_data) refuse("no updates travel that could be clipped");
  if (traits.sums_beside_delta)
    refuse("it sums other vectors beside the update, which the norm does not bound");
  if (traits.several_phases) refuse("a round has several phases, and one is accounted for");
  if (config.evaluate.clients > 0 || traits.personal_models)
    throw user_error(
        "privacy.unit: client protects all of a client's data, and {} would report how the model does on "
        "what it holds "
        "out; {}",
        traits.personal_models ? "strategy " + config.strategy.name : "evaluate.clients",
        traits.personal_models ? "use another strategy or unit: example" : "set evaluate.clients: 0");
  if (config.privacy.noise == "client") {
    if (config.privacy.adaptive)
      throw user_error("privacy.adaptive needs noise: server, which counts the updates within the norm");
    return;
  }
  if (traits.keeps_updates)
    refuse(
        "its server works with every update, and noise of the server is in their sum alone; set "
        "strategy.aggregation_error: false where that is all it keeps updates for, else privacy.noise: "
        "client");
  if (parts.pacer->overlaps())
    throw user_error(
        "privacy.noise: server is accounted for in rounds, and pacer {} has none; use pacer sync, or noise: "
        "client",
        config.pacer.name);
  if (!parts.sampler->independent())
    throw user_error(
        "sampler {} draws cohorts of a fixed size, and the accounting is for clients that are drawn each by "
        "itself; "
        "set sampler: poisson, or all",
        config.sampler.name);
  if (const ConfigNode more = config.pacer.settings.child("over_selection");
      more.present() && more.text() != "0" && more.text() != "0.0")
    throw user_error(
        "{}: under privacy of clients the mean is over all that are drawn, and over_selection leaves some of "
        "them out; "
        "set it to 0",
        more.where());
  if (weighs_by_examples(*parts.pacer))
    throw user_error(
        "pacer {} weighs updates by examples, and under privacy.unit: client each must count the same; set "
        "e.g. "
        "pacer: {{name: sync, weights: uniform}}",
        config.pacer.name);
}

// A delta of one unit's share allows that unit to be published outright.
void check_delta(const PrivacySettings& settings, const FederatedData& data) {
  std::size_t units = data.clients();
  if (settings.unit == PrivacyUnit::example) {
    units = 0;
    for (std::size_t k = 0; k < data.clients(); ++k) units = std::max(units, data.example_count(k));
  }
  if (settings.delta * static_cast<double>(units) >= 1.0)
    spdlog::warn(
        "privacy.delta: {:g} is not below 1 / {}, so publishing one of the {} outright would be allowed",
        settings.delta, units, settings.unit == PrivacyUnit::example ? "examples" : "clients");
}

}  // namespace

std::optional<PrivacySettings> to_privacy(const ExperimentConfig& config) {
  const PrivacyConfig& from = config.privacy;
  if (from.unit == "none") {
    if (from.epsilon > 0.0 || from.noise_multiplier > 0.0 || from.adaptive)
      throw user_error(
          "privacy: asks for noise or a budget, but protects nothing; set privacy.unit: example or client");
    return std::nullopt;
  }
  if (from.epsilon == 0.0 && from.noise_multiplier == 0.0)
    throw user_error("privacy: needs epsilon, a budget, or noise_multiplier, or both");
  PrivacySettings to;
  to.unit = from.unit == "example" ? PrivacyUnit::example : PrivacyUnit::client;
  to.local_noise = to.unit == PrivacyUnit::client && from.noise == "client";
  to.accounting = from.accountant == "prv" ? privacy::Accounting::prv : privacy::Accounting::rdp;
  to.epsilon = from.epsilon;
  to.delta = from.delta;
  to.noise_multiplier = from.noise_multiplier;
  to.clip_norm = from.clip_norm;
  to.participations =
      from.participations > 0 ? from.participations : static_cast<std::int64_t>(config.rounds);
  if (to.noise_multiplier == 0.0 && to.participations == 0)
    throw user_error(
        "privacy: how much noise epsilon {} needs depends on how often a client takes part; give rounds, "
        "privacy.participations or privacy.noise_multiplier",
        from.epsilon);
  if (from.adaptive)
    to.adaptive =
        privacy::AdaptiveClip{from.adaptive->quantile, from.adaptive->rate, from.adaptive->count_noise};
  return to;
}

void check_privacy(const ExperimentConfig& config, const Components& parts) {
  const std::optional<PrivacySettings> settings = to_privacy(config);
  if (!settings) return;
  if (const std::string mixing = parts.model->mixing_layer(); !mixing.empty())
    throw user_error(
        "privacy: the batch normalisation '{}' mixes the examples of a batch and keeps statistics of them; "
        "choose a "
        "model with group normalisation, such as resnet with 'norm: group'",
        mixing);
  if (const std::string gap = parts.objective->privacy_gap(settings->unit); !gap.empty())
    throw user_error("privacy.unit: {} does not go with strategy {}: {}", config.privacy.unit,
                     config.strategy.name, gap);
  if (settings->unit == PrivacyUnit::example)
    check_unit_example(config, parts);
  else
    check_unit_client(config, parts);
  check_delta(*settings, *parts.data);
  if (settings->unit == PrivacyUnit::example) return;
  const std::uint64_t clients = parts.data->clients();
  const std::uint64_t cohort = parts.sampler->expected(parts.pacer->largest_cohort(clients), clients);
  PrivacyBudget budget(*settings, base_recipe(config.train), cohort, clients);
  // Six deviations, beyond which one value in a thousand million lies, must be within what sums of updates
  // hold.
  if (const double deviation = budget.noise(0) * settings->clip_norm; 6.0 * deviation > SlotSpec{}.range)
    throw user_error(
        "privacy: noise with a deviation of {:.4g} is more than sums of updates hold ({}); lower "
        "privacy.clip_norm "
        "({}), or the noise multiplier ({:.4g})",
        deviation, SlotSpec{}.range, settings->clip_norm, budget.noise(0));
  if (!settings->adaptive) return;
  const double count_noise = budget.settings().adaptive->count_noise;
  if (const double noise = budget.noise(0); 2.0 * count_noise <= noise)
    throw user_error(
        "privacy.adaptive.count_noise: {}, but beside a noise multiplier of {:.4g} it must be above {:.4g}; "
        "where it "
        "is left out it is a twentieth of the cohort, here of {} clients",
        count_noise, noise, noise / 2.0, cohort);
}

}  // namespace fedloom
