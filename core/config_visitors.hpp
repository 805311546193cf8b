// The three walks over a visited struct: ConfigReader (YAML in), ConfigWriter (YAML out) and ConfigDocs
// (reference rows). Included by core/config.hpp only.
#pragma once

#include <concepts>
#include <type_traits>

#include "core/config.hpp"

namespace fedloom {

namespace config_detail {

void convert(const ConfigNode& node, bool& value);
void convert(const ConfigNode& node, std::int64_t& value);
void convert(const ConfigNode& node, std::uint64_t& value);
void convert(const ConfigNode& node, double& value);
void convert(const ConfigNode& node, std::string& value);
void convert(const ConfigNode& node, Duration& value);
void convert(const ConfigNode& node, ByteSize& value);
void convert(const ConfigNode& node, Quantity& value);
void convert(const ConfigNode& node, TextMap& value);
void convert(const ConfigNode& node, ComponentSpec& value);
void convert(const ConfigNode& node, StepSpec& value);

std::string render(bool value);
std::string render(std::int64_t value);
std::string render(std::uint64_t value);
std::string render(double value);
std::string render(const std::string& value);
std::string render(const Duration& value);
std::string render(const ByteSize& value);
std::string render(const Quantity& value);
std::string render(const TextMap& value);
std::string render(const ComponentSpec& value);
std::string render(const StepSpec& value);
template <class T>
std::string render(const std::vector<T>& values) {
  std::string joined;
  for (const T& value : values) joined += (joined.empty() ? "" : ", ") + render(value);
  return "[" + joined + "]";
}

void check_number(const ConfigNode& node, double value, const Bounds& bounds);
void check_choice(const ConfigNode& node, const std::string& value, const Bounds& bounds);
std::string indent_block(const std::string& text);

std::string type_name(const bool*);
std::string type_name(const std::int64_t*);
std::string type_name(const std::uint64_t*);
std::string type_name(const double*);
std::string type_name(const std::string*);
std::string type_name(const Duration*);
std::string type_name(const ByteSize*);
std::string type_name(const Quantity*);
std::string type_name(const TextMap*);
std::string type_name(const ComponentSpec*);
std::string type_name(const StepSpec*);

template <class T>
concept Visitable = std::is_class_v<T> && requires(T value) {
  value.visit(*static_cast<struct AnyVisitor*>(nullptr));
};

struct AnyVisitor {
  template <class T>
  void operator()(const char*, T&, const char*, const Bounds& = {}) {}
  void alias(const char*, const char*) {}
};

}  // namespace config_detail

/// Fills a visited struct from a map. After visiting, finish() rejects keys nobody asked for.
class ConfigReader {
 public:
  ConfigReader(const ConfigNode& node, ConfigNotes* notes);

  template <class T>
  void operator()(const char* name, T& member, const char* /*doc*/, const Bounds& bounds = {}) {
    const ConfigNode child = take(name);
    if (child.present()) read(child, member, bounds);
  }
  /// `other` is accepted for `name`, with a note. Call before the field itself.
  void alias(const char* other, const char* name);
  void finish() const;

 private:
  ConfigNode take(const char* name);

  template <class T>
  void read(const ConfigNode& child, T& member, const Bounds& bounds);
  template <class T>
  void read(const ConfigNode& child, std::optional<T>& member, const Bounds& bounds) {
    member.emplace();
    read(child, *member, bounds);
  }
  template <class T>
  void read(const ConfigNode& child, std::vector<T>& member, const Bounds& bounds) {
    member.clear();
    if (!child.is_list()) {
      read(child, member.emplace_back(), bounds);
      return;
    }
    for (const ConfigNode& item : child.items()) read(item, member.emplace_back(), bounds);
  }

  ConfigNode node_;
  ConfigNotes* notes_;
  std::vector<std::string> known_;
  std::vector<std::pair<std::string, std::string>> aliases_;
};

/// Reads a visited struct whole, unknown keys refused. Throws UserError.
template <class T>
T read_config(const ConfigNode& node, ConfigNotes* notes = nullptr) {
  T value;
  ConfigReader reader(node, notes);
  value.visit(reader);
  reader.finish();
  return value;
}

template <class T>
void ConfigReader::read(const ConfigNode& child, T& member, const Bounds& bounds) {
  if constexpr (config_detail::Visitable<T>) {
    ConfigReader reader(child, notes_);
    member.visit(reader);
    reader.finish();
  } else {
    config_detail::convert(child, member);
    if constexpr (std::is_same_v<T, std::string>) {
      config_detail::check_choice(child, member, bounds);
    } else if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      config_detail::check_number(child, static_cast<double>(member), bounds);
    } else if constexpr (std::is_same_v<T, Duration>) {
      config_detail::check_number(child, member.seconds(), bounds);
    } else if constexpr (std::is_same_v<T, Quantity>) {
      config_detail::check_number(child, member.value, bounds);
    }
  }
}

/// Writes every field with its value as YAML.
class ConfigWriter {
 public:
  template <class T>
  void operator()(const char* name, T& member, const char* /*doc*/, const Bounds& = {}) {
    write(name, member);
  }
  void alias(const char*, const char*) {}
  const std::string& text() const { return text_; }
  /// Adds a prepared block below `name:`; components use it to write their own resolved settings.
  void block(const std::string& name, const std::string& yaml);

 private:
  template <class T>
  void write(const char* name, T& member) {
    if constexpr (config_detail::Visitable<T>) {
      ConfigWriter inner;
      member.visit(inner);
      block(name, inner.text());
    } else {
      line(name, config_detail::render(member));
    }
  }
  template <class T>
  void write(const char* name, std::optional<T>& member) {
    if (member) write(name, *member);
  }
  template <class T>
  void write(const char* name, std::vector<T>& members) {
    std::string joined;
    for (T& member : members) {
      if (!joined.empty()) joined += ", ";
      if constexpr (config_detail::Visitable<T>) {
        ConfigWriter inner;
        member.visit(inner);
        joined += inner.flow();
      } else {
        joined += config_detail::render(member);
      }
    }
    line(name, "[" + joined + "]");
  }
  void line(const char* name, const std::string& value);
  std::string flow() const;

  std::string text_;
};

template <class T>
std::string write_config(T value) {
  ConfigWriter writer;
  value.visit(writer);
  return writer.text();
}

/// Collects reference rows; nested structs get dotted names.
class ConfigDocs {
 public:
  explicit ConfigDocs(std::string prefix = "") : prefix_(std::move(prefix)) {}

  template <class T>
  void operator()(const char* name, T& member, const char* doc, const Bounds& bounds = {}) {
    describe(name, member, doc, bounds);
  }
  void alias(const char*, const char*) {}
  std::vector<FieldDoc> rows;

 private:
  template <class T>
  void describe(const char* name, T& member, const char* doc, const Bounds& bounds) {
    if constexpr (config_detail::Visitable<T>) {
      ConfigDocs inner(prefix_ + name + ".");
      member.visit(inner);
      rows.insert(rows.end(), inner.rows.begin(), inner.rows.end());
    } else {
      rows.push_back({prefix_ + name, config_detail::type_name(&member), config_detail::render(member), doc,
                      bounds.text()});
    }
  }
  template <class T>
  void describe(const char* name, std::optional<T>& member, const char* doc, const Bounds& bounds) {
    T value = member.value_or(T{});
    const std::size_t before = rows.size();
    describe(name, value, doc, bounds);
    if constexpr (config_detail::Visitable<T>) return;  // a section that is given has its defaults
    for (std::size_t i = before; i < rows.size(); ++i)
      if (!member) rows[i].default_value = "(none)";
  }
  template <class T>
  void describe(const char* name, std::vector<T>& members, const char* doc, const Bounds& bounds) {
    T value{};
    const std::size_t before = rows.size();
    describe(name, value, doc, bounds);
    for (std::size_t i = before; i < rows.size(); ++i) {
      rows[i].type = "list of " + rows[i].type;
      rows[i].default_value = default_list(members);
    }
  }

  template <class T>
  static std::string default_list(std::vector<T>& members) {
    if constexpr (config_detail::Visitable<T>)
      return "[]";
    else
      return config_detail::render(members);
  }

  std::string prefix_;
};

template <class T>
std::vector<FieldDoc> config_docs() {
  T value;
  ConfigDocs docs;
  value.visit(docs);
  return docs.rows;
}

}  // namespace fedloom
