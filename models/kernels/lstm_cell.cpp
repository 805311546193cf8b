// Legend: of one unit, before activation p, q, r, s; gates i, f, g, o; cell c, before it b; state h; d* is
// the gradient of *.
//   i = sigmoid(p), f = sigmoid(q), g = tanh(r), o = sigmoid(s);   c = f b + i g;   h = o tanh(c)
//   dc += dh o (1 - tanh(c)^2);   ds = dh tanh(c) o (1 - o);   dp = dc g i (1 - i);   dq = dc b f (1 - f);
//   dr = dc i (1 - g^2);   db = dc f
// tanh(c) is made again in backward: a fifth of the memory less, for what is little beside the products.
#include "models/kernels/lstm_cell.hpp"

#include "models/kernels/vector_math.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kLanes = 8;
using Vector = simd::Floats<kLanes>;

// A whole vector, or the first `count` lanes of one with zeros behind.
template <bool Whole>
FEDLOOM_ALWAYS_INLINE Vector get(const float* from, std::size_t count) {
  if constexpr (Whole) return simd::load<Vector>(from);
  Vector value{};
  for (std::size_t lane = 0; lane < count; ++lane) value[lane] = from[lane];
  return value;
}

template <bool Whole>
FEDLOOM_ALWAYS_INLINE void put(float* to, const Vector& value, std::size_t count) {
  if constexpr (Whole) {
    simd::store(to, value);
  } else {
    for (std::size_t lane = 0; lane < count; ++lane) to[lane] = value[lane];
  }
}

// `count` units from unit u of one example on.
template <bool Whole>
FEDLOOM_ALWAYS_INLINE void units(std::size_t H, std::size_t u, std::size_t count, const float* bias_ih,
                                 const float* bias_hh, const float* before, float* gates, float* cell,
                                 float* state) {
  const auto sum = [&](std::size_t gate) {
    const std::size_t at = gate * H + u;
    return get<Whole>(gates + at, count) +
           (get<Whole>(bias_ih + at, count) + get<Whole>(bias_hh + at, count));
  };
  const Vector i = simd::sigmoid<kLanes>(sum(0));
  const Vector f = simd::sigmoid<kLanes>(sum(1));
  const Vector g = simd::tanh<kLanes>(sum(2));
  const Vector o = simd::sigmoid<kLanes>(sum(3));
  Vector c = i * g;
  if (before != nullptr) c += f * get<Whole>(before + u, count);
  put<Whole>(gates + u, i, count);
  put<Whole>(gates + H + u, f, count);
  put<Whole>(gates + 2 * H + u, g, count);
  put<Whole>(gates + 3 * H + u, o, count);
  put<Whole>(cell + u, c, count);
  put<Whole>(state + u, o * simd::tanh<kLanes>(c), count);
}

template <bool Whole>
FEDLOOM_ALWAYS_INLINE void units_backward(std::size_t H, std::size_t u, std::size_t count,
                                          const LstmCellKept& kept, const float* d_state, float* d_cell,
                                          float* d_gates) {
  const Vector i = get<Whole>(kept.gates + u, count);
  const Vector f = get<Whole>(kept.gates + H + u, count);
  const Vector g = get<Whole>(kept.gates + 2 * H + u, count);
  const Vector o = get<Whole>(kept.gates + 3 * H + u, count);
  const Vector before = kept.cell_before == nullptr ? Vector{} : get<Whole>(kept.cell_before + u, count);
  const Vector dh = get<Whole>(d_state + u, count);
  const Vector squashed = simd::tanh<kLanes>(get<Whole>(kept.cell + u, count));
  const Vector dc = get<Whole>(d_cell + u, count) + dh * o * (1.0F - squashed * squashed);
  put<Whole>(d_gates + u, dc * g * i * (1.0F - i), count);
  put<Whole>(d_gates + H + u, dc * before * f * (1.0F - f), count);
  put<Whole>(d_gates + 2 * H + u, dc * i * (1.0F - g * g), count);
  put<Whole>(d_gates + 3 * H + u, dh * squashed * o * (1.0F - o), count);
  put<Whole>(d_cell + u, dc * f, count);
}

}  // namespace

FEDLOOM_SIMD_CLONES
void lstm_cell(const LstmCell& form, const float* bias_ih, const float* bias_hh, const float* cell_before,
               float* gates, float* cell, float* state) {
  const std::size_t H = form.hidden;
  for (std::size_t row = 0; row < form.rows; ++row, gates += 4 * H, cell += H, state += H) {
    std::size_t u = 0;
    for (; u + kLanes <= H; u += kLanes)
      units<true>(H, u, kLanes, bias_ih, bias_hh, cell_before, gates, cell, state);
    if (u < H) units<false>(H, u, H - u, bias_ih, bias_hh, cell_before, gates, cell, state);
    if (cell_before != nullptr) cell_before += H;
  }
}

FEDLOOM_SIMD_CLONES
void lstm_cell_backward(const LstmCell& form, const LstmCellKept& kept, const float* d_state, float* d_cell,
                        float* d_gates, std::size_t stride) {
  const std::size_t H = form.hidden;
  LstmCellKept row = kept;
  for (std::size_t i = 0; i < form.rows; ++i, d_state += H, d_cell += H, d_gates += stride) {
    std::size_t u = 0;
    for (; u + kLanes <= H; u += kLanes) units_backward<true>(H, u, kLanes, row, d_state, d_cell, d_gates);
    if (u < H) units_backward<false>(H, u, H - u, row, d_state, d_cell, d_gates);
    row.gates += 4 * H;
    row.cell += H;
    if (row.cell_before != nullptr) row.cell_before += H;
  }
}

}  // namespace fedloom
