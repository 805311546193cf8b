// Subspaces of layer inputs as orthonormal bases: taking a subspace out of vectors, how many directions a
// threshold on their energy asks for, and growing a basis by them. Bases are ordinary slots of the server's
// state.
//
//   U (d, k) with orthonormal columns, kept as a tensor (k, d);   x - U U^T x  is what lies outside of it
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/tensor.hpp"

namespace fedloom::subspace {

/// rows := rows - (rows U) U^T of `rows` (n, d). `basis`: k vectors of d floats; with none nothing changes.
/// `scratch` is for whoever calls it again and again.
void remove_span(std::span<float> rows, std::span<const float> basis, std::size_t d, FloatBuffer& scratch);
void remove_span(std::span<float> rows, std::span<const float> basis, std::size_t d);

/// One orthonormal basis of the old vectors, which stay as they are, and `directions` (count, d): those are
/// made orthogonal to the old ones and to each other, and left out where nothing of them remains. At most d
/// vectors.
Tensor grown(const Tensor& basis, std::span<const double> directions, std::size_t d);

/// The smallest k whose energies together are more than `share` of all, at least `least`; 0 where all are 0.
/// The energies are >= 0 and in descending order.
std::size_t count_above(std::span<const double> energies, double share, std::size_t least);

/// The smallest k for which `before` and the first k energies reach `share` of `total`; may be 0.
std::size_t count_reaching(std::span<const double> energies, double before, double total, double share);

}  // namespace fedloom::subspace
