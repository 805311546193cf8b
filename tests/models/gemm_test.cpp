// Every backend behind the gemm door against sums in double, for all transposes, strides and odd sizes; and
// that a product is the same bits wherever its operands lie and whoever computes it.
#include "models/gemm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/random.hpp"
#include "core/tensor.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kGap = 3;  // unused floats at the end of each stored row

struct Case {
  std::size_t m, n, k;
  bool a_transposed, b_transposed, accumulate;
};

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed, Stream::init);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

struct Operands {
  std::vector<float> a, b, c;
  GemmCall call;

  explicit Operands(const Case& one)
      : a(random_floats(one.m * one.k + (one.m + one.k) * kGap, 1)),
        b(random_floats(one.n * one.k + (one.n + one.k) * kGap, 2)),
        c(random_floats(one.m * (one.n + kGap), 3)),
        call{one.m,
             one.n,
             one.k,
             {a.data(), (one.a_transposed ? one.m : one.k) + kGap, one.a_transposed},
             {b.data(), (one.b_transposed ? one.k : one.n) + kGap, one.b_transposed},
             c.data(),
             one.n + kGap,
             one.accumulate} {}
};

float at(const MatrixView& view, std::size_t row, std::size_t column) {
  return view.transposed ? view.data[column * view.stride + row] : view.data[row * view.stride + column];
}

template <class Backend>
void expect_product(const Case& one, const Backend& backend) {
  Operands operands(one);
  const std::vector<float> before = operands.c;
  backend(operands.call);
  for (std::size_t i = 0; i < one.m; ++i) {
    for (std::size_t j = 0; j < one.n + kGap; ++j) {
      const std::size_t where = i * operands.call.c_stride + j;
      if (j >= one.n) {
        ASSERT_EQ(operands.c[where], before[where]) << "wrote beyond a row";
        continue;
      }
      double expected = one.accumulate ? static_cast<double>(before[where]) : 0.0;
      double magnitude = std::abs(expected);
      for (std::size_t p = 0; p < one.k; ++p) {
        const double term =
            static_cast<double>(at(operands.call.a, i, p)) * static_cast<double>(at(operands.call.b, p, j));
        expected += term;
        magnitude += std::abs(term);
      }
      // A float sum of k terms is off by at most about k half-units of its magnitude; far less in practice.
      ASSERT_NEAR(static_cast<double>(operands.c[where]), expected, 1e-6 * magnitude + 1e-12)
          << one.m << "x" << one.n << "x" << one.k << " at " << i << "," << j;
    }
  }
}

template <class Backend>
void expect_products(const Backend& backend, bool (*fits)(const GemmCall&)) {
  const std::size_t sizes[][3] = {{1, 1, 1},    {10, 10, 200}, {10, 7, 33},  {3, 200, 16}, {17, 5, 40},
                                  {32, 21, 9},  {11, 1, 100},  {1, 13, 784}, {64, 80, 25}, {12, 30, 31},
                                  {7, 65, 130}, {21, 67, 16},  {16, 47, 64}, {200, 97, 10}};
  for (const auto& [m, n, k] : sizes)
    for (const bool a_transposed : {false, true})
      for (const bool b_transposed : {false, true})
        for (const bool accumulate : {false, true}) {
          const Case one{m, n, k, a_transposed, b_transposed, accumulate};
          if (fits(Operands(one).call)) expect_product(one, backend);
        }
}

bool always(const GemmCall&) { return true; }

// With every instruction set that this processor has.
void expect_products(void (*backend)(const GemmCall&, InstructionSet), bool (*fits)(const GemmCall&)) {
  for (const InstructionSet set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512})
    if (set <= instruction_set()) expect_products([&](const GemmCall& call) { backend(call, set); }, fits);
}

TEST(Gemm, DoorComputesEveryForm) {
  expect_products([](const GemmCall& call) { gemm(call); }, always);
}
TEST(Gemm, EigenComputesEveryForm) {
  expect_products([](const GemmCall& call) { gemm_backend::eigen(call); }, always);
}
TEST(Gemm, DotComputesTheFormsItFits) { expect_products(gemm_backend::dot, gemm_backend::dot_fits); }
TEST(Gemm, OuterComputesTheFormsItFits) { expect_products(gemm_backend::outer, gemm_backend::outer_fits); }
TEST(Gemm, OneDnnComputesEveryForm) {
  if (!gemm_backend::has_onednn()) GTEST_SKIP() << "built without oneDNN";
  expect_products([](const GemmCall& call) { gemm_backend::onednn(call); }, always);
}

TEST(Gemm, DotNeedsRowsThatAreContiguousAndLongEnough) {
  EXPECT_TRUE(gemm_backend::dot_fits(Operands({4, 4, 16, false, true, false}).call));
  EXPECT_FALSE(gemm_backend::dot_fits(Operands({4, 4, 15, false, true, false}).call));
  EXPECT_FALSE(gemm_backend::dot_fits(Operands({4, 4, 16, true, true, false}).call));
  EXPECT_FALSE(gemm_backend::dot_fits(Operands({4, 4, 16, false, false, false}).call));
}

TEST(Gemm, OuterNeedsAPlainB) {
  EXPECT_TRUE(gemm_backend::outer_fits(Operands({4, 4, 1, true, false, false}).call));
  EXPECT_FALSE(gemm_backend::outer_fits(Operands({4, 4, 16, false, true, false}).call));
}

TEST(Gemm, EmptySumIsZeroAndEmptyResultIsNothing) {
  float c[2] = {5.0F, 6.0F};
  gemm({1, 2, 0, plain(nullptr, 0), plain(nullptr, 0), c, 2, true});
  EXPECT_EQ(c[0], 5.0F);
  gemm({1, 2, 0, plain(nullptr, 0), plain(nullptr, 0), c, 2, false});
  EXPECT_EQ(c[0], 0.0F);
  EXPECT_EQ(c[1], 0.0F);
  gemm({0, 2, 3, plain(nullptr, 3), plain(nullptr, 2), nullptr, 2, false});
}

// Shapes of local training, in each of the three forms.
TEST(Gemm, SameBitsWhereverTheOperandsLie) {
  const Case cases[] = {{10, 200, 784, false, true, false},  {200, 784, 10, true, false, false},
                        {10, 200, 200, false, false, false}, {64, 196, 800, false, false, false},
                        {64, 800, 196, false, true, false},  {32, 25, 784, false, true, false},
                        {40, 100, 300, false, true, false}};
  for (const Case& one : cases) {
    Operands first(one);
    gemm(first.call);
    for (const std::size_t shift : {1, 5, 16}) {
      // The same matrices at other addresses, so with another alignment.
      Operands again(one);
      FloatBuffer a(again.a.size() + shift);
      FloatBuffer b(again.b.size() + shift);
      FloatBuffer c(again.c.size() + shift);
      std::copy(again.a.begin(), again.a.end(), a.data() + shift);
      std::copy(again.b.begin(), again.b.end(), b.data() + shift);
      std::copy(again.c.begin(), again.c.end(), c.data() + shift);
      again.call.a.data = a.data() + shift;
      again.call.b.data = b.data() + shift;
      again.call.c = c.data() + shift;
      std::thread([&] { gemm(again.call); }).join();
      ASSERT_EQ(std::memcmp(c.data() + shift, first.c.data(), first.c.size() * sizeof(float)), 0)
          << one.m << "x" << one.n << "x" << one.k << " shifted by " << shift;
    }
  }
}

// oneDNN is built on OpenMP: a product large enough to be worth many threads must not start any.
TEST(Gemm, StaysOnTheCallingThread) {
  const std::filesystem::path tasks = "/proc/self/task";
  if (!std::filesystem::exists(tasks)) GTEST_SKIP() << "no /proc to count threads in";
  // By name, not by number: a thread that an earlier test has joined may still be listed for a moment.
  const auto threads = [&] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(tasks))
      names.insert(entry.path().filename());
    return names;
  };
  const std::set<std::string> before = threads();
  Operands operands({400, 400, 400, false, false, false});
  gemm(operands.call);
  for (const std::string& thread : threads()) EXPECT_TRUE(before.contains(thread)) << "a new thread";
}

}  // namespace
}  // namespace fedloom
