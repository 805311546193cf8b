// What an algorithm promises with an empty privacy_gap, for every registered one: exchanging one example of a
// client moves what it sends by no more than two clipped gradients, or a client sends no more than the norm.
// The noise follows from the task and its start model, so it is the same on both sides and drops out of the
// difference.
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/conformance/direct_federation.hpp"
#include "tests/support/algorithms.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kClients = 3;
constexpr std::size_t kRows = 20;
constexpr double kClip = 0.5;
constexpr double kRate = 0.1;

class PrivacyConformance : public ::testing::TestWithParam<std::string> {
 protected:
  /// Rows of three clients; `loud`: the first of client 0 is a thousand times as large.
  std::string data(bool loud) const {
    Random random(1, Stream::dataset);
    std::string rows = "a,b,c,d,who,label\n";
    for (std::size_t i = 0; i < kClients * kRows; ++i) {
      const double scale = loud && i == 0 ? 1000.0 : 1.0;
      for (int k = 0; k < 4; ++k) rows += fmt::format("{},", scale * random.normal());
      rows += fmt::format("{},{}\n", i / kRows, i % 3);
    }
    return folder_.write(loud ? "loud.csv" : "plain.csv", rows);
  }
  std::string text(const std::string& file, const std::string& privacy) const {
    const std::string model =
        needs_lora(GetParam())
            ? "{name: mlp, hidden: [8]}\nadapter: {name: lora, targets: [fc1], rank: 2, train: [fc2]}"
            : "softmax";
    return fmt::format(
        "seed: 3\nrounds: 1\ndata: {{source: {{name: csv, train: {}, test_share: 0, client: who, label: "
        "label, "
        "classes: 3}}, partition: natural}}\nmodel: {}\nstrategy: {}\ntrain: {{steps: 1, batch_size: {}, lr: "
        "{}}}\n"
        "pacer: {{name: sync, clients_per_round: {}}}\nprivacy: {}\n",
        file, model, GetParam(), kClients * kRows, kRate, kClients, privacy);
  }
  /// All that client 0 sent in the first round, one after the other.
  static std::vector<float> sent(const std::string& experiment) {
    DirectFederation federation(experiment, std::make_shared<MemoryClientStore>());
    federation.run();
    std::vector<float> values;
    for (const Update& update : federation.answers)
      if (update.id.client == 0)
        for (const Payload& slot : update.slots)
          values.insert(values.end(), slot.values().begin(), slot.values().end());
    return values;
  }
  double moved(const std::string& privacy) const {
    const std::vector<float> plain = sent(text(data(false), privacy));
    const std::vector<float> loud = sent(text(data(true), privacy));
    EXPECT_EQ(plain.size(), loud.size());
    double square = 0.0;
    for (std::size_t i = 0; i < std::min(plain.size(), loud.size()); ++i)
      square += std::pow(static_cast<double>(plain[i]) - static_cast<double>(loud[i]), 2);
    return std::sqrt(square);
  }

  TempFolder folder_;
};

// Why one step shows nothing of the example; all others must.
const std::map<std::string, std::string> kSendNothing = {
    {"local_only", "it sends nothing"},
    {"fedsa_lora", "it sends the first factor, which does not move while the second is zero"},
};

// One step of rate lr over all n examples, divided by n: lr * 2 C / n at most.
TEST_P(PrivacyConformance, OneExampleMovesAnUpdateByTwoClippedGradients) {
  const auto algorithm = AlgorithmRegistry::instance().find(GetParam(), "strategy").make(ConfigNode());
  const std::string gap = algorithm.objective->privacy_gap(PrivacyUnit::example);
  if (!gap.empty()) GTEST_SKIP() << "refused with unit: example: " << gap;
  double bound = kRate * 2.0 * kClip / kRows;
  // SCAFFOLD sends its control too, which is the step over the rate.
  if (GetParam() == "scaffold") bound *= std::sqrt(1.0 + 1.0 / (kRate * kRate));
  EXPECT_LE(moved(fmt::format("{{unit: example, noise_multiplier: 1, clip_norm: {}}}", kClip)),
            bound * 1.001);
  // Or else the bound would mean nothing.
  const double without = moved("{unit: none}");
  if (kSendNothing.contains(GetParam()))
    EXPECT_EQ(without, 0.0);
  else
    EXPECT_GT(without, 2 * bound);
}

// Whatever a client holds, all it sends has the clipping norm at most. Noise of a billionth of it stands for
// none, which would be refused.
TEST_P(PrivacyConformance, OneClientSendsNoMoreThanTheNorm) {
  const auto algorithm = AlgorithmRegistry::instance().find(GetParam(), "strategy").make(ConfigNode());
  const std::string gap = algorithm.objective->privacy_gap(PrivacyUnit::client);
  if (!gap.empty()) GTEST_SKIP() << "refused with unit: client: " << gap;
  constexpr double kNorm = 0.01;
  const std::string loud = data(true);
  const std::string privacy =
      fmt::format("{{unit: client, noise: client, noise_multiplier: 1e-9, clip_norm: {}}}", kNorm);
  std::vector<float> clipped;
  try {
    clipped = sent(text(loud, privacy));
  } catch (const UserError& refusal) {
    GTEST_SKIP() << "refused: " << refusal.what();
  }
  const auto norm = [](const std::vector<float>& values) {
    double square = 0.0;
    for (const float value : values) square += static_cast<double>(value) * static_cast<double>(value);
    return std::sqrt(square);
  };
  EXPECT_NEAR(norm(clipped), kNorm, 1e-4 * kNorm) << "longer before, so just the norm after";
  EXPECT_GT(norm(sent(text(loud, "{unit: none}"))), 2 * kNorm);
}

INSTANTIATE_TEST_SUITE_P(Registry, PrivacyConformance,
                         ::testing::ValuesIn(AlgorithmRegistry::instance().names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace fedloom::testing
