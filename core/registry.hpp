// Components by name. A source file registers what it defines with a namespace-scope Registration; the
// folders are linked as object files, so no list of names exists anywhere. Registering a name twice is
// a programmer error.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/config.hpp"
#include "core/error.hpp"

namespace fedloom {

/// What a person reads about a component in `fedloom list` and the reference page.
struct About {
  std::string name;      // as written in YAML: lower case, snake_case
  std::string summary;   // one line
  std::string citation;  // authors, title, venue, year; "" when there is no paper
};

/// Names to factories for one kind of component. Args are what the engine knows when it builds one.
template <class Product, class... Args>
class Registry {
 public:
  struct Entry {
    About about;
    std::vector<FieldDoc> fields;
    std::function<Product(const ConfigNode& settings, Args... args)> make;
    /// The component's settings with every default written out, as YAML lines.
    std::function<std::string(const ConfigNode& settings)> resolve;
  };

  static Registry& instance() {
    static Registry registry;
    return registry;
  }

  void add(Entry entry) {
    const std::string name = entry.about.name;
    const bool fresh = entries_.emplace(name, std::move(entry)).second;
    FEDLOOM_CHECK(fresh, "the name '{}' is registered twice", name);
  }

  const std::map<std::string, Entry>& entries() const { return entries_; }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
  }

  /// The entry called `name`. Throws UserError with the nearest and all valid names; `kind` is the word
  /// for the component ("strategy"), `where` the place the name was written (may be "").
  const Entry& find(const std::string& name, const std::string& kind, const std::string& where = "") const {
    const auto it = entries_.find(name);
    if (it != entries_.end()) return it->second;
    const std::string guess = nearest(name, names());
    throw user_error("{}{}no {} is called '{}'{}; known: {}", where, where.empty() ? "" : ": ", kind, name,
                     guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess),
                     fmt::join(names(), ", "));
  }

 private:
  std::map<std::string, Entry> entries_;
};

/// Registers at start-up: `const Registration<ModelRegistry, Config> kSoftmax{about, make};` where
/// make(const Config&, args...) builds the product.
template <class RegistryType, class Config>
struct Registration;

template <class Product, class... Args, class Config>
struct Registration<Registry<Product, Args...>, Config> {
  template <class Make>
  Registration(About about, Make make) {
    Registry<Product, Args...>::instance().add(
        {std::move(about), config_docs<Config>(),
         [make](const ConfigNode& settings, Args... args) -> Product {
           return make(read_config<Config>(settings), std::forward<Args>(args)...);
         },
         [](const ConfigNode& settings) { return write_config(read_config<Config>(settings)); }});
  }
};

/// For components without settings of their own.
struct NoSettings {
  template <class Visitor>
  void visit(Visitor&) {}
};

}  // namespace fedloom
