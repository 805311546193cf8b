// Both backends against the definition: V^T M V is diagonal, V^T V the identity, the largest value first.
#include "models/symmetric_eigen.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "core/tensor.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kSize = 33;

// Y of rank 20: 13 eigenvalues are zero.
std::vector<double> some_gram(FloatBuffer& y) {
  Random random(5, Stream::strategy);
  y.resize(kSize * 20);
  for (float& value : y) value = static_cast<float>(random.normal());
  return gram_matrix(y, kSize);
}

TEST(Gram, IsTheProductOfRows) {
  FloatBuffer y;
  const std::vector<double> gram = some_gram(y);
  for (const auto& [i, j] : {std::pair<std::size_t, std::size_t>{0, 0}, {3, 17}, {32, 1}}) {
    double expected = 0.0;
    for (std::size_t x = 0; x < 20; ++x)
      expected += static_cast<double>(y[i * 20 + x]) * static_cast<double>(y[j * 20 + x]);
    EXPECT_NEAR(gram[i * kSize + j], expected, 1e-4);
  }
}

void expect_eigen(const std::vector<double>& matrix, const SymmetricEigen& eigen) {
  for (std::size_t i = 0; i < kSize; ++i) {
    if (i > 0) {
      EXPECT_LE(eigen.values[i], eigen.values[i - 1]);
    }
    if (i >= 20) {
      EXPECT_NEAR(eigen.values[i], 0.0, 1e-4);
    }
    const double* v = eigen.vectors.data() + i * kSize;
    for (std::size_t r = 0; r < kSize; ++r) {
      double product = 0.0;
      for (std::size_t c = 0; c < kSize; ++c) product += matrix[r * kSize + c] * v[c];
      EXPECT_NEAR(product, eigen.values[i] * v[r], 1e-9 * eigen.values[0]);
    }
    for (std::size_t j = 0; j <= i; ++j) {
      double dot = 0.0;
      for (std::size_t x = 0; x < kSize; ++x) dot += v[x] * eigen.vectors[j * kSize + x];
      EXPECT_NEAR(dot, i == j ? 1.0 : 0.0, 1e-12);
    }
  }
}

TEST(SymmetricEigen, FulfilsItsDefinition) {
  FloatBuffer y;
  const std::vector<double> matrix = some_gram(y);
  expect_eigen(matrix, symmetric_eigen(matrix, kSize));
}

TEST(SymmetricEigen, BackendsAgree) {
  if (!eigen_backend::has_openblas()) GTEST_SKIP() << "built without OpenBLAS";
  FloatBuffer y;
  const std::vector<double> matrix = some_gram(y);
  std::vector<double> one = matrix;
  std::vector<double> two = matrix;
  std::vector<double> values_one(kSize);
  std::vector<double> values_two(kSize);
  eigen_backend::openblas(one, values_one);
  eigen_backend::eigen(two, values_two);
  for (std::size_t i = 0; i < kSize; ++i) EXPECT_NEAR(values_one[i], values_two[i], 1e-9 * values_one.back());
}

TEST(SymmetricEigen, OfNothingIsNothing) { EXPECT_TRUE(symmetric_eigen({}, 0).values.empty()); }

}  // namespace
}  // namespace fedloom
