// Bytes of the LoRA strategies as the coordinator charges them: the formulas of each method per client and
// round, adapters and heads apart, and what a client pays that has missed rounds.
#include <gtest/gtest.h>

#include "server/checkpoint.hpp"
#include "tests/server/scripted_port.hpp"
#include "tests/support/lora_hand.hpp"
#include "tests/support/vectors.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {
namespace {

/// A coordinator over a model with LoRA factors; clients answer with small random updates of the right size.
class LoraFederation {
 public:
  LoraFederation(const std::string& algorithm, const std::string& settings, const LoraShape& shape,
                 std::uint64_t clients, std::uint64_t per_round, std::uint64_t rounds,
                 std::optional<FederationState> state = {})
      : strategy_(make_algorithm_of(algorithm, settings).strategy) {
    setup_.clients = clients;
    setup_.pacer = fmt::format("clients_per_round: {}", per_round);
    setup_.config.windows = rounds;
    setup_.config.adapter_alpha = shape.alpha;
    setup_.config.evaluate_every = 0;
    if (!state) {
      state.emplace();
      state->server.model = ParameterVector(lora_layout(shape, shape.rank));
      Random random(1, Stream::init);
      for (float& value : state->server.model.values()) value = static_cast<float>(random.uniform(-1.0, 1.0));
    }
    version_ = state->server.version;
    federation.emplace(*strategy_, setup_, std::move(state));
  }

  void run() {
    Tick now = federation->coordinator->state().now;
    federation->coordinator->begin(now);
    for (std::size_t next = 0; next < federation->port.started.size(); ++next)
      federation->report(++now, answer(federation->port.started[next]));
    EXPECT_TRUE(federation->coordinator->ended());
  }
  const Strategy& strategy() const { return *strategy_; }
  const Layout& layout() const { return federation->coordinator->state().server.model.layout(); }
  std::size_t exchanged() const { return strategy_->exchanged(layout()).size(); }

  /// Floats of the task's update, which are what is charged for it.
  std::size_t floats_up(const LiveTask& given) const {
    Update update;
    update.reports.push_back(
        {"delta", federation->port.updates.at(given.task.id).slots.at(0).values().size()});
    EXPECT_EQ(given.work.bytes_up, deployed_size(update));
    return update.reports.back().size;
  }
  /// What brought the model to the client, beside the task itself and what the task carries.
  std::uint64_t model_bytes(const LiveTask& given) const {
    return given.work.bytes_down - deployed_size(given.task);
  }

  std::optional<Federation> federation;

 private:
  Update answer(const Task& task) const {
    const ServerState& state = federation->coordinator->state().server;
    const SlotSpec spec{"delta", strategy_->uploaded(state.model.layout(), task.recipe).size()};
    FloatBuffer values(strategy_->slot_size(state, spec, task));
    Random random(2, Stream::noise, task.id.client, task.id.number);
    for (float& value : values) value = static_cast<float>(random.uniform(-0.1, 0.1));
    return make_update(task.id, 10 + task.id.client, {{"delta", std::move(values)}});
  }

  std::unique_ptr<Strategy> strategy_;
  FederationSetup setup_;
  Version version_ = 0;
};

std::size_t floats_of(const Patch& patch) {
  std::size_t floats = 0;
  for (const Payload& part : patch.parts) floats += part.values().size();
  return floats;
}

// ---- per client and round ----

/// One block of a published setting; the whole model is `blocks` of them.
struct Setting {
  LoraShape block;
  std::size_t blocks;
  std::size_t clients;
  std::size_t first;   // floats of all A
  std::size_t second;  // of all B
};
// RoBERTa-large: query and value of 24 layers, 1024 x 1024. ViT-B/16: attn.proj 768 x 768 and mlp.fc2 768 x
// 3072 of 12 layers. A has r inputs a layer, B r outputs: 8 x 2 x 1024 x 24 = 393,216 of both; 16 x (768 +
// 3072) x 12 = 737,280 and 16 x (768 + 768) x 12 = 294,912.
const Setting kRoberta{
    {.layers = {{1024, 1024}, {1024, 1024}}, .rank = 8, .alpha = 8}, 24, 3, 393'216, 393'216};
const Setting kVit{{.layers = {{768, 768}, {768, 3072}}, .rank = 16, .alpha = 16}, 12, 6, 737'280, 294'912};

struct Costs {
  std::size_t up;
  std::size_t down;
};

/// Floats of the whole model that one client of the second round sends and receives, having been in the
/// first.
Costs second_round(const Setting& setting, const std::string& algorithm, const std::string& settings = "{}",
                   std::size_t head = 0) {
  LoraShape block = setting.block;
  block.head = static_cast<std::int64_t>(head);
  LoraFederation federation(algorithm, settings, block, setting.clients, setting.clients, 2);
  federation.run();
  const ScriptedPort& port = federation.federation->port;
  EXPECT_EQ(port.given.size(), 2 * setting.clients);
  const LiveTask& given = port.given.back();
  Costs costs{federation.floats_up(given), 0};
  if (federation.strategy().traits().patches_model) {
    EXPECT_EQ(federation.model_bytes(given), deployed_size(port.patches.front()));
    costs.down = floats_of(port.patches.front());
  } else {
    costs.down = federation.exchanged();
    EXPECT_EQ(federation.model_bytes(given), deployed_shared_size("model", costs.down));
  }
  // What is told to the world is what was charged: all tasks alike.
  const auto closed = port.all<WindowClosed>().back();
  EXPECT_EQ(closed.bytes_up, setting.clients * given.work.bytes_up);
  EXPECT_EQ(closed.bytes_down, setting.clients * (given.work.bytes_down + deployed_verdict_size()));
  return {(costs.up - head) * setting.blocks + head, (costs.down - head) * setting.blocks + head};
}

void expect_costs(const Setting& setting, const std::string& algorithm, std::size_t up, std::size_t down,
                  const std::string& settings = "{}") {
  SCOPED_TRACE(algorithm);
  const Costs adapters = second_round(setting, algorithm, settings);
  EXPECT_EQ(adapters.up, up);
  EXPECT_EQ(adapters.down, down);
}

class LoraCosts : public ::testing::TestWithParam<const Setting*> {};

TEST_P(LoraCosts, AreTheFormulasOfEachMethod) {
  const Setting& s = *GetParam();
  const std::size_t both = s.first + s.second;
  expect_costs(s, "fedit", both, both);
  expect_costs(s, "flexlora", both, both);
  expect_costs(s, "hetlora", both, both);
  expect_costs(s, "lora_fair", both, both, "steps: 1");
  expect_costs(s, "ffa_lora", s.second, s.second);
  expect_costs(s, "fedsvd", s.second, both);
  expect_costs(s, "fedsa_lora", s.first, s.first);
  // Round 2 trains A, and what comes down is the B of round 1.
  expect_costs(s, "rolora", s.first, s.second);
  expect_costs(s, "flora", both, s.clients * both);
  expect_costs(s, "fedex_lora", both, s.clients * both);  // the averages, and a residual of rank (K - 1) r
  expect_costs(s, "fedex_lora", both, 2 * both, fmt::format("truncate: {}", s.block.rank));
}

INSTANTIATE_TEST_SUITE_P(Settings, LoraCosts, ::testing::Values(&kRoberta, &kVit),
                         [](const auto& instance) { return instance.param == &kVit ? "Vit" : "Roberta"; });

// The same figures as they were worked out apart from this code.
TEST(LoraCosts, AreThoseOfTheVectors) {
  const auto vectors = read_vectors("lora.json");
  if (!vectors) GTEST_SKIP() << "lora.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
  const auto& tables = vectors->at("communication_params_per_client_per_round");
  Setting eighteen = kVit;
  eighteen.clients = 18;
  const std::map<std::string, Setting> published{{"roberta_large_qv_r8_K3", kRoberta},
                                                 {"vit_b16_attnproj_fc2_r16_K6", kVit},
                                                 {"vit_b16_attnproj_fc2_r16_K18", eighteen}};
  for (const auto& entry : published) {
    const auto& name = entry.first;
    const Setting& setting = entry.second;
    SCOPED_TRACE(name);
    const auto& table = tables.at(name);
    EXPECT_EQ(setting.first, table.at("A"));
    EXPECT_EQ(setting.second, table.at("B"));
    const auto expect = [&](const std::string& algorithm, const char* up, const char* down,
                            const std::string& settings = "{}") {
      expect_costs(setting, algorithm, table.at(up), table.at(down), settings);
    };
    expect("fedit", "fedit_up", "fedit_down");
    expect("ffa_lora", "ffa_up", "ffa_down");
    expect("fedsa_lora", "fedsa_up", "fedsa_down");
    expect("rolora", "rolora_up_A_round", "rolora_up_B_round");
    expect("flexlora", "flexlora_up", "flexlora_down");
    expect("hetlora", "hetlora_up", "hetlora_down");
    expect("lora_fair", "lora_fair_up", "lora_fair_down", "steps: 1");
    expect("flora", "flora_up", "flora_down_stacked");
    expect("fedex_lora", "fedex_up", "fedex_down_rank_(K-1)r");
  }
  const std::size_t head = tables.at("vit_b_head_100_classes");
  const Costs with = second_round(kVit, "fedit", "{}", head);
  EXPECT_EQ(with.up, kVit.first + kVit.second + head);
  EXPECT_EQ(with.down, kVit.first + kVit.second + head);
}

TEST(LoraCosts, OneFactorIsHalfOfBothWhereLayersAreSquare) {
  EXPECT_EQ(2 * second_round(kRoberta, "ffa_lora").up, second_round(kRoberta, "fedit").up);
  EXPECT_EQ(2 * second_round(kRoberta, "ffa_lora").down, second_round(kRoberta, "fedit").down);
  EXPECT_NE(2 * second_round(kVit, "ffa_lora").up, second_round(kVit, "fedit").up);
}

// A head that is averaged travels beside the adapter, both ways; a local one never.
TEST(LoraCosts, HeadsAreExtraWhereTheyAreAveraged) {
  for (const char* algorithm : {"fedit", "ffa_lora", "fedsvd", "fedsa_lora", "rolora", "flora", "fedex_lora",
                                "flexlora", "hetlora", "lora_fair"})
    for (const char* head : {"averaged", "local"}) {
      SCOPED_TRACE(std::string(algorithm) + " " + head);
      const std::string more = std::string(algorithm) == "lora_fair" ? ", steps: 1" : "";
      const LoraShape small{.layers = {{30, 20}}, .rank = 1, .alpha = 1};
      const Setting setting{small, 1, 3, 20, 30};
      const Costs without = second_round(setting, algorithm, more.empty() ? "{}" : "{steps: 1}");
      const Costs with = second_round(setting, algorithm, fmt::format("{{head: {}{}}}", head, more), 7);
      const std::size_t extra = std::string(head) == "averaged" ? 7 : 0;
      EXPECT_EQ(with.up, without.up + extra);
      EXPECT_EQ(with.down, without.down + extra);
    }
}

// Ranks 1, 2, 4 of 4: up go r_k (O + I) floats. FLoRA's stacks are of rank 1 + 2 + 4; the others send every
// client factors of its own rank, those below the server's with the task.
TEST(LoraCosts, FollowTheRankOfEachClient) {
  const LoraShape shape{.layers = {{30, 20}}, .rank = 4, .alpha = 4};
  for (const char* algorithm : {"fedit", "flora", "flexlora", "hetlora"}) {
    SCOPED_TRACE(algorithm);
    LoraFederation federation(algorithm, "ranks: [1, 2, 4]", shape, 3, 3, 2);
    federation.run();
    const ScriptedPort& port = federation.federation->port;
    ASSERT_EQ(port.given.size(), 6U);
    for (std::size_t i = 3; i < 6; ++i) {
      const LiveTask& given = port.given[i];
      const std::size_t rank = std::size_t{1} << given.task.id.client;
      EXPECT_EQ(federation.floats_up(given), rank * 50);
      if (std::string(algorithm) == "flora") {
        EXPECT_EQ(floats_of(port.patches.front()), 7U * 50U);
        EXPECT_EQ(federation.model_bytes(given), deployed_size(port.patches.front()));
      } else if (rank < 4) {
        EXPECT_EQ(given.task.extra("model")->values().size(), rank * 50);
        EXPECT_EQ(federation.model_bytes(given), 0U);
      } else {
        EXPECT_EQ(federation.model_bytes(given), deployed_shared_size("model", rank * 50));
      }
    }
  }
}

// ---- rounds that were missed ----

/// What bringing a client from one version to another costs: the patches between them, unless those together
/// are no smaller than the model.
std::uint64_t catching_up(const std::vector<Patch>& patches, Version from, Version to, std::uint64_t whole) {
  std::uint64_t bytes = 0;
  for (const Patch& patch : patches)
    if (patch.from >= from && patch.from < to) bytes += deployed_size(patch);
  return std::min(bytes, whole);
}

class MissedRounds : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr std::uint64_t kRounds = 14;
  LoraFederation federation(std::optional<FederationState> state = {}) const {
    return {GetParam(),      "{}", {.layers = {{40, 40}, {30, 50}}, .rank = 1, .alpha = 1}, 8, 3, kRounds,
            std::move(state)};
  }
};

TEST_P(MissedRounds, CostTheirPatchesOrTheModelWhicheverIsSmaller) {
  LoraFederation run = federation();
  run.run();
  const ScriptedPort& port = run.federation->port;
  const std::uint64_t whole = deployed_shared_size("model", run.exchanged());
  std::map<ClientId, Version> held;
  std::set<std::string> seen;
  for (const LiveTask& given : port.given) {
    const Version from = held[given.task.id.client];
    EXPECT_EQ(run.model_bytes(given), catching_up(port.patches, from, given.task.version, whole))
        << given.task.id.client << " from " << from << " to " << given.task.version;
    held[given.task.id.client] = given.task.version;
    if (run.model_bytes(given) == whole)
      seen.insert("whole");
    else if (given.task.version > from + 1)
      seen.insert("several");
    else if (given.task.version > from)
      seen.insert("one");
  }
  EXPECT_TRUE(seen.contains("one"));
  EXPECT_TRUE(seen.contains("whole"));
  EXPECT_EQ(seen.contains("several"), GetParam() != "rolora")
      << "two factors are the whole of RoLoRA's model";
}

TEST_P(MissedRounds, CostTheSameAfterAResume) {
  LoraFederation whole = federation();
  whole.run();
  const std::vector<LiveTask>& expected = whole.federation->port.given;
  for (const std::size_t cut : {1U, 4U, 9U}) {
    Checkpoint checkpoint;
    checkpoint.state = whole.federation->port.boundaries.at(cut - 1);
    const auto layout = std::make_shared<const Layout>(whole.layout());
    Checkpoint read = checkpoint_from_bytes(checkpoint_to_bytes(checkpoint), layout, "memory");
    LoraFederation rest = federation(std::move(read.state));
    rest.run();
    const std::vector<LiveTask>& given = rest.federation->port.given;
    ASSERT_EQ(given.size() + 3 * cut, expected.size());
    for (std::size_t i = 0; i < given.size(); ++i) {
      EXPECT_EQ(given[i].task.id, expected[3 * cut + i].task.id);
      EXPECT_EQ(given[i].work.bytes_down, expected[3 * cut + i].work.bytes_down) << "cut after " << cut;
      EXPECT_EQ(given[i].work.bytes_up, expected[3 * cut + i].work.bytes_up);
    }
    EXPECT_EQ(rest.federation->coordinator->state().totals.bytes_down,
              whole.federation->coordinator->state().totals.bytes_down);
  }
}

INSTANTIATE_TEST_SUITE_P(ByPatches, MissedRounds, ::testing::Values("rolora", "flora", "fedex_lora"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace fedloom::testing
