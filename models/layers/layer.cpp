// Defaults of the layer contract.
#include "models/layers/layer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fedloom {

Layer::Layer(std::string name, Shape input, Shape output)
    : name_(std::move(name)), input_(std::move(input)), output_(std::move(output)) {}

std::string Layer::mixing_layer() const { return {}; }

LayerNeeds Layer::needs(std::size_t) const { return {}; }

void Layer::initialize(std::span<float>, Random&) const {}

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

}  // namespace fedloom
