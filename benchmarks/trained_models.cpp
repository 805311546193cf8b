// Each model's settings and arithmetic. Counts follow the layers in order; the first layer's input has no
// gradient, and what is frozen has none of its own.
#include "benchmarks/trained_models.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace fedloom::benchmarks {

namespace {

/// What training a linear map asks for beside its forward pass.
enum Gradients : unsigned { kNone = 0, kWeights = 1, kInput = 2, kBoth = 3 };

void add(Work& work, double multiply_adds, unsigned gradients = kBoth) {
  work.forward += multiply_adds;
  if ((gradients & kWeights) != 0) work.weight_gradients += multiply_adds;
  if ((gradients & kInput) != 0) work.input_gradients += multiply_adds;
}

/// Fully trained layers, given the multiply-adds of each.
Work layers(std::initializer_list<double> multiply_adds) {
  Work work;
  for (const double amount : multiply_adds) add(work, amount, work.forward > 0.0 ? kBoth : kWeights);
  return work;
}

/// A convolution to `side` x `side` maps.
double conv(double side, double inputs, double outputs, double kernel) {
  return side * side * inputs * outputs * kernel * kernel;
}

/// Three stages of three blocks; all but the first convolution have both gradients.
Work resnet20() {
  Work work = layers({conv(32, 3, 16, 3)});
  double side = 32;
  double maps = 16;
  for (int stage = 0; stage < 3; ++stage) {
    add(work, conv(side, stage == 0 ? 16 : maps / 2, maps, 3));
    for (int i = 0; i < 5; ++i) add(work, conv(side, maps, maps, 3));
    side /= 2;
    maps *= 2;
  }
  add(work, 64 * 10);
  return work;
}

/// Six blocks over 65 tokens of 192 features, three heads, LoRA of rank 4 on query and value, the head
/// trained. The last block computes the class token alone, since only that reaches the head.
Work vit_with_lora() {
  constexpr double T = 65;
  constexpr double D = 192;
  constexpr double kRank = 4;
  constexpr int kDepth = 6;
  Work work;
  add(work, 64 * 48 * D, kNone);
  for (int block = 0; block < kDepth; ++block) {
    const double asking = block + 1 == kDepth ? 1 : T;
    // Below the first block nothing is trained, so its input needs no gradient.
    const unsigned input = block > 0 ? kInput : kNone;
    add(work, asking * D * D, input);  // query
    add(work, 2 * T * D * D, input);   // key and value
    for (const double rows : {asking, T}) {
      add(work, rows * D * kRank, kWeights | input);
      add(work, rows * kRank * D, kBoth);
    }
    add(work, asking * T * D, kBoth);                         // scores: gradients of query and key
    if (block == 0) work.weight_gradients -= asking * T * D;  // the first key's is wanted by nobody
    add(work, asking * T * D, kBoth);                         // mixing: of weights and values
    add(work, asking * D * D, kInput);                        // projection
    add(work, asking * 2 * D * 4 * D, kInput);                // feed-forward
  }
  add(work, D * 10);
  return work;
}

struct Entry {
  const char* name;
  const char* registered;
  const char* settings;
  std::vector<std::int64_t> image;
  std::size_t parameters;
  std::size_t trainable;
  Work work;
  bool lora = false;
};

std::vector<Entry> entries() {
  const std::vector<std::int64_t> mnist{1, 28, 28};
  const std::vector<std::int64_t> cifar{3, 32, 32};
  return {
      {"softmax", "softmax", "{}", mnist, 7850, 7850, layers({784 * 10})},
      {"2nn", "2nn", "{}", mnist, 199210, 199210, layers({784 * 200, 200 * 200, 200 * 10})},
      {"mcnn", "cnn", "{}", mnist, 1663370, 1663370,
       layers({conv(28, 1, 32, 5), conv(14, 32, 64, 5), 3136 * 512, 512 * 10})},
      {"lenet5", "lenet5", "{}", mnist, 61706, 61706,
       layers({conv(28, 1, 6, 5), conv(10, 6, 16, 5), 400 * 120, 120 * 84, 84 * 10})},
      {"cifarcnn", "cifar_cnn", "{}", cifar, 62006, 62006,
       layers({conv(28, 3, 6, 5), conv(10, 6, 16, 5), 400 * 120, 120 * 84, 84 * 10})},
      {"vit_lora", "vit", "{patch: 4, dim: 192, depth: 6, heads: 3}", cifar, 2712010, 20362, vit_with_lora(),
       true},
      {"resnet20gn", "resnet", "{depth: 20, norm: group, groups: 8}", cifar, 269722, 269722, resnet20()},
  };
}

Adaptation rank_four() {
  return {.method = Adaptation::Method::lora,
          .targets = {"*.query", "*.value"},
          .train = {"head"},
          .rank = 4,
          .alpha = 4.0};
}

}  // namespace

std::vector<std::string> trained_model_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) names.emplace_back(entry.name);
  return names;
}

TrainedModel trained_model(const std::string& name) {
  const std::vector<Entry> all = entries();
  const auto entry = std::find_if(all.begin(), all.end(), [&](const Entry& e) { return e.name == name; });
  FEDLOOM_CHECK(entry != all.end(), "no model '{}' to train", name);
  TrainedModel made{.name = name, .data = {entry->image, 10, 0}, .work = entry->work};
  const ModelContext context(made.data, entry->lora ? rank_four() : Adaptation());
  made.model = ModelRegistry::instance()
                   .find(entry->registered, "model")
                   .make(ConfigNode::from_text(entry->settings, "train_step"), context);
  for (const Slice& slice : made.model->layout()->slices()) {
    made.parameters += slice.size;
    if (slice.role == Role::trained) made.trainable += slice.size;
  }
  FEDLOOM_CHECK(made.parameters == entry->parameters && made.trainable == entry->trainable,
                "{} has {} parameters, {} trained; PyTorch's has {} and {}", name, made.parameters,
                made.trainable, entry->parameters, entry->trainable);
  // The model also counts a few flops of normalisation, which are not in linear maps.
  constexpr double kTolerance = 0.01;
  const double counted = made.model->forward_flops();
  FEDLOOM_CHECK(std::abs(counted / (2.0 * made.work.forward) - 1.0) < kTolerance,
                "{} counts {} flops forward, here {}", name, counted, 2.0 * made.work.forward);
  return made;
}

}  // namespace fedloom::benchmarks
