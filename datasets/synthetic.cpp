// Generation of one client's data from its key.
#include "datasets/synthetic.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "datasets/fast_normal.hpp"
#include "datasets/table_examples.hpp"

namespace fedloom {

namespace {

// Separate draws for one client, so that its size is known without its data and its test set without its
// training set.
enum class Draw : std::uint32_t { size = 0, model = 1, train = 2, validation = 3, test = 4 };
constexpr std::uint64_t kEveryone = ~std::uint64_t{0};  // the key of the shared model when iid

struct Model {
  std::vector<float> weights;  // (features, classes)
  std::vector<float> bias;     // (classes)
  std::vector<float> centre;   // (features)
};

class SyntheticData final : public FederatedData {
 public:
  SyntheticData(const SyntheticConfig& config, std::size_t clients, double validation, std::uint64_t seed)
      : config_(config),
        clients_(clients),
        validation_share_(validation),
        seed_(seed),
        spec_{{config.features}, config.classes, 0},
        deviations_(synthetic_deviations(config.features)) {
    if (config_.max_size < config_.min_size)
      throw user_error("data.source.max_size: found {}, below min_size {}", config_.max_size,
                       config_.min_size);
    validation_ = first_clients(Draw::validation);
    test_ = first_clients(Draw::test);
  }

  const DataSpec& spec() const override { return spec_; }
  std::size_t clients() const override { return clients_; }
  std::size_t example_count(std::size_t client) const override { return count(client, Draw::train); }
  ExampleView client(std::size_t client) const override { return make(client, Draw::train); }
  ExampleView client_test(std::size_t client) const override { return make(client, Draw::test); }
  const ExampleView& validation() const override { return validation_; }
  const ExampleView& test() const override { return test_; }
  std::size_t memory_bytes() const override {
    return validation_.examples->memory_bytes() + test_.examples->memory_bytes() +
           (validation_.size() + test_.size()) * 4;
  }

 private:
  Random random(std::uint64_t client, Draw draw) const {
    return Random(seed_, Stream::dataset, client, static_cast<std::uint32_t>(draw));
  }

  std::size_t count(std::size_t client, Draw part) const {
    FEDLOOM_CHECK(client < clients_, "client {} of {}", client, clients_);
    Random sizes = random(client, Draw::size);
    const double most = static_cast<double>(config_.max_size);
    const double drawn = std::min(most, std::floor(sizes.lognormal(config_.size_mu, config_.size_sigma)));
    const auto total =
        static_cast<std::size_t>(std::min(most, drawn + static_cast<double>(config_.min_size)));
    const auto kept =
        static_cast<std::size_t>((1.0 - config_.test_share) * static_cast<double>(total) + 1e-9);
    const auto training = std::max<std::size_t>(kept, 1);
    if (part == Draw::test) return total - training;
    const auto tuning = static_cast<std::size_t>(validation_share_ * static_cast<double>(training));
    return part == Draw::validation ? tuning : training - tuning;
  }

  Model model(std::size_t client) const {
    const auto d = static_cast<std::size_t>(config_.features);
    const auto c = static_cast<std::size_t>(config_.classes);
    Model model{std::vector<float>(d * c), std::vector<float>(c), std::vector<float>(d)};
    FastNormal normal(random(config_.iid ? kEveryone : client, Draw::model));
    const double u = config_.iid ? 0.0 : config_.alpha * normal();
    const double v = config_.iid ? 0.0 : config_.beta * normal();
    normal.fill(model.weights, u);
    normal.fill(model.bias, u);
    if (!config_.iid) normal.fill(model.centre, v);
    return model;
  }

  /// Appends `examples` examples of one part of one client.
  void append(std::size_t client, Draw part, std::size_t examples, FloatBuffer& features,
              std::vector<std::int32_t>& labels) const {
    const Model local = model(client);
    FastNormal normal(random(client, part));
    const std::size_t d = deviations_.size();
    const std::size_t start = features.size();
    features.resize(start + examples * d);
    for (std::size_t i = 0; i < examples; ++i) {
      const auto x = std::span(features).subspan(start + i * d, d);
      for (std::size_t j = 0; j < d; ++j)
        x[j] = local.centre[j] + deviations_[j] * static_cast<float>(normal());
      labels.push_back(linear_label(local.weights, local.bias, x));
    }
  }

  ExampleView make(std::size_t client, Draw part) const {
    FloatBuffer features;
    std::vector<std::int32_t> labels;
    append(client, part, count(client, part), features, labels);
    return whole(std::make_shared<TableExamples>(spec_, std::move(features), std::move(labels)));
  }

  ExampleView first_clients(Draw part) const {
    FloatBuffer features;
    std::vector<std::int32_t> labels;
    std::vector<std::uint32_t> owners;
    const auto most = static_cast<std::size_t>(config_.test_examples);
    const bool any = part == Draw::test ? config_.test_share > 0 : validation_share_ > 0;
    for (std::size_t k = 0; any && k < clients_ && labels.size() < most; ++k) {
      append(k, part, std::min(count(k, part), most - labels.size()), features, labels);
      owners.resize(labels.size(), static_cast<std::uint32_t>(k));
    }
    return whole(
        std::make_shared<TableExamples>(spec_, std::move(features), std::move(labels), std::move(owners)));
  }

  SyntheticConfig config_;
  std::size_t clients_;
  double validation_share_;
  std::uint64_t seed_;
  DataSpec spec_;
  std::vector<float> deviations_;
  ExampleView validation_;
  ExampleView test_;
};

}  // namespace

std::int32_t linear_label(std::span<const float> weights, std::span<const float> bias,
                          std::span<const float> x) {
  constexpr std::size_t kBlock = 64;
  const std::size_t classes = bias.size();
  std::int32_t best = 0;
  float best_score = -std::numeric_limits<float>::infinity();
  for (std::size_t first = 0; first < classes; first += kBlock) {
    float scores[kBlock];
    const std::size_t count = std::min(kBlock, classes - first);
    std::copy_n(bias.begin() + static_cast<std::ptrdiff_t>(first), count, scores);
    for (std::size_t j = 0; j < x.size(); ++j) {
      const float* row = weights.data() + j * classes + first;
      for (std::size_t c = 0; c < count; ++c) scores[c] += row[c] * x[j];
    }
    for (std::size_t c = 0; c < count; ++c) {
      if (scores[c] <= best_score) continue;
      best_score = scores[c];
      best = static_cast<std::int32_t>(first + c);
    }
  }
  return best;
}

std::vector<float> synthetic_deviations(std::int64_t features) {
  std::vector<float> deviations;
  for (std::int64_t j = 1; j <= features; ++j)
    deviations.push_back(static_cast<float>(std::pow(static_cast<double>(j), -0.6)));
  return deviations;
}

std::shared_ptr<const FederatedData> make_synthetic(const SyntheticConfig& config, std::size_t clients,
                                                    double validation, std::uint64_t seed) {
  return std::make_shared<SyntheticData>(config, clients, validation, seed);
}

}  // namespace fedloom
