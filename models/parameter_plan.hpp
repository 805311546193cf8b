// Where layers say what they hold while a model is being built: slices of the flat vector, in order. An
// adapted model freezes the base here, so that no layer needs to know why a slice is frozen.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/layout.hpp"
#include "models/adapters/adaptation.hpp"

namespace fedloom {

/// A slice as its layer sees it.
struct Held {
  std::size_t offset = 0;  // into the flat vector
  std::size_t size = 0;
  bool trained = true;  // false: no gradient is computed
};

class ParameterPlan {
 public:
  ParameterPlan() = default;
  explicit ParameterPlan(Adaptation adaptation) : adaptation_(std::move(adaptation)) {}

  const Adaptation& adaptation() const { return adaptation_; }

  /// A slice of the base model: trained unless the adaptation freezes it.
  Held add(const std::string& name, std::vector<std::int64_t> shape);
  /// A slice of an adapter: trained unless the adaptation freezes it by name.
  Held add_adapter(const std::string& name, std::vector<std::int64_t> shape);
  /// A running value of normalisation; frozen where the adaptation freezes the rest of its layer.
  Held add_statistic(const std::string& name, std::vector<std::int64_t> shape);

  /// Trained slices so far; a layer that added none has no gradient of its own.
  const std::vector<Held>& trained() const { return trained_; }
  /// The layout, once every layer was built. Throws UserError when a pattern of the adaptation fits nothing.
  std::shared_ptr<const Layout> build() const;

  /// To be called by a layer that carries an adapter; build() complains when none did.
  void note_adapter() { ++adapters_; }

 private:
  Held add(const std::string& name, std::vector<std::int64_t> shape, Role role);

  Adaptation adaptation_;
  Layout::Builder builder_;
  std::vector<std::string> names_;
  std::vector<Held> trained_;
  std::size_t adapters_ = 0;
};

}  // namespace fedloom
