// Clipping, and noise at either end.
#include "algorithms/privacy/private_update.hpp"

#include <cmath>

#include "core/error.hpp"

namespace fedloom::privacy {

namespace {

// A hair below the bound, so that rounding to floats does not go beyond it.
constexpr double kBelow = 1.0 - 1e-6;

double norm_of(std::span<const float> values) {
  double square = 0.0;
  for (const float value : values) square += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(square);
}

}  // namespace

void make_private(const TaskRun& run, Update& update) {
  if (update.slots.empty() && update.scalars.empty()) return;
  if (update.slots.size() != 1 || update.slots.front().name != "delta" || !update.scalars.empty())
    throw user_error(
        "the update holds {} slots and {} scalars; privacy of clients covers the slot 'delta' alone",
        update.slots.size(), update.scalars.size());
  const TaskPrivacy& privacy = run.recipe.privacy;
  const std::span<const float> delta = update.slots.front().values();
  const double norm = norm_of(delta);
  const double factor = norm <= privacy.update_clip ? 1.0 : privacy.update_clip / norm * kBelow;
  const double deviation = privacy.update_noise * privacy.update_clip;
  Random random = run.secret_random(Stream::noise);
  Blob blob = Blob::allocate(delta.size() * sizeof(float));
  const std::span<float> values = blob.writable_as<float>();
  for (std::size_t i = 0; i < delta.size(); ++i) {
    const double noise = deviation > 0.0 ? deviation * random.normal() : 0.0;
    values[i] = static_cast<float>(static_cast<double>(delta[i]) * factor + noise);
  }
  update.slots.front().data = std::move(blob);
  if (privacy.counts_clipped) update.scalars[kWithinClip] = norm <= privacy.update_clip ? 0.5 : -0.5;
}

void add_noise(PhaseSum& sum, double deviation, Random& random) {
  SlotSum& slot = sum.slots.find("delta")->second;
  FloatBuffer noise(slot.size());
  for (float& value : noise) value = static_cast<float>(deviation * random.normal());
  const double largest = static_cast<double>(check_values(noise).largest);
  if (largest > slot.sum.scale().range)
    throw user_error("noise of {} is more than a sum of updates holds ({}); lower privacy.clip_norm", largest,
                     slot.sum.scale().range);
  slot.sum.add(noise, 1);
}

double AdaptiveClip::sum_noise(double noise_multiplier) const {
  const double rest = 1.0 / (noise_multiplier * noise_multiplier) - 1.0 / (4.0 * count_noise * count_noise);
  FEDLOOM_CHECK(rest > 0.0, "a count with noise {} leaves nothing of a multiplier of {}", count_noise,
                noise_multiplier);
  return 1.0 / std::sqrt(rest);
}

double AdaptiveClip::next(double clip, double count, double expected, Random& random) const {
  const double within = (count + count_noise * random.normal()) / expected + 0.5;
  return clip * std::exp(-rate * (within - quantile));
}

}  // namespace fedloom::privacy
