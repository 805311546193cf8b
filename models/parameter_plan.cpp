// Roles of slices under an adaptation.
#include "models/parameter_plan.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/tensor.hpp"

namespace fedloom {

Held ParameterPlan::add(const std::string& name, std::vector<std::int64_t> shape, Role role) {
  const std::size_t size = element_count(shape);
  const std::size_t offset = builder_.add(name, std::move(shape), role);
  names_.push_back(name);
  const Held held{offset, size, role == Role::trained};
  if (held.trained) trained_.push_back(held);
  return held;
}

Held ParameterPlan::add(const std::string& name, std::vector<std::int64_t> shape) {
  return add(name, std::move(shape), adaptation_.trains_slice(name) ? Role::trained : Role::frozen);
}

Held ParameterPlan::add_adapter(const std::string& name, std::vector<std::int64_t> shape) {
  return add(name, std::move(shape), adaptation_.trains_adapter(name) ? Role::trained : Role::frozen);
}

Held ParameterPlan::add_statistic(const std::string& name, std::vector<std::int64_t> shape) {
  return add(name, std::move(shape), adaptation_.trains_slice(name) ? Role::statistic : Role::frozen);
}

std::shared_ptr<const Layout> ParameterPlan::build() const {
  for (const std::string& pattern : adaptation_.train)
    if (std::none_of(names_.begin(), names_.end(),
                     [&](const std::string& name) { return fits(pattern, name); }))
      throw user_error("adapter: train names '{}', which fits no slice of the model; it has {}", pattern,
                       fmt::join(names_, ", "));
  const bool adapts = adaptation_.adapts() && adaptation_.method != Adaptation::Method::freeze;
  if (adapts && adapters_ == 0)
    throw user_error(
        "adapter: no layer of the model took it (targets: {}); the model has the slices {}",
        adaptation_.targets.empty() ? "none given" : fmt::format("{}", fmt::join(adaptation_.targets, ", ")),
        fmt::join(names_, ", "));
  if (adaptation_.adapts() && trained_.empty())
    throw user_error("adapter: nothing is left to train; name slices in adapter.train, e.g. the head");
  return builder_.build();
}

}  // namespace fedloom
