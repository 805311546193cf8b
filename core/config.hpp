// Configuration by visiting. A plain struct lists each field once in visit(); from that one list come
// reading with file:line:column errors, writing of the resolved file, the reference page and the schema.
//
//   struct Config {
//     double mu = 0.01;
//     template <class Visitor> void visit(Visitor& v) {
//       v("mu", mu, "strength of the proximal pull; 0 is FedAvg", at_least(0));
//     }
//   };
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/quantity.hpp"

namespace fedloom {

/// The allowed values of a field. Numbers: [minimum, maximum] (or open at the minimum); text: `choices`.
struct Bounds {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool open_minimum = false;
  std::vector<std::string> choices = {};

  /// "", ">= 0", "> 0 and <= 1", "one of: a, b".
  std::string text() const;
};

inline Bounds any() { return {}; }
inline Bounds at_least(double minimum) { return {.minimum = minimum}; }
inline Bounds above(double minimum) { return {.minimum = minimum, .open_minimum = true}; }
inline Bounds between(double minimum, double maximum) { return {.minimum = minimum, .maximum = maximum}; }
inline Bounds one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }

/// One field as the reference page and `fedloom list` show it.
struct FieldDoc {
  std::string name;
  std::string type;
  std::string default_value;
  std::string doc;
  std::string bounds;
};

/// A length of time in a config: "30s", "250ms", "1h". Zero means none where a field says so.
struct Duration {
  std::int64_t nanoseconds = 0;
  double seconds() const { return static_cast<double>(nanoseconds) * 1e-9; }
  bool operator==(const Duration&) const = default;
};

/// An amount of bytes: "64MB", "1GiB", "512".
struct ByteSize {
  std::uint64_t bytes = 0;
  bool operator==(const ByteSize&) const = default;
};

/// A map of text to text whose order counts: `{module.: "", fc.: head.}`.
struct TextMap {
  std::vector<std::pair<std::string, std::string>> pairs;
  bool operator==(const TextMap&) const = default;
};

/// A parsed YAML value that knows where it came from. Cheap to copy. A node can be absent: reading a
/// struct from an absent node yields its defaults.
class ConfigNode {
 public:
  ConfigNode();
  /// Throws UserError (file:line:column) when the file is missing or is not YAML.
  static ConfigNode from_file(const std::string& file);
  static ConfigNode from_text(const std::string& text, const std::string& source_name);

  bool present() const;
  bool is_map() const;
  bool is_list() const;
  bool is_scalar() const;
  /// Keys of a map, in file order. Throws UserError on a key given twice.
  std::vector<std::string> keys() const;
  /// The value under `key`; absent when this node is absent or has no such key.
  ConfigNode child(std::string_view key) const;
  std::vector<ConfigNode> items() const;
  /// The text of a scalar; throws UserError for maps and lists.
  std::string text() const;
  /// "exp.yaml:3:7", or "--set lr=2" for an override.
  std::string where() const;
  /// Dotted path from the root: "strategy.mu".
  const std::string& path() const { return path_; }
  /// A copy of the tree with `key=value` (dotted key, YAML value) laid over it, as --set does.
  ConfigNode with_override(const std::string& assignment) const;
  /// A copy of this map without `key`.
  ConfigNode without(std::string_view key) const;
  /// A map whose only entry is this value, under `key`; absent when this node is absent.
  ConfigNode under(std::string_view key) const;
  /// The tree as YAML text.
  std::string dump() const;
  /// The same on one line: "{channels: 32, kernel: 3}".
  std::string flow() const;
  /// UserError "WHERE: PATH: message".
  [[noreturn]] void fail(const std::string& message) const;

 private:
  struct Tree;
  std::shared_ptr<const Tree> tree_;
  std::string path_;
};

/// `name` chooses a registered component; the other keys of the map are that component's own settings.
/// YAML accepts both `strategy: fedavg` and `strategy: {name: fedprox, mu: 0.1}`.
struct ComponentSpec {
  std::string name;
  ConfigNode settings;  // the map without `name`; absent when there is none
  std::string where;    // "exp.yaml:3:11: strategy", where the name was written; "" for a default

  ComponentSpec() = default;
  ComponentSpec(std::string chosen) : name(std::move(chosen)) {}  // NOLINT: a name is a whole spec
  ComponentSpec(const char* chosen) : name(chosen) {}             // NOLINT
};

/// One step of a list whose order counts, such as a layer of a model: its name alone, or a map from the name
/// to its settings, which may be a single value: `relu`, `dropout: 0.5`, `conv2d: {channels: 32}`.
struct StepSpec {
  std::string name;
  ConfigNode settings;  // absent, a single value, or a map
  std::string where;    // "exp.yaml:3:11: model.layers[2]"
};

/// Two old or foreign names for one key are accepted with a one-line note.
struct ConfigNotes {
  std::vector<std::string> lines;
};

}  // namespace fedloom

#include "core/config_visitors.hpp"  // IWYU pragma: export
