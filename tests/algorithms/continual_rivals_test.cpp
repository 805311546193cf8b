// EWC, FedCurv, FLwF and GPM's biases through both real halves on a linear model with two inputs, against the
// same steps in double by hand.
//
//   logits W x,  p = softmax,   gradient of -log p(y):  (p - y) x^T,   one SGD step of rate 0.05 on all
//   examples
#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "models/task_heads.hpp"
#include "tests/support/stage_hand.hpp"

namespace fedloom::testing {
namespace {

using Weights = std::array<double, 4>;  // of W (2, 2), row by row

constexpr double kRate = 0.05;   // of StageHand's recipe
constexpr double kFloat = 2e-6;  // a few float operations on values below 10

struct Example {
  double x0, x1;
  std::int32_t label;
};
constexpr Example kFirst{1.0, 2.0, 0};
constexpr Example kSecond{-0.5, 1.0, 1};

Rows rows_of(const std::vector<Example>& examples) {
  Rows rows{2, {}, {}};
  for (const Example& e : examples) {
    rows.values.push_back(static_cast<float>(e.x0));
    rows.values.push_back(static_cast<float>(e.x1));
    rows.labels.push_back(e.label);
  }
  return rows;
}

std::array<double, 2> logits(const Weights& w, const Example& e) {
  return {w[0] * e.x0 + w[1] * e.x1, w[2] * e.x0 + w[3] * e.x1};
}

std::array<double, 2> softmax(const std::array<double, 2>& z, double temperature = 1.0) {
  const double p = 1.0 / (1.0 + std::exp((z[1] - z[0]) / temperature));
  return {p, 1.0 - p};
}

Weights outer(const std::array<double, 2>& by_logits, const Example& e) {
  return {by_logits[0] * e.x0, by_logits[0] * e.x1, by_logits[1] * e.x0, by_logits[1] * e.x1};
}

Weights gradient(const Weights& w, const Example& e) {
  auto p = softmax(logits(w, e));
  p[static_cast<std::size_t>(e.label)] -= 1.0;
  return outer(p, e);
}

/// a[i] + factor * b[i].
Weights plus(Weights a, double factor, const Weights& b) {
  for (std::size_t i = 0; i < 4; ++i) a[i] += factor * b[i];
  return a;
}
Weights times(Weights a, const Weights& b) {
  for (std::size_t i = 0; i < 4; ++i) a[i] *= b[i];
  return a;
}
Weights fisher(const Weights& w, const Example& e) { return times(gradient(w, e), gradient(w, e)); }

void expect_near(std::span<const float> found, const Weights& expected, const char* what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(found[i], expected[i], kFloat) << what << " " << i;
}

class Linear : public StageHand {
 public:
  Linear(const std::string& strategy, const std::string& settings)
      : StageHand(strategy, settings, written_model("[{dense: {bias: false}}]", DataSpec{{2}, 2, 0})) {
    set({0, 0, 0, 0});
  }
  void set(const Weights& w) {
    for (std::size_t i = 0; i < 4; ++i) state.model.values()[i] = static_cast<float>(w[i]);
  }
  std::span<const float> weights() const { return state.model.values(); }
  std::span<const float> slot(const char* name) const { return state.slots.at(name).data; }
};

// Client 0 has one example, client 1 three copies of the other: shares 1/4 and 3/4.
TEST(Ewc, RemembersTheFisherInformationOfEachStageAndPullsToItsModel) {
  constexpr double kLambda = 7.0;
  Linear hand("ewc", "{lambda: 7, decay: 0.5}");
  const std::vector<Rows> clients = {rows_of({kFirst}), rows_of({kSecond, kSecond, kSecond})};
  const auto mean = [](const Weights& a, const Weights& b) { return plus(plus({}, 0.25, a), 0.75, b); };
  const auto reported = hand.window(clients, 1, true);
  const Weights first = plus({}, -kRate, mean(gradient({}, kFirst), gradient({}, kSecond)));
  expect_near(hand.weights(), first, "the stage's first step is FedAvg");
  Weights p = mean(fisher(first, kFirst), fisher(first, kSecond));
  Weights q = times(p, first);
  expect_near(hand.slot("precision"), p, "P");
  expect_near(hand.slot("precision_mean"), q, "Q");
  EXPECT_NEAR(reported.at("fisher_trace"), p[0] + p[1] + p[2] + p[3], kFloat);

  const Weights elsewhere = {0.5, -0.25, 1.0, 0.75};
  hand.set(elsewhere);
  hand.window(clients, 2, true);
  Weights pull = times(p, elsewhere);
  for (std::size_t i = 0; i < 4; ++i) pull[i] -= q[i];
  const Weights step = plus(mean(gradient(elsewhere, kFirst), gradient(elsewhere, kSecond)), kLambda, pull);
  const Weights second = plus(elsewhere, -kRate, step);
  expect_near(hand.weights(), second, "g + lambda (P w - Q)");
  const Weights fresh = mean(fisher(second, kFirst), fisher(second, kSecond));
  expect_near(hand.slot("precision"), plus(fresh, 0.5, p), "decay P + F");
  expect_near(hand.slot("precision_mean"), plus(times(fresh, second), 0.5, q), "decay Q + F w");
}

// Labels drawn from the model's own outputs: both come up, and the mean
// of squares is that over draws, where the given label alone would give another value.
TEST(Ewc, DrawsLabelsFromTheModelWhereAsked) {
  Linear hand("ewc", "fisher: {labels: drawn}");
  const Example rare{0.3, 0.0, 0};  // small, so that 500 steps leave the model in doubt
  std::vector<Example> copies(4000, rare);
  hand.window({rows_of(copies)}, 1, true);
  const Weights w = {hand.weights()[0], hand.weights()[1], hand.weights()[2], hand.weights()[3]};
  const double p = softmax(logits(w, rare))[0];
  // E (p_0 - y_0)^2 over y ~ p is p (1 - p); each draw is (1 - p)^2 or p^2, so the mean of 4000 is within 5
  // standard errors of it, each sqrt(p (1 - p)) |1 - 2 p| / sqrt(4000).
  const double error = 5.0 * std::sqrt(p * (1.0 - p)) * std::abs(1.0 - 2.0 * p) / std::sqrt(4000.0);
  EXPECT_NEAR(static_cast<double>(hand.slot("precision")[0]) / 0.09, p * (1.0 - p), error);
  EXPECT_GT(std::abs(p * (1.0 - p) - (1.0 - p) * (1.0 - p)), 2.0 * error)
      << "or the given labels would do as well";
}

TEST(Ewc, LooksAtNoMoreExamplesThanAsked) {
  Linear all("ewc", "{}");
  Linear one("ewc", "fisher: {examples: 1}");
  const std::vector<Rows> clients = {rows_of({kFirst, kSecond})};
  all.window(clients, 1, true);
  one.window(clients, 1, true);
  const Weights w = {all.weights()[0], all.weights()[1], all.weights()[2], all.weights()[3]};
  expect_near(all.slot("precision"), plus(plus({}, 0.5, fisher(w, kFirst)), 0.5, fisher(w, kSecond)), "both");
  const bool is_first =
      std::abs(static_cast<double>(one.slot("precision")[0]) - fisher(w, kFirst)[0]) < kFloat;
  expect_near(one.slot("precision"), fisher(w, is_first ? kFirst : kSecond), "one of them");
}

TEST(FedCurv, PullsToWhatTheOthersHadAndNotToOnesOwn) {
  constexpr double kLambda = 3.0;
  Linear hand("fedcurv", "lambda: 3");
  const std::vector<Rows> clients = {rows_of({kFirst}), rows_of({kSecond})};
  const std::array<Example, 2> examples = {kFirst, kSecond};
  std::array<Weights, 2> u;
  std::array<Weights, 2> v;
  // What both clients do from `w`, with the sums of the latest round that counted.
  const auto round = [&](const Weights& w, bool pulled) {
    std::array<Weights, 2> local;
    for (std::size_t s = 0; s < 2; ++s) {
      Weights g = gradient(w, examples[s]);
      if (pulled)
        for (std::size_t i = 0; i < 4; ++i) g[i] += 2.0 * kLambda * (u[1 - s][i] * w[i] - v[1 - s][i]);
      local[s] = plus(w, -kRate, g);
    }
    for (std::size_t s = 0; s < 2; ++s) {
      u[s] = fisher(local[s], examples[s]);
      v[s] = times(u[s], local[s]);
    }
    return plus(plus({}, 0.5, local[0]), 0.5, local[1]);
  };
  hand.window(clients, 1, false);
  Weights expected = round({}, false);
  expect_near(hand.weights(), expected, "FedAvg while nothing is known");
  expect_near(hand.slot("curvature"), plus(u[0], 1.0, u[1]), "U");
  expect_near(hand.slot("curvature_mean"), plus(v[0], 1.0, v[1]), "V");
  hand.set({0.5, -0.25, 1.0, 0.75});
  hand.window(clients, 1, false);
  expected = round({0.5, -0.25, 1.0, 0.75}, true);
  expect_near(hand.weights(), expected, "g + 2 lambda ((U - U_s) w - (V - V_s))");
  // U and V stay those of round 2 when nothing comes of round 3, and clients know their part in them.
  hand.skip_window();
  hand.set({-1.0, 0.25, 0.5, 1.0});
  hand.window(clients, 1, false);
  expect_near(hand.weights(), round({-1.0, 0.25, 0.5, 1.0}, true), "after a round without updates");
}

// (1 - alpha) (p - y) + alpha T (q_student - q_teacher), the teacher being the model of the last stage's end.
TEST(Flwf, LearnsFromLabelsAndTeacher) {
  Linear hand("flwf", "{alpha: 0.25, temperature: 2}");
  hand.window({rows_of({kFirst})}, 1, true);
  const Weights teacher = plus({}, -kRate, gradient({}, kFirst));
  expect_near(hand.weights(), teacher, "without a teacher FedAvg");
  const Weights start = {0.5, -0.25, 1.0, 0.75};
  hand.set(start);
  hand.window({rows_of({kSecond})}, 2, false);
  const auto taught = softmax(logits(teacher, kSecond), 2.0);
  const auto learnt = softmax(logits(start, kSecond), 2.0);
  auto by_logits = softmax(logits(start, kSecond));
  by_logits[1] -= 1.0;
  for (std::size_t i = 0; i < 2; ++i)
    by_logits[i] = 0.75 * by_logits[i] + 0.25 * 2.0 * (learnt[i] - taught[i]);
  expect_near(hand.weights(), plus(start, -kRate, outer(by_logits, kSecond)), "the mixed step");
  // -0.75 log p_1 + 0.25 * 4 * KL(q_teacher || q_student).
  double divergence = 0.0;
  for (std::size_t i = 0; i < 2; ++i) divergence += taught[i] * std::log(taught[i] / learnt[i]);
  EXPECT_NEAR(hand.updates.at(0).second.loss_sum,
              -0.75 * std::log(softmax(logits(start, kSecond))[1]) + divergence, kFloat);
}

// Three stages of two classes with heads of their own: in the third the labels move its own head, and the
// teacher the two earlier heads, each with half of alpha and its outputs compared among themselves.
TEST(Flwf, AsksTheTeacherAboutEveryEarlierHead) {
  const std::shared_ptr<const Model> model = task_heads(
      written_model("[{dense: {bias: false}}]", DataSpec{{2}, 6, 0}), std::vector<std::int64_t>{2, 2, 2});
  StageHand hand("flwf", "{alpha: 0.5, temperature: 2}", model, true);
  const auto set = [&](std::size_t head, const Weights& w) {
    for (std::size_t i = 0; i < 4; ++i) hand.state.model.values()[4 * head + i] = static_cast<float>(w[i]);
  };
  const auto head = [&](std::size_t number) { return hand.state.model.values().subspan(4 * number, 4); };
  const std::array<Weights, 3> old = {{{0.5, 1.0, -1.0, 0.25}, {-0.75, 0.5, 0.25, 1.0}, {0, 0, 0, 0}}};
  for (std::size_t i = 0; i < 3; ++i) set(i, old[i]);
  // The end of stage 2 makes the teacher: after one step on head 1.
  const Example second{kSecond.x0, kSecond.x1, 3};
  hand.window({rows_of({second})}, 2, true);
  const Weights taught_1 = plus(old[1], -kRate, gradient(old[1], kSecond));
  expect_near(head(1), taught_1, "stage 2 trains its head, without a teacher");
  expect_near(head(0), old[0], "and no other");

  const std::array<Weights, 3> now = {
      {{0.25, 0.5, 1.0, -0.5}, {1.0, 0.25, -0.5, 0.75}, {0.125, -1.0, 0.5, 0.25}}};
  for (std::size_t i = 0; i < 3; ++i) set(i, now[i]);
  const Example third{kFirst.x0, kFirst.x1, 4};  // the first class of head 2
  hand.window({rows_of({third})}, 3, false);
  expect_near(head(2), plus(now[2], -kRate * 0.5, gradient(now[2], kFirst)), "labels, (1 - alpha)");
  const std::array<Weights, 2> teachers = {old[0], taught_1};
  for (std::size_t h = 0; h < 2; ++h) {
    const auto taught = softmax(logits(teachers[h], kFirst), 2.0);
    const auto learnt = softmax(logits(now[h], kFirst), 2.0);
    std::array<double, 2> by_logits{};
    for (std::size_t i = 0; i < 2; ++i) by_logits[i] = 0.5 * 0.5 * 2.0 * (learnt[i] - taught[i]);
    expect_near(head(h), plus(now[h], -kRate, outer(by_logits, kFirst)), "an earlier head, alpha T / 2");
  }
}

TEST(Gpm, FreezesBiasesAfterTheFirstStageButTheNewHeads) {
  const std::shared_ptr<const Model> model = task_heads(
      written_model("[{dense: 3}, relu, dense]", DataSpec{{2}, 4, 0}), std::vector<std::int64_t>{2, 2});
  StageHand hand("gpm", "{}", model, true);
  const auto copy = [&](const char* name) {
    const auto view = hand.state.model.view(model->layout()->at(name));
    return FloatBuffer(view.begin(), view.end());
  };
  hand.window({rows_of({kFirst, kSecond})}, 1, true);
  const FloatBuffer hidden = copy("fc1.bias");
  const FloatBuffer head = copy("fc2.bias");
  hand.window({rows_of({{1.0, -1.0, 2}, {0.5, 2.0, 2}})}, 2, false);
  EXPECT_EQ(copy("fc1.bias"), hidden);
  EXPECT_EQ(copy("fc2.bias")[0], head[0]) << "of the first stage's head";
  EXPECT_NE(copy("fc2.bias")[2], head[2]) << "of the head in training";
}

}  // namespace
}  // namespace fedloom::testing
