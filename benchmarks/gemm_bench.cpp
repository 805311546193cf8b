// Matrix products of the shapes that local training has, by each backend behind the gemm door and by the door
// itself: the door should never be far from the best. GFLOP/s are 2 x multiply-adds.
#include "models/gemm.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "core/tensor.hpp"

namespace fedloom {
namespace {

struct Product {
  const char* name;
  std::size_t m, n, k;
  bool a_transposed, b_transposed;
};

// Weights are stored (outputs, inputs): forward is NT, the input gradient NN, the weight gradient TN. A
// convolution's patches are (patch, positions): forward NN, weight gradient NT, patch gradient TN.
constexpr Product kProducts[] = {
    {"square", 512, 512, 512, false, false},
    {"softmax/forward/B10", 10, 10, 784, false, true},
    {"softmax/weights/B10", 10, 784, 10, true, false},
    {"2nn.fc1/forward/B10", 10, 200, 784, false, true},
    {"2nn.fc1/weights/B10", 200, 784, 10, true, false},
    {"2nn.fc2/forward/B10", 10, 200, 200, false, true},
    {"2nn.fc2/inputs/B10", 10, 200, 200, false, false},
    {"2nn.fc2/weights/B10", 200, 200, 10, true, false},
    {"2nn.fc3/forward/B10", 10, 10, 200, false, true},
    {"2nn.fc3/inputs/B10", 10, 200, 10, false, false},
    {"2nn.fc1/forward/B20", 20, 200, 784, false, true},
    {"2nn.fc1/forward/B32", 32, 200, 784, false, true},
    {"2nn.fc1/forward/B64", 64, 200, 784, false, true},
    {"cnn.conv1/forward", 32, 784, 25, false, false},
    {"cnn.conv1/weights", 32, 25, 784, false, true},
    {"cnn.conv2/forward", 64, 196, 800, false, false},
    {"cnn.conv2/weights", 64, 800, 196, false, true},
    {"cnn.conv2/patches", 800, 196, 64, true, false},
    {"cnn.fc1/forward/B10", 10, 512, 3136, false, true},
    {"cnn.fc1/inputs/B10", 10, 3136, 512, false, false},
    {"cnn.fc1/weights/B10", 512, 3136, 10, true, false},
    {"cnn.fc1/forward/B20", 20, 512, 3136, false, true},
    {"cnn.fc1/forward/B32", 32, 512, 3136, false, true},
    {"cnn.fc1/forward/B64", 64, 512, 3136, false, true},
    {"cnn.fc1/inputs/B32", 32, 3136, 512, false, false},
    {"cnn.fc1/weights/B32", 512, 3136, 32, true, false},
    {"cnn.fc2/forward/B10", 10, 10, 512, false, true},
    {"lenet.fc1/forward/B10", 10, 120, 400, false, true},
    {"lenet.fc1/inputs/B10", 10, 400, 120, false, false},
    {"lenet.fc1/weights/B10", 120, 400, 10, true, false},
    {"lenet.fc3/weights/B10", 10, 84, 10, true, false},
    {"vit.lora.A/forward", 2080, 4, 192, false, true},
    {"vit.lora.B/forward", 2080, 192, 4, false, true},
    {"vit.lora.A/weights", 4, 192, 2080, true, false},
    {"vit.lora.B/weights", 192, 4, 2080, true, false},
    {"vit.lora.A/inputs", 2080, 192, 4, false, false},
    {"vit.lora.B/inputs", 2080, 4, 192, false, false},
};

void product(benchmark::State& state, const Product& p, void (*backend)(const GemmCall&)) {
  Random random(1, Stream::init);
  FloatBuffer a(p.m * p.k);
  FloatBuffer b(p.k * p.n);
  FloatBuffer c(p.m * p.n);
  for (float& value : a) value = static_cast<float>(random.normal());
  for (float& value : b) value = static_cast<float>(random.normal());
  const GemmCall call{p.m,
                      p.n,
                      p.k,
                      {a.data(), p.a_transposed ? p.m : p.k, p.a_transposed},
                      {b.data(), p.b_transposed ? p.k : p.n, p.b_transposed},
                      c.data(),
                      p.n};
  for (auto _ : state) {
    backend(call);
    benchmark::ClobberMemory();
  }
  const double flops = 2.0 * static_cast<double>(p.m * p.n) * static_cast<double>(p.k);
  state.counters["GFLOP/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * flops * 1e-9, benchmark::Counter::kIsRate);
}

void register_products() {
  for (const Product& p : kProducts) {
    const auto add = [&](const std::string& backend, void (*run)(const GemmCall&)) {
      benchmark::RegisterBenchmark((std::string(p.name) + "/" + backend).c_str(), product, p, run)
          ->MinTime(0.1);
    };
    add("door", gemm);
    if (gemm_backend::has_onednn()) add("onednn", gemm_backend::onednn);
    add("eigen", gemm_backend::eigen);
    if (!p.a_transposed && p.b_transposed) add("dot", gemm_backend::dot);
    if (!p.b_transposed) add("outer", gemm_backend::outer);
  }
}

}  // namespace
}  // namespace fedloom

int main(int argc, char** argv) {
  fedloom::register_products();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
