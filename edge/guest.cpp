// Asking the system, and telling it.
#include "edge/guest.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

#include "core/error.hpp"
#include "wiring/core_shares.hpp"

namespace fedloom {

namespace {

constexpr int kMinutesOfDay = 24 * 60;

std::string first_word(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string word;
  in >> word;
  return word;
}

// A device has a battery of its own (a mouse's has the scope Device) and nothing that feeds it is online.
// Where no battery is named, as on desktops and boards, there is nothing to spare.
bool on_battery(const std::string& root) {
  bool battery = false;
  bool fed = false;
  std::error_code error;
  for (const auto& supply : std::filesystem::directory_iterator(root + "/sys/class/power_supply", error)) {
    if (first_word(supply.path() / "type") != "Battery")
      fed = fed || first_word(supply.path() / "online") == "1";
    else if (first_word(supply.path() / "scope") != "Device")
      battery = true;
  }
  return battery && !fed;
}

double load_per_core(const std::string& root) {
  std::ifstream in(root + "/proc/loadavg");
  double load = 0.0;
  in >> load;
  return load / static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));  // all cores: the load is the machine's
}

int minute_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local.tm_hour * 60 + local.tm_min;
}

// "22:30" as minutes; -1 when it is no time of day.
int minutes_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  int hour = -1;
  int minute = -1;
  if (colon == std::string_view::npos) return -1;
  const auto whole = [](std::string_view digits, int& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return !digits.empty() && digits.front() != '-' && error == std::errc() &&
           end == digits.data() + digits.size();
  };
  if (!whole(text.substr(0, colon), hour) || !whole(text.substr(colon + 1), minute)) return -1;
  if (hour > 24 || minute > 59 || hour * 60 + minute > kMinutesOfDay) return -1;
  return hour * 60 + minute;
}

}  // namespace

SystemView system_view(const std::string& root) {
  return {minute_of_day, [root] { return load_per_core(root); }, [root] { return on_battery(root); }};
}

GuestRules::GuestRules(const WhenConfig& when, SystemView view) : when_(when), view_(std::move(view)) {
  if (when.hours.empty()) return;
  const std::size_t dash = when.hours.find('-');
  Span span;
  span.from = dash == std::string::npos ? -1 : minutes_of(std::string_view(when.hours).substr(0, dash));
  span.until = dash == std::string::npos ? -1 : minutes_of(std::string_view(when.hours).substr(dash + 1));
  if (span.from < 0 || span.until < 0 || span.from == span.until)
    throw user_error("when.hours: '{}' is no part of the day; write e.g. 22:00-06:00", when.hours);
  span_ = span;
}

std::optional<std::string> GuestRules::why_not(bool own_load) const {
  if (span_) {
    const int now = view_.minute_of_day();
    const bool over_midnight = span_->until < span_->from;
    const bool inside =
        over_midnight ? now >= span_->from || now < span_->until : now >= span_->from && now < span_->until;
    if (!inside) return fmt::format("it is not {}", when_.hours);
  }
  if (when_.mains && view_.on_battery()) return "the device is on battery";
  if (when_.load > 0.0 && !own_load)
    if (const double load = view_.load_per_core(); load >= when_.load)
      return fmt::format("the load is {:.2f} per core", load);
  return std::nullopt;
}

std::uint64_t bytes_per_second(const Quantity& limit, const std::string& name) {
  constexpr double kLeast = 20'000.0;
  const double rate = limit.in(Measure::bytes_per_second);
  if (rate != 0.0 && rate < kLeast)
    throw user_error(
        "{}: {} bytes per second; at least 20kB/s, below which a client that sends counts as stalled", name,
        rate);
  return static_cast<std::uint64_t>(std::min(rate, 1e18));
}

void apply_share(const LimitsConfig& limits, std::size_t index) {
  if (limits.threads > 0) {
    std::vector<int> cores = usable_cores();
    // Clients on one machine begin at different cores.
    std::rotate(cores.begin(),
                cores.begin() + static_cast<std::ptrdiff_t>(index * limits.threads % cores.size()),
                cores.end());
    cores.resize(std::min<std::size_t>(cores.size(), limits.threads));
    bind_to_cores(cores);
  }
  if (limits.nice > 0) (void)setpriority(PRIO_PROCESS, 0, static_cast<int>(limits.nice));
}

}  // namespace fedloom
