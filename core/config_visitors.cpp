// Conversions between YAML scalars and field types, bounds checks and the reader's bookkeeping.
#include "core/config.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include <fmt/format.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

struct Unit {
  const char* name;
  double factor;
};

// "30s" -> (30, "s"). An empty unit is allowed only where the table has "".
template <std::size_t N>
double parse_with_unit(const ConfigNode& node, const Unit (&units)[N], const char* example) {
  const std::string text = node.text();
  double number = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (error == std::errc{})
    for (const Unit& candidate : units)
      if (unit == candidate.name) return number * candidate.factor;
  std::string names;
  for (const Unit& candidate : units)
    if (*candidate.name != '\0') names += fmt::format("{}{}", names.empty() ? "" : ", ", candidate.name);
  node.fail(
      fmt::format("expected an amount with a unit such as {}, found '{}'; units: {}", example, text, names));
}

template <class T>
void convert_integer(const ConfigNode& node, T& value, const char* what) {
  const std::string text = node.text();
  T parsed{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (error == std::errc{} && end == text.data() + text.size()) {
    value = parsed;
    return;
  }
  // 1e6 is how people write large counts.
  double number = 0.0;
  const auto [tail, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc{} && tail == text.data() + text.size() &&
                     number == std::floor(number) && std::abs(number) < 9e15;
  if (!whole || (std::is_unsigned_v<T> && number < 0))
    node.fail(fmt::format("expected {}, found '{}'", what, text));
  value = static_cast<T>(number);
}

bool needs_quotes(const std::string& value) {
  if (value.empty()) return true;
  static const std::string special = ":#{}[],&*?|<>=!%@`\"'\n ";
  return value.find_first_of(special) != std::string::npos || value == "true" || value == "false" ||
         value == "null" || value == "~" || value.front() == '-' ||
         (value.front() >= '0' && value.front() <= '9');
}

}  // namespace

std::string Bounds::text() const {
  if (!choices.empty()) return fmt::format("one of: {}", fmt::join(choices, ", "));
  std::string text;
  if (std::isfinite(minimum)) text = fmt::format("{} {}", open_minimum ? ">" : ">=", minimum);
  if (std::isfinite(maximum)) text += fmt::format("{}<= {}", text.empty() ? "" : " and ", maximum);
  return text;
}

namespace config_detail {

void convert(const ConfigNode& node, bool& value) {
  const std::string text = node.text();
  if (text == "true" || text == "yes" || text == "on")
    value = true;
  else if (text == "false" || text == "no" || text == "off")
    value = false;
  else
    node.fail(fmt::format("expected true or false, found '{}'", text));
}

void convert(const ConfigNode& node, std::int64_t& value) { convert_integer(node, value, "a whole number"); }
void convert(const ConfigNode& node, std::uint64_t& value) {
  convert_integer(node, value, "a whole number, not negative");
}

void convert(const ConfigNode& node, double& value) {
  const std::string text = node.text();
  double parsed = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(parsed))
    node.fail(fmt::format("expected a number, found '{}'", text));
  value = parsed;
}

void convert(const ConfigNode& node, std::string& value) { value = node.text(); }

void convert(const ConfigNode& node, Duration& value) {
  static constexpr Unit kUnits[] = {{"ns", 1.0},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                                    {"min", 6e10}, {"h", 3.6e12}, {"d", 8.64e13}};
  const double amount = parse_with_unit(node, kUnits, "30s");
  if (amount < 0 || amount > 9e18) node.fail(fmt::format("'{}' is not a usable duration", node.text()));
  value.nanoseconds = std::llround(amount);
}

void convert(const ConfigNode& node, ByteSize& value) {
  static constexpr Unit kUnits[] = {{"", 1.0},          {"B", 1.0},           {"kB", 1e3},  {"KB", 1e3},
                                    {"MB", 1e6},        {"GB", 1e9},          {"TB", 1e12}, {"KiB", 1024.0},
                                    {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  const double amount = parse_with_unit(node, kUnits, "64MB");
  if (amount < 0 || amount > 9e18) node.fail(fmt::format("'{}' is not a usable size", node.text()));
  value.bytes = static_cast<std::uint64_t>(std::llround(amount));
}

void convert(const ConfigNode& node, Quantity& value) {
  const std::string text = node.text();
  const std::optional<Quantity> parsed = parse_quantity(text);
  if (!parsed)
    node.fail(fmt::format("expected a number, perhaps with a unit as in 30ms or 2MB/s, found '{}'; units: {}",
                          text, quantity_units()));
  value = *parsed;
  value.where = fmt::format("{}: {}", node.where(), node.path());
}

void convert(const ConfigNode& node, TextMap& value) {
  value.pairs.clear();
  if (!node.is_map()) node.fail("expected a map of text to text");
  for (const std::string& key : node.keys()) {
    const ConfigNode to = node.child(key);
    value.pairs.emplace_back(key, to.present() ? to.text() : "");
  }
}

void convert(const ConfigNode& node, ComponentSpec& value) {
  if (node.is_scalar()) {
    value.name = node.text();
    value.settings = ConfigNode();
    value.where = fmt::format("{}: {}", node.where(), node.path());
    return;
  }
  if (!node.is_map()) node.fail("expected a name, or a map with a name");
  const ConfigNode name = node.child("name");
  if (name.present()) {
    value.name = name.text();
    value.where = fmt::format("{}: {}", name.where(), name.path());
  } else if (value.name.empty()) {
    node.fail("the map needs a 'name' that says which one");
  }
  value.settings = node.without("name");
}

void convert(const ConfigNode& node, StepSpec& value) {
  value.where = fmt::format("{}: {}", node.where(), node.path());
  if (node.is_scalar()) {
    value.name = node.text();
    return;
  }
  const std::vector<std::string> keys = node.is_map() ? node.keys() : std::vector<std::string>();
  if (keys.size() != 1)
    node.fail(fmt::format("expected a name, or one name with its settings as in 'dropout: 0.5', found {}",
                          keys.empty() ? "neither" : fmt::format("{}", fmt::join(keys, ", "))));
  value.name = keys.front();
  value.settings = node.child(value.name);
}

std::string render(bool value) { return value ? "true" : "false"; }
std::string render(std::int64_t value) { return fmt::format("{}", value); }
std::string render(std::uint64_t value) { return fmt::format("{}", value); }
std::string render(double value) { return fmt::format("{}", value); }

std::string render(const std::string& value) {
  if (!needs_quotes(value)) return value;
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n')
      quoted += "\\n";
    else
      quoted += c;
  }
  return quoted + '"';
}

std::string render(const Duration& value) {
  const std::int64_t ns = value.nanoseconds;
  if (ns % 1'000'000'000 == 0) return fmt::format("{}s", ns / 1'000'000'000);
  if (ns % 1'000'000 == 0) return fmt::format("{}ms", ns / 1'000'000);
  if (ns % 1'000 == 0) return fmt::format("{}us", ns / 1'000);
  return fmt::format("{}ns", ns);
}

std::string render(const ByteSize& value) {
  if (value.bytes != 0 && value.bytes % 1'000'000 == 0) return fmt::format("{}MB", value.bytes / 1'000'000);
  return fmt::format("{}", value.bytes);
}

std::string render(const Quantity& value) { return value.text(); }

std::string render(const TextMap& value) {
  std::string flow;
  for (const auto& [key, text] : value.pairs)
    flow += fmt::format("{}{}: {}", flow.empty() ? "" : ", ", render(key), render(text));
  return "{" + flow + "}";
}

std::string render(const ComponentSpec& value) {
  if (!value.settings.present()) return value.name.empty() ? "\"\"" : value.name;
  std::string flow = fmt::format("{{name: {}", value.name);
  for (const std::string& key : value.settings.keys()) {
    const ConfigNode child = value.settings.child(key);
    flow += fmt::format(", {}: {}", key, child.is_scalar() ? render(child.text()) : child.flow());
  }
  return flow + "}";
}

std::string render(const StepSpec& value) {
  if (!value.settings.present()) return value.name.empty() ? "\"\"" : value.name;
  return fmt::format("{{{}: {}}}", value.name, value.settings.flow());
}

void check_number(const ConfigNode& node, double value, const Bounds& bounds) {
  const bool low = bounds.open_minimum ? value <= bounds.minimum : value < bounds.minimum;
  if (low || value > bounds.maximum)
    node.fail(fmt::format("{} is out of range; allowed: {}", node.text(), bounds.text()));
}

void check_choice(const ConfigNode& node, const std::string& value, const Bounds& bounds) {
  if (bounds.choices.empty()) return;
  if (std::find(bounds.choices.begin(), bounds.choices.end(), value) != bounds.choices.end()) return;
  const std::string guess = nearest(value, bounds.choices);
  node.fail(fmt::format("'{}' is not a choice{}; {}", value,
                        guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess), bounds.text()));
}

std::string indent_block(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  std::string line;
  while (std::getline(lines, line)) out += "  " + line + "\n";
  return out;
}

std::string type_name(const bool*) { return "true/false"; }
std::string type_name(const std::int64_t*) { return "integer"; }
std::string type_name(const std::uint64_t*) { return "integer"; }
std::string type_name(const double*) { return "number"; }
std::string type_name(const std::string*) { return "text"; }
std::string type_name(const Duration*) { return "duration"; }
std::string type_name(const ByteSize*) { return "size"; }
std::string type_name(const Quantity*) { return "amount"; }
std::string type_name(const TextMap*) { return "map of text"; }
std::string type_name(const ComponentSpec*) { return "name or map"; }
std::string type_name(const StepSpec*) { return "name or map"; }

}  // namespace config_detail

ConfigReader::ConfigReader(const ConfigNode& node, ConfigNotes* notes) : node_(node), notes_(notes) {
  if (node_.present() && !node_.is_map()) node_.fail("expected a map of keys");
}

void ConfigReader::alias(const char* other, const char* name) {
  known_.emplace_back(other);
  aliases_.emplace_back(other, name);
}

ConfigNode ConfigReader::take(const char* name) {
  known_.emplace_back(name);
  ConfigNode child = node_.child(name);
  for (const auto& [other, target] : aliases_) {
    if (target != name) continue;
    const ConfigNode foreign = node_.child(other);
    if (!foreign.present()) continue;
    if (child.present()) foreign.fail(fmt::format("means the same as '{}', which is also given", name));
    if (notes_ != nullptr)
      notes_->lines.push_back(fmt::format("{}: '{}' is read as '{}'", foreign.where(), other, name));
    child = foreign;
  }
  return child;
}

void ConfigReader::finish() const {
  for (const std::string& key : node_.keys()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string guess = nearest(key, known_);
    node_.child(key).fail(guess.empty() ? fmt::format("unknown key; known here: {}", fmt::join(known_, ", "))
                                        : fmt::format("unknown key; did you mean '{}'?", guess));
  }
}

void ConfigWriter::line(const char* name, const std::string& value) {
  text_ += fmt::format("{}: {}\n", name, value);
}

void ConfigWriter::block(const std::string& name, const std::string& yaml) {
  if (yaml.empty()) return;
  text_ += name + ":\n" + config_detail::indent_block(yaml);
}

std::string ConfigWriter::flow() const {
  std::string flow = "{";
  std::istringstream lines(text_);
  std::string line;
  while (std::getline(lines, line)) flow += (flow.size() > 1 ? ", " : "") + line;
  return flow + "}";
}

}  // namespace fedloom
