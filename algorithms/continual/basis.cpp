// Projections in float through the gemm door, orthogonalisation in double.
#include "algorithms/continual/basis.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <Eigen/QR>

#include "core/error.hpp"
#include "models/gemm.hpp"

namespace fedloom::subspace {

namespace {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Less than this remains of a unit vector that lies in the span of others, up to float rounding.
constexpr double kNothing = 1e-5;

// What of the directions lies outside of the basis; rows of which nothing does are gone.
Rows outside(const Rows& basis, Rows directions) {
  // Twice, since what is left of a vector that lies almost inside is rounding at first.
  for (int pass = 0; pass < 2 && basis.rows() > 0; ++pass)
    directions -= (directions * basis.transpose()) * basis;
  Eigen::Index kept = 0;
  for (Eigen::Index i = 0; i < directions.rows(); ++i)
    if (directions.row(i).norm() >= kNothing) directions.row(kept++) = directions.row(i);
  return directions.topRows(kept);
}

Rows orthonormal(const Rows& rows) {
  if (rows.rows() == 0) return rows;
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(rows.transpose());
  const Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(rows.cols(), rows.rows());
  Rows result(rows.rows(), rows.cols());
  Eigen::Index kept = 0;
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    if (std::abs(qr.matrixQR()(i, i)) >= kNothing) result.row(kept++) = q.col(i).transpose();
  return result.topRows(kept);
}

}  // namespace

void remove_span(std::span<float> rows, std::span<const float> basis, std::size_t d) {
  FloatBuffer scratch;
  remove_span(rows, basis, d, scratch);
}

void remove_span(std::span<float> rows, std::span<const float> basis, std::size_t d, FloatBuffer& scratch) {
  FEDLOOM_CHECK(d > 0 && rows.size() % d == 0 && basis.size() % d == 0, "{} and {} floats in rows of {}",
                rows.size(), basis.size(), d);
  const std::size_t n = rows.size() / d;
  const std::size_t k = basis.size() / d;
  if (n == 0 || k == 0) return;
  scratch.resize(n * k);
  gemm({n, k, d, plain(rows.data(), d), transposed(basis.data(), d), scratch.data(), k});
  for (float& value : scratch) value = -value;
  gemm({n, d, k, plain(scratch.data(), k), plain(basis.data(), d), rows.data(), d, true});
}

Tensor grown(const Tensor& basis, std::span<const double> directions, std::size_t d) {
  FEDLOOM_CHECK(d > 0 && directions.size() % d == 0 && basis.data.size() % d == 0,
                "{} and {} floats in rows of {}", directions.size(), basis.data.size(), d);
  const auto width = static_cast<Eigen::Index>(d);
  const auto old_rows = static_cast<Eigen::Index>(basis.data.size() / d);
  const Rows old = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
                       basis.data.data(), old_rows, width)
                       .cast<double>();
  const Rows wanted =
      Eigen::Map<const Rows>(directions.data(), static_cast<Eigen::Index>(directions.size() / d), width);
  Rows fresh = outside(old, wanted);
  fresh = orthonormal(fresh.topRows(std::min(fresh.rows(), width - old_rows)));
  Tensor result = basis;
  result.shape = {old_rows + fresh.rows(), width};
  for (Eigen::Index i = 0; i < fresh.size(); ++i) result.data.push_back(static_cast<float>(fresh.data()[i]));
  return result;
}

std::size_t count_above(std::span<const double> energies, double share, std::size_t least) {
  const double total = std::accumulate(energies.begin(), energies.end(), 0.0);
  if (!(total > 0.0)) return 0;
  double sum = 0.0;
  std::size_t k = 0;
  while (k < energies.size() && (k < least || !(sum / total > share))) sum += energies[k++];
  return k;
}

std::size_t count_reaching(std::span<const double> energies, double before, double total, double share) {
  double sum = before;
  std::size_t k = 0;
  while (k < energies.size() && sum < share * total) sum += energies[k++];
  return k;
}

}  // namespace fedloom::subspace
