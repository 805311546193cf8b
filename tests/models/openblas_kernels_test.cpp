// A program that was given OpenBLAS's oldest kernels knows the best that its processor takes.
#include "models/openblas_kernels.hpp"

#include <gtest/gtest.h>

#include "core/file.hpp"

namespace fedloom::testing {
namespace {

TEST(OpenBlasKernels, AreWhatTheProcessorSaysThatItCan) {
  const auto better = better_openblas_kernels();
  if (!better) GTEST_SKIP() << "OpenBLAS knows this processor, or is not here";
  const std::string processor = read_file("/proc/cpuinfo");
  EXPECT_EQ(*better, processor.find(" avx512vl ") != std::string::npos ? "SkylakeX" : "Haswell");
  EXPECT_NE(processor.find(" avx2 "), std::string::npos);
}

}  // namespace
}  // namespace fedloom::testing
