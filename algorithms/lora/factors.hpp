// LoRA factors as matrices: finding the pairs in a layout, reading them out of flat vectors and writing them
// back. Linear algebra in double, rows first. It knows no strategy; the adapter itself is
// models/adapters/lora.
//
//   W (O, I) base weight   A (r, I) first factor   B (O, r) second factor   s = alpha / r   y = (W + s B A) x
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <Eigen/Core>

#include "core/layout.hpp"

namespace fedloom::lora {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// One adapted layer: where its base weight and factors lie in the flat vector.
struct Pair {
  std::string name;  // of the layer
  Slice w;           // (O, I)
  Slice a;           // (r, I)
  Slice b;           // (O, r)

  Eigen::Index rank() const { return a.shape[0]; }
  Eigen::Index inputs() const { return a.shape[1]; }
  Eigen::Index outputs() const { return b.shape[0]; }
};

/// What a slice is to LoRA.
enum class Part : std::uint8_t {
  first,   // A
  second,  // B
  other,   // everything else: bases, biases, heads
};
Part part_of(std::string_view slice);

/// All pairs in layout order; throws UserError when there is none.
std::vector<Pair> pairs_of(const Layout& layout);

/// The factors of one pair.
struct Factors {
  Matrix a;
  Matrix b;

  /// B A.
  Matrix product() const { return b * a; }
};

/// A slice as a matrix, and back (rounded to float). Shapes must agree (checked).
Matrix matrix_of(std::span<const float> parameters, const Slice& slice);
void write(const Matrix& matrix, std::span<float> parameters, const Slice& slice);
Factors factors_of(std::span<const float> parameters, const Pair& pair);
void write(const Factors& factors, std::span<float> parameters, const Pair& pair);

/// With l_i the columns of left (O, q) and r_i the rows of right (q, I), the products <l_i, l_j> <r_i, r_j>,
/// which sum up to |left right|_F^2, and over some i and j to the norm of that part of the product.
Eigen::MatrixXd product_gram(const Matrix& left, const Matrix& right);

/// |left right|_F without forming it: sqrt tr((left^T left)(right right^T)). left (O, q), right (q, I).
double product_norm(const Matrix& left, const Matrix& right);

/// The singular value decomposition of left right, exact: QR of both sides, then the core (q, q). For q at
/// most min(O, I) nothing larger than the sides is made. Values fall; u (O, k), v (I, k), k = min(q, O, I),
/// or `most` of the largest.
struct ProductSvd {
  Matrix u;
  Eigen::VectorXd values;
  Matrix v;
};
ProductSvd product_svd(const Matrix& left, const Matrix& right,
                       Eigen::Index most = std::numeric_limits<Eigen::Index>::max());

}  // namespace fedloom::lora
