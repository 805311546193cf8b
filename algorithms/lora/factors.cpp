// Maps over slices, and the decomposition of a low-rank product.
#include "algorithms/lora/factors.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/QR>
#include <Eigen/SVD>

#include "core/error.hpp"

namespace fedloom::lora {

namespace {

constexpr std::string_view kFirst = ".lora_A.weight";
constexpr std::string_view kSecond = ".lora_B.weight";

using Qr = Eigen::HouseholderQR<Eigen::MatrixXd>;

// The triangle of a decomposition of (n, q), without zero rows.
Eigen::MatrixXd triangle(const Qr& qr) {
  const Eigen::Index k = std::min(qr.rows(), qr.cols());
  return qr.matrixQR().topRows(k).triangularView<Eigen::Upper>();
}

// The orthonormal basis times `coordinates`, without making the basis itself.
Matrix in_basis(const Qr& qr, const Eigen::MatrixXd& coordinates) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(qr.rows(), coordinates.cols());
  out.topRows(coordinates.rows()) = coordinates;
  out.applyOnTheLeft(qr.householderQ());
  return out;
}

}  // namespace

Part part_of(std::string_view slice) {
  if (slice.ends_with(kFirst)) return Part::first;
  return slice.ends_with(kSecond) ? Part::second : Part::other;
}

std::vector<Pair> pairs_of(const Layout& layout) {
  std::vector<Pair> pairs;
  for (const Slice& a : layout.slices()) {
    if (part_of(a.name) != Part::first) continue;
    const std::string name = a.name.substr(0, a.name.size() - kFirst.size());
    pairs.push_back({name, layout.at(name + ".weight"), a, layout.at(name + std::string(kSecond))});
  }
  if (pairs.empty())
    throw user_error("the model has no LoRA factors; give the experiment an adapter with name: lora");
  return pairs;
}

Matrix matrix_of(std::span<const float> parameters, const Slice& slice) {
  FEDLOOM_CHECK(slice.shape.size() == 2 && slice.offset + slice.size <= parameters.size(),
                "slice '{}' is no matrix of these parameters", slice.name);
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Floats>(parameters.data() + slice.offset, slice.shape[0], slice.shape[1])
      .cast<double>();
}

void write(const Matrix& matrix, std::span<float> parameters, const Slice& slice) {
  FEDLOOM_CHECK(slice.shape.size() == 2 && matrix.rows() == slice.shape[0] && matrix.cols() == slice.shape[1],
                "a matrix of {} x {} for slice '{}'", matrix.rows(), matrix.cols(), slice.name);
  float* out = parameters.data() + slice.offset;
  for (Eigen::Index i = 0; i < matrix.size(); ++i) out[i] = static_cast<float>(matrix.data()[i]);
}

Factors factors_of(std::span<const float> parameters, const Pair& pair) {
  return {matrix_of(parameters, pair.a), matrix_of(parameters, pair.b)};
}

void write(const Factors& factors, std::span<float> parameters, const Pair& pair) {
  write(factors.a, parameters, pair.a);
  write(factors.b, parameters, pair.b);
}

Eigen::MatrixXd product_gram(const Matrix& left, const Matrix& right) {
  const Eigen::Index q = left.cols();
  Eigen::MatrixXd inner = Eigen::MatrixXd::Zero(q, q);
  Eigen::MatrixXd outer = Eigen::MatrixXd::Zero(q, q);
  inner.selfadjointView<Eigen::Lower>().rankUpdate(left.transpose());
  outer.selfadjointView<Eigen::Lower>().rankUpdate(right);
  const Eigen::MatrixXd lower = inner.cwiseProduct(outer);
  return lower.selfadjointView<Eigen::Lower>();
}

double product_norm(const Matrix& left, const Matrix& right) {
  return std::sqrt(std::max(0.0, product_gram(left, right).sum()));
}

ProductSvd product_svd(const Matrix& left, const Matrix& right, Eigen::Index most) {
  const Qr l(left);
  const Qr r(right.transpose());
  const Eigen::MatrixXd core = triangle(l) * triangle(r).transpose();
  // Eigen 3.4's divide and conquer may lose small values; Jacobi is exact and the core is small.
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(core, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::Index k = std::min(most, svd.singularValues().size());
  return {in_basis(l, svd.matrixU().leftCols(k)), svd.singularValues().head(k),
          in_basis(r, svd.matrixV().leftCols(k))};
}

}  // namespace fedloom::lora
