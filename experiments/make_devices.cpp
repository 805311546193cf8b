// From the keys of `devices:` to a profile.
#include "experiments/make_devices.hpp"

#include <filesystem>
#include <span>

#include "core/file.hpp"
#include "core/hash.hpp"
#include "experiments/device_traces.hpp"
#include "server/devices/distribution.hpp"
#include "server/devices/profiles.hpp"

namespace fedloom {

namespace {

std::string place(const ComponentSpec& spec, const char* key) {
  return spec.where.empty() ? fmt::format("devices.{}", key) : spec.where;
}

bool is_amount(const std::string& name) {
  return !name.empty() && std::string_view("0123456789.+-").find(name.front()) != std::string_view::npos;
}

// `compute: 30ms`: the amount, when the key has one in the place of a distribution's name.
std::optional<Quantity> amount_of(const ComponentSpec& spec, const char* key) {
  if (!is_amount(spec.name)) return std::nullopt;
  std::optional<Quantity> amount = parse_quantity(spec.name);
  if (!amount || amount->value < 0.0)
    throw user_error(
        "{}: expected an amount, at least 0, or the name of a distribution, found '{}'; units: {}",
        place(spec, key), spec.name, quantity_units());
  if (spec.settings.present())
    throw user_error("{}: {} has no settings; name a distribution", place(spec, key), spec.name);
  amount->where = place(spec, key);
  return amount;
}

template <class RegistryType>
std::string component(const ComponentSpec& spec, const char* kind) {
  const auto& entry = RegistryType::instance().find(spec.name, kind, spec.where);
  return fmt::format("name: {}\n{}", spec.name, entry.resolve(spec.settings));
}

/// Writes fields as ConfigWriter does, and components with all their settings.
class ResolvedWriter {
 public:
  template <class T>
  void operator()(const char* name, T& member, const char* doc, const Bounds& bounds = {}) {
    if constexpr (std::is_same_v<T, ComponentSpec>) {
      if (member.name == "none")
        writer_(name, member, doc, bounds);
      else if (std::string_view(name) == "availability")
        writer_.block(name, component<AvailabilityRegistry>(member, "availability model"));
      else
        distribution(name, member);
    } else {
      writer_(name, member, doc, bounds);
    }
  }
  void alias(const char*, const char*) {}
  const std::string& text() const { return writer_.text(); }

 private:
  void distribution(const char* name, const ComponentSpec& spec) {
    const std::optional<Quantity> amount = amount_of(spec, name);
    writer_.block(name, amount ? fmt::format("name: constant\nvalue: {}\n", amount->text())
                               : component<DistributionRegistry>(spec, "distribution"));
  }

  ConfigWriter writer_;
};

std::shared_ptr<const Distribution> distribution(const ComponentSpec& spec, const char* key,
                                                 Measure measure) {
  if (spec.name == "none") return nullptr;
  const std::optional<Quantity> amount = amount_of(spec, key);
  if (!amount)
    return DistributionRegistry::instance()
        .find(spec.name, "distribution", spec.where)
        .make(spec.settings, measure);
  const double value = amount->in(measure);
  if (value == 0.0 && measure == Measure::bytes_per_second)
    throw user_error("{}: a link of {} carries nothing; leave it out for one that takes no time",
                     amount->where, spec.name);
  return listed_values({value});
}

void locate(std::string& file, std::string& sha256, const char* key, const std::string& folder) {
  if (file.empty()) return;
  const std::filesystem::path beside = std::filesystem::path(folder) / file;
  const bool here = !std::filesystem::exists(beside) && std::filesystem::exists(file);
  file = (here ? std::filesystem::absolute(file) : beside).lexically_normal().string();
  if (!std::filesystem::exists(file))
    throw user_error(
        "devices.{}: there is no file {}; give the path of a CSV file, relative to the experiment file", key,
        file);
  const std::string bytes = read_file(file);
  const std::string found = sha256_hex(std::as_bytes(std::span(bytes)));
  if (!sha256.empty() && sha256 != found)
    throw user_error(
        "devices.{}: {} has SHA-256 {}, but {} is expected; it is another file, or has changed since", key,
        file, found, sha256);
  sha256 = found;
}

// A trace that is named is meant.
ComponentSpec availability_model(const DevicesConfig& config) {
  const ComponentSpec& model = config.availability;
  const bool chosen = model.name != "always" || !model.where.empty();
  return config.availability_trace.empty() || chosen ? model : ComponentSpec("intervals");
}

std::shared_ptr<const Availability> availability(const DevicesConfig& config, std::uint64_t seed,
                                                 double ticks_per_second) {
  AvailabilityContext context{seed, ticks_per_second, nullptr};
  const ComponentSpec model = availability_model(config);
  if (!config.availability_trace.empty()) {
    if (model.name != "intervals")
      throw user_error(
          "{}: '{}' does not read the file that devices.availability_trace names; leave one of them out",
          place(model, "availability"), model.name);
    context.trace = std::make_shared<AvailabilityTrace>(
        read_availability_trace(read_file(config.availability_trace), config.availability_trace,
                                config.trace_period.seconds(), ticks_per_second));
  }
  if (model.name == "always") return nullptr;
  return AvailabilityRegistry::instance()
      .find(model.name, "availability model", model.where)
      .make(model.settings, context);
}

}  // namespace

void locate_traces(DevicesConfig& config, const std::string& folder) {
  locate(config.trace, config.trace_sha256, "trace", folder);
  locate(config.availability_trace, config.availability_sha256, "availability_trace", folder);
}

std::string resolved_yaml(const DevicesConfig& config) {
  DevicesConfig copy = config;
  copy.availability = availability_model(config);
  ResolvedWriter writer;
  copy.visit(writer);
  return writer.text();
}

std::shared_ptr<const Devices> make_devices(const DevicesConfig& config, std::uint64_t clients,
                                            std::uint64_t seed, double ticks_per_second) {
  SpeedTrace trace;
  if (!config.trace.empty()) trace = read_speed_trace(read_file(config.trace), config.trace);
  const auto from = [&](const ComponentSpec& spec, const char* key,
                        Measure unit) -> std::shared_ptr<const Distribution> {
    const auto column = trace.find(key);
    if (column == trace.end()) return distribution(spec, key, unit);
    if (spec.name != "none")
      throw user_error("{}: {} has a column '{}' as well; leave one of them out", place(spec, key),
                       config.trace, key);
    return listed_values(column->second);
  };
  DeviceProfile profile;
  profile.task = from(config.task, "task", Measure::seconds);
  profile.compute = from(config.compute, "compute", Measure::seconds);
  if (profile.task && profile.compute)
    throw user_error(
        "{}: a task computes for a fixed time (task) or for a time per example (compute), not both",
        place(config.task, "task"));
  profile.passes = config.passes;
  profile.downlink = from(config.downlink, "downlink", Measure::bytes_per_second);
  profile.uplink = from(config.uplink, "uplink", Measure::bytes_per_second);
  profile.latency = from(config.latency, "latency", Measure::seconds);
  profile.jitter = distribution(config.jitter, "jitter", Measure::none);
  profile.availability = availability(config, seed, ticks_per_second);
  profile.aborts = config.leaving == "abort";
  profile.dropout = config.dropout;
  profile.failure = config.failure;
  return std::make_shared<ProfiledDevices>(std::move(profile), clients, seed, ticks_per_second);
}

}  // namespace fedloom
