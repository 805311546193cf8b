// The names of kernels are those of OpenBLAS's dynamic builds for x86-64.
#include "models/openblas_kernels.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <unistd.h>

#ifdef FEDLOOM_HAVE_OPENBLAS
extern "C" char* openblas_get_corename();
#endif

namespace fedloom {

#if defined(FEDLOOM_HAVE_OPENBLAS) && defined(__x86_64__)
std::optional<std::string> better_openblas_kernels() {
  if (std::strcmp(openblas_get_corename(), "Prescott") != 0) return std::nullopt;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
  return std::nullopt;
}
#else
std::optional<std::string> better_openblas_kernels() { return std::nullopt; }
#endif

void take_better_openblas_kernels(char** argv) {
  const char* const setting = "OPENBLAS_CORETYPE";
  if (std::getenv(setting) != nullptr) return;
  const std::optional<std::string> better = better_openblas_kernels();
  // Set even where the next step fails: worker processes are begun anew in any case.
  if (!better || ::setenv(setting, better->c_str(), 1) != 0) return;
  // By its own path, since that is what the process is called after.
  std::error_code unknown;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  if (!unknown) ::execv(program.c_str(), argv);
}

}  // namespace fedloom
