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

// Columns of an orthonormal basis and the triangle that gives `side` back: side = q r.
struct Thin {
  Eigen::MatrixXd q;
  Eigen::MatrixXd r;
};

Thin thin_qr(const Eigen::MatrixXd& side) {
  const Eigen::Index k = std::min(side.rows(), side.cols());
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(side);
  Thin thin;
  thin.q = qr.householderQ() * Eigen::MatrixXd::Identity(side.rows(), k);
  thin.r = qr.matrixQR().topRows(k).triangularView<Eigen::Upper>();
  return thin;
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

double product_norm(const Matrix& left, const Matrix& right) {
  const Matrix inner = left.transpose() * left;
  const Matrix outer = right * right.transpose();
  return std::sqrt(std::max(0.0, inner.cwiseProduct(outer).sum()));
}

ProductSvd product_svd(const Matrix& left, const Matrix& right) {
  const Thin l = thin_qr(left);
  const Thin r = thin_qr(right.transpose());
  const Eigen::MatrixXd core = l.r * r.r.transpose();
  // Eigen 3.4's divide and conquer may lose small values; one-sided Jacobi is exact and the core is small.
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(core, Eigen::ComputeThinU | Eigen::ComputeThinV);
  return {l.q * svd.matrixU(), svd.singularValues(), r.q * svd.matrixV()};
}

}  // namespace fedloom::lora
