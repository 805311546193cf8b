// Packing sides, and adding their product to the weights.
#include "algorithms/lora/base_update.hpp"

#include <algorithm>
#include <utility>

namespace fedloom::lora {

namespace {

constexpr const char* kLeft = "left";
constexpr const char* kRight = "right";

void append(FloatBuffer& packed, const Matrix& matrix) {
  for (Eigen::Index i = 0; i < matrix.size(); ++i) packed.push_back(static_cast<float>(matrix.data()[i]));
}

const Payload& find_part(const PatchParts& parts, std::string_view name) {
  const auto part =
      std::find_if(parts.begin(), parts.end(), [&](const Payload& payload) { return payload.name == name; });
  if (part == parts.end()) throw user_error("a step of the model came without its part '{}'", name);
  return *part;
}

Matrix read(std::span<const float> packed, std::size_t& offset, Eigen::Index rows, Eigen::Index columns) {
  Matrix matrix(rows, columns);
  for (Eigen::Index i = 0; i < matrix.size(); ++i) matrix.data()[i] = static_cast<double>(packed[offset++]);
  return matrix;
}

}  // namespace

SliceSet with_bases(const Layout& layout, const std::function<bool(const Slice&)>& shares) {
  const std::vector<Pair> pairs = pairs_of(layout);
  return {layout, [&](const Slice& slice) {
            return shares(slice) || std::any_of(pairs.begin(), pairs.end(),
                                                [&](const Pair& pair) { return pair.w.name == slice.name; });
          }};
}

void keep_base_update(ServerState& state, const BaseUpdate& update) {
  FloatBuffer left;
  FloatBuffer right;
  for (const Sides& sides : update) {
    append(left, sides.left);
    append(right, sides.right);
  }
  state.slots[kLeft] = Tensor::vector(std::move(left));
  state.slots[kRight] = Tensor::vector(std::move(right));
}

PatchParts take_base_update(ServerState& state) {
  PatchParts parts;
  for (const char* name : {kLeft, kRight})
    parts.push_back(Payload::from(name, std::move(state.slots.extract(name).mapped())));
  return parts;
}

void apply_base_update(const PatchParts& parts, ParameterVector& model) {
  const std::vector<Pair> pairs = pairs_of(model.layout());
  std::size_t outputs = 0;
  std::size_t inputs = 0;
  for (const Pair& pair : pairs) {
    outputs += static_cast<std::size_t>(pair.outputs());
    inputs += static_cast<std::size_t>(pair.inputs());
  }
  const std::size_t rank = find_part(parts, kLeft).values().size() / outputs;
  const std::span<const float> left = part_named(parts, kLeft, rank * outputs);
  const std::span<const float> right = part_named(parts, kRight, rank * inputs);
  if (rank == 0) return;
  std::size_t l = 0;
  std::size_t r = 0;
  for (const Pair& pair : pairs) {
    const Matrix first = read(left, l, pair.outputs(), static_cast<Eigen::Index>(rank));
    const Matrix second = read(right, r, static_cast<Eigen::Index>(rank), pair.inputs());
    write(Matrix(matrix_of(model.values(), pair.w) + first * second), model.values(), pair.w);
  }
}

std::span<const float> part_named(const PatchParts& parts, std::string_view name, std::size_t size) {
  const std::span<const float> values = find_part(parts, name).values();
  if (values.size() != size)
    throw user_error("part '{}' of a step of the model has {} floats, not {}", name, values.size(), size);
  return values;
}

}  // namespace fedloom::lora
