// LAPACK's divide and conquer (dsyevd), or Eigen's QR iterations.
#include "models/symmetric_eigen.hpp"

#include <algorithm>

#include <Eigen/Eigenvalues>

#include "core/error.hpp"
#include "core/tensor.hpp"
#include "models/gemm.hpp"

#ifdef FEDLOOM_HAVE_OPENBLAS
// As LAPACK and OpenBLAS define them; their headers are in no two places the same.
extern "C" {
void dsyevd_(const char* job, const char* triangle, const int* n, double* a, const int* lda, double* w,
             double* work, const int* lwork, int* iwork, const int* liwork, int* info);
void openblas_set_num_threads(int threads);
}
#endif

namespace fedloom {

std::vector<double> gram_matrix(std::span<const float> y, std::size_t d) {
  FEDLOOM_CHECK(d > 0 && y.size() % d == 0, "a matrix of {} floats and {} rows", y.size(), d);
  constexpr std::size_t kColumns = 256;
  const std::size_t m = y.size() / d;
  std::vector<double> gram(d * d, 0.0);
  FloatBuffer part(d * d);
  for (std::size_t first = 0; first < m; first += kColumns) {
    const std::size_t count = std::min(kColumns, m - first);
    gemm({d, d, count, plain(y.data() + first, m), transposed(y.data() + first, m), part.data(), d});
    for (std::size_t i = 0; i < gram.size(); ++i) gram[i] += static_cast<double>(part[i]);
  }
  // A product of floats by tiles need not be symmetric to the last bit; the half that LAPACK reads is taken
  // for both.
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = i + 1; j < d; ++j) gram[j * d + i] = gram[i * d + j];
  return gram;
}

namespace eigen_backend {

#ifdef FEDLOOM_HAVE_OPENBLAS
bool has_openblas() { return true; }

// In LAPACK's columns the rows of a symmetric matrix; vector i comes as column i, which is row i again.
void openblas(std::vector<double>& matrix_to_vectors, std::vector<double>& values) {
  // One thread gives the same bits wherever it runs, and the cores have other work.
  openblas_set_num_threads(1);
  const int n = static_cast<int>(values.size());
  int info = 0;
  double work_size = 0.0;
  int integers = 0;
  const int ask = -1;
  dsyevd_("V", "L", &n, matrix_to_vectors.data(), &n, values.data(), &work_size, &ask, &integers, &ask,
          &info);
  std::vector<double> work(static_cast<std::size_t>(work_size));
  std::vector<int> integer_work(static_cast<std::size_t>(integers));
  const int doubles = static_cast<int>(work.size());
  dsyevd_("V", "L", &n, matrix_to_vectors.data(), &n, values.data(), work.data(), &doubles,
          integer_work.data(), &integers, &info);
  FEDLOOM_CHECK(info == 0, "dsyevd ends with {} for a matrix of {} rows", info, n);
}
#else
bool has_openblas() { return false; }
void openblas(std::vector<double>&, std::vector<double>&) { FEDLOOM_CHECK(false, "built without OpenBLAS"); }
#endif

void eigen(std::vector<double>& matrix_to_vectors, std::vector<double>& values) {
  const auto n = static_cast<Eigen::Index>(values.size());
  Eigen::Map<Eigen::MatrixXd> matrix(matrix_to_vectors.data(), n, n);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix);
  FEDLOOM_CHECK(solver.info() == Eigen::Success, "no eigenvectors of a matrix of {} rows", n);
  matrix = solver.eigenvectors();
  Eigen::Map<Eigen::VectorXd>(values.data(), n) = solver.eigenvalues();
}

}  // namespace eigen_backend

SymmetricEigen symmetric_eigen(std::vector<double> matrix, std::size_t d) {
  FEDLOOM_CHECK(matrix.size() == d * d, "a symmetric matrix of {} entries for {} rows", matrix.size(), d);
  SymmetricEigen result;
  result.values.resize(d);
  if (d == 0) return result;
  if (eigen_backend::has_openblas())
    eigen_backend::openblas(matrix, result.values);
  else
    eigen_backend::eigen(matrix, result.values);
  // Ascending until here.
  std::reverse(result.values.begin(), result.values.end());
  for (std::size_t i = 0; i < d / 2; ++i)
    std::swap_ranges(matrix.begin() + static_cast<std::ptrdiff_t>(i * d),
                     matrix.begin() + static_cast<std::ptrdiff_t>((i + 1) * d),
                     matrix.begin() + static_cast<std::ptrdiff_t>((d - 1 - i) * d));
  result.vectors = std::move(matrix);
  return result;
}

}  // namespace fedloom
