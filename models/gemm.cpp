// Chooses a backend by the form of the product, and wraps oneDNN so that it stays on its caller's thread.
#include "models/gemm.hpp"

#include <algorithm>

#include "core/error.hpp"

#ifdef FEDLOOM_HAVE_ONEDNN
#include <dnnl.h>

// oneDNN brings the OpenMP runtime that it was linked with; asking weakly binds to that one, and to none
// where oneDNN was built without OpenMP.
extern "C" {
[[gnu::weak]] void omp_set_num_threads(int);
[[gnu::weak]] int omp_get_max_threads(void);
}
#endif

namespace fedloom {

namespace {

#ifdef FEDLOOM_HAVE_ONEDNN
// The OpenMP thread count is a property of each thread. It is one while oneDNN runs and then what it was,
// so that a caller who parallelises over clients is not affected.
class OneThread {
 public:
  OneThread() {
    if (omp_get_max_threads == nullptr) return;
    before_ = omp_get_max_threads();
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = 1;
};
#endif

void clear(const GemmCall& call) {
  for (std::size_t row = 0; row < call.m; ++row) std::fill_n(call.c + row * call.c_stride, call.n, 0.0F);
}

}  // namespace

namespace gemm_backend {

#ifdef FEDLOOM_HAVE_ONEDNN
bool has_onednn() { return true; }

void onednn(const GemmCall& call) {
  const OneThread one_thread;
  const auto extent = [](std::size_t value) { return static_cast<dnnl_dim_t>(value); };
  const dnnl_status_t status =
      dnnl_sgemm(call.a.transposed ? 'T' : 'N', call.b.transposed ? 'T' : 'N', extent(call.m), extent(call.n),
                 extent(call.k), 1.0F, call.a.data, extent(call.a.stride), call.b.data, extent(call.b.stride),
                 call.accumulate ? 1.0F : 0.0F, call.c, extent(call.c_stride));
  FEDLOOM_CHECK(status == dnnl_success, "oneDNN refused a {} x {} x {} product with status {}", call.m,
                call.n, call.k, static_cast<int>(status));
}
#else
bool has_onednn() { return false; }
void onednn(const GemmCall& call) {
  FEDLOOM_CHECK(false, "a {} x {} x {} product was given to oneDNN, which this build has not", call.m, call.n,
                call.k);
}
#endif

}  // namespace gemm_backend

void gemm(const GemmCall& call) {
  if (call.m == 0 || call.n == 0) return;
  if (call.k == 0) {
    if (!call.accumulate) clear(call);
  } else if (call.m <= kShortBatch && gemm_backend::dot_fits(call)) {
    gemm_backend::dot(call);
  } else if (std::min(call.m, call.k) <= kShortBatch && gemm_backend::outer_fits(call)) {
    gemm_backend::outer(call);
  } else if (gemm_backend::has_onednn()) {
    gemm_backend::onednn(call);
  } else {
    gemm_backend::eigen(call);
  }
}

}  // namespace fedloom
