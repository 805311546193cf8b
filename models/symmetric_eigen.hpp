// The one door to eigenvectors: of Y Y^T, which are the left singular vectors of Y. Double throughout but for
// the products themselves. Behind it OpenBLAS's LAPACK where it is installed, on one thread, and Eigen
// elsewhere.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace fedloom {

/// Y Y^T of Y (d, m), row-major: (d, d). Float products over few columns at a time, added up in double, so
/// that the error is about 1e-7 of the largest entry.
std::vector<double> gram_matrix(std::span<const float> y, std::size_t d);

/// Eigenvalues, largest first, and unit eigenvectors: row i of `vectors` (d, d) belongs to values[i].
struct SymmetricEigen {
  std::vector<double> values;
  std::vector<double> vectors;
};

/// Of a symmetric matrix (d, d). A matrix that is not finite is a programmer error.
SymmetricEigen symmetric_eigen(std::vector<double> matrix, std::size_t d);

namespace eigen_backend {
/// Whether the program was built with OpenBLAS.
bool has_openblas();
/// Both sort their values as they come: ascending.
void openblas(std::vector<double>& matrix_to_vectors, std::vector<double>& values);
void eigen(std::vector<double>& matrix_to_vectors, std::vector<double>& values);
}  // namespace eigen_backend

}  // namespace fedloom
