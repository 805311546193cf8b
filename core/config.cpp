// ConfigNode over yaml-cpp: where a value stands in the file, overrides, and copies without a key.
#include "core/config.hpp"

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "core/error.hpp"

namespace fedloom {

// One parsed document, shared by all nodes that point into it. `origin` names the file or override.
struct ConfigNode::Tree {
  YAML::Node node;
  std::string source;
  // Dotted paths laid over the file by --set, with the text that did it.
  std::shared_ptr<std::map<std::string, std::string>> overrides;
};

namespace {

std::string mark_text(const std::string& source, const YAML::Mark& mark) {
  if (mark.is_null()) return source;
  return fmt::format("{}:{}:{}", source, mark.line + 1, mark.column + 1);
}

YAML::Node parse(const std::string& text, const std::string& source) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw user_error("{}: not valid YAML: {}", mark_text(source, error.mark), error.msg);
  }
}

std::string join_path(const std::string& parent, std::string_view key) {
  return parent.empty() ? std::string(key) : fmt::format("{}.{}", parent, key);
}

// The word of --set that brought `path`: the path itself or a map or list above it.
template <class Tree>
std::optional<std::string> override_of(const Tree& tree, std::string path) {
  while (!path.empty()) {
    if (const auto it = tree.overrides->find(path); it != tree.overrides->end()) return "--set " + it->second;
    const std::size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
  return std::nullopt;
}

}  // namespace

ConfigNode::ConfigNode() = default;

ConfigNode ConfigNode::from_text(const std::string& text, const std::string& source_name) {
  ConfigNode node;
  node.tree_ = std::make_shared<Tree>(
      Tree{parse(text, source_name), source_name, std::make_shared<std::map<std::string, std::string>>()});
  return node;
}

ConfigNode ConfigNode::from_file(const std::string& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) throw user_error("{}: is a folder, not a YAML file", file);
  std::ifstream stream(file);
  if (!stream) throw user_error("{}: cannot be opened; give the path of an experiment file", file);
  std::ostringstream text;
  text << stream.rdbuf();
  return from_text(text.str(), file);
}

bool ConfigNode::present() const { return tree_ && tree_->node.IsDefined() && !tree_->node.IsNull(); }
bool ConfigNode::is_map() const { return present() && tree_->node.IsMap(); }
bool ConfigNode::is_list() const { return present() && tree_->node.IsSequence(); }
bool ConfigNode::is_scalar() const { return present() && tree_->node.IsScalar(); }

std::vector<std::string> ConfigNode::keys() const {
  if (!present()) return {};
  if (!is_map()) fail("expected a map of keys");
  std::vector<std::string> keys;
  std::set<std::string> seen;
  for (const auto& entry : tree_->node) {
    if (!entry.first.IsScalar()) fail("keys must be plain words");
    const std::string key = entry.first.Scalar();
    if (!seen.insert(key).second)
      throw user_error("{}: {}: this key is given twice",
                       override_of(*tree_, path_).value_or(mark_text(tree_->source, entry.first.Mark())),
                       join_path(path_, key));
    keys.push_back(key);
  }
  return keys;
}

ConfigNode ConfigNode::child(std::string_view key) const {
  ConfigNode found;
  found.path_ = join_path(path_, key);
  if (!present()) return found;
  if (!is_map()) fail("expected a map of keys");
  const YAML::Node& node = tree_->node;
  const YAML::Node value = node[std::string(key)];
  if (value.IsDefined()) found.tree_ = std::make_shared<Tree>(Tree{value, tree_->source, tree_->overrides});
  return found;
}

std::vector<ConfigNode> ConfigNode::items() const {
  std::vector<ConfigNode> items;
  if (!present()) return items;
  if (!is_list()) fail("expected a list");
  for (const auto& value : tree_->node) {
    ConfigNode item;
    item.path_ = fmt::format("{}[{}]", path_, items.size());
    const YAML::Node& node = value;
    item.tree_ = std::make_shared<Tree>(Tree{node, tree_->source, tree_->overrides});
    items.push_back(item);
  }
  return items;
}

std::string ConfigNode::text() const {
  if (!is_scalar()) fail(is_map() ? "expected a single value, found a map" : "expected a single value");
  return tree_->node.Scalar();
}

std::string ConfigNode::where() const {
  if (!tree_) return "";
  if (const auto word = override_of(*tree_, path_)) return *word;
  return mark_text(tree_->source, tree_->node.Mark());
}

void ConfigNode::fail(const std::string& message) const {
  const std::string place = where();
  throw UserError(
      fmt::format("{}{}{}{}", place, place.empty() ? "" : ": ", path_.empty() ? "" : path_ + ": ", message));
}

ConfigNode ConfigNode::with_override(const std::string& assignment) const {
  const std::size_t equals = assignment.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw user_error("--set {}: expected key=value, for example --set strategy.mu=0.1", assignment);
  const std::string key = assignment.substr(0, equals);
  ConfigNode copy;
  copy.path_ = path_;
  Tree tree{present() ? YAML::Clone(tree_->node) : YAML::Node(YAML::NodeType::Map),
            tree_ ? tree_->source : "--set",
            tree_ ? std::make_shared<std::map<std::string, std::string>>(*tree_->overrides)
                  : std::make_shared<std::map<std::string, std::string>>()};
  YAML::Node cursor = tree.node;
  std::istringstream parts(key);
  std::string part;
  std::vector<std::string> names;
  while (std::getline(parts, part, '.')) names.push_back(part);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) throw user_error("--set {}: empty name in '{}'", assignment, key);
    const bool last = i + 1 == names.size();
    if (last) {
      cursor[names[i]] = parse(assignment.substr(equals + 1), "--set " + assignment);
      break;
    }
    YAML::Node next = cursor[names[i]];
    if (next.IsDefined() && next.IsScalar()) {
      // `strategy: fedprox` with --set strategy.mu=0.1 means {name: fedprox, mu: 0.1}.
      YAML::Node map(YAML::NodeType::Map);
      map["name"] = next.Scalar();
      cursor[names[i]] = map;
    } else if (!next.IsDefined() || next.IsNull()) {
      cursor[names[i]] = YAML::Node(YAML::NodeType::Map);
    } else if (!next.IsMap()) {
      throw user_error("--set {}: '{}' is not a map", assignment, names[i]);
    }
    // Node::operator= writes through the handle; reset() is what moves it.
    cursor.reset(cursor[names[i]]);
  }
  (*tree.overrides)[join_path(path_, key)] = assignment;
  copy.tree_ = std::make_shared<Tree>(std::move(tree));
  return copy;
}

ConfigNode ConfigNode::without(std::string_view key) const {
  ConfigNode copy;
  copy.path_ = path_;
  if (!present()) return copy;
  if (!is_map()) fail("expected a map of keys");
  YAML::Node map(YAML::NodeType::Map);
  map.SetStyle(tree_->node.Style());
  for (const auto& entry : tree_->node)
    if (entry.first.Scalar() != key) map[entry.first] = entry.second;
  if (map.size() == 0) return copy;
  copy.tree_ = std::make_shared<Tree>(Tree{map, tree_->source, tree_->overrides});
  return copy;
}

ConfigNode ConfigNode::under(std::string_view key) const {
  ConfigNode copy;
  copy.path_ = path_;
  if (!present()) return copy;
  YAML::Node map(YAML::NodeType::Map);
  map[std::string(key)] = tree_->node;
  copy.tree_ = std::make_shared<Tree>(Tree{map, tree_->source, tree_->overrides});
  return copy;
}

std::string ConfigNode::flow() const {
  if (!present()) return "";
  std::string text;
  const auto add = [&](const std::string& item) { text += (text.empty() ? "" : ", ") + item; };
  if (is_map()) {
    for (const std::string& key : keys()) add(key + ": " + child(key).flow());
    return "{" + text + "}";
  }
  if (is_list()) {
    for (const ConfigNode& item : items()) add(item.flow());
    return "[" + text + "]";
  }
  // As the only item of a list it is quoted where it must be, and nowhere else.
  YAML::Emitter emitter;
  emitter << YAML::Flow << YAML::BeginSeq << this->text() << YAML::EndSeq;
  const std::string list = emitter.c_str();
  return list.substr(1, list.size() - 2);
}

std::string ConfigNode::dump() const {
  if (!present()) return "";
  YAML::Emitter emitter;
  emitter << tree_->node;
  return emitter.c_str();
}

}  // namespace fedloom
