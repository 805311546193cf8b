// Clipping of whole gradients, by hand.
#include "models/gradient_clip.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

// Two trained slices around a statistic and a local one, whose values must neither count nor change.
std::shared_ptr<const Layout> layout() {
  Layout::Builder slices;
  slices.add("a", {2});
  slices.add("s", {1}, Role::statistic);
  slices.add("l", {1}, Role::local);
  slices.add("b", {1});
  return slices.build();
}

std::vector<float> clipped(std::vector<float> gradient, double max_norm, double expected_norm) {
  EXPECT_DOUBLE_EQ(clip_gradient(trained_slices(*layout()), gradient, max_norm), expected_norm);
  return gradient;
}

TEST(GradientClip, ScalesALongGradientToTheNorm) {
  // |(2, 3, 6)| = 7, so to norm 3.5 everything is halved; PyTorch divides by norm + 1e-6.
  const std::vector<float> g = clipped({2.0F, 3.0F, 50.0F, 60.0F, 6.0F}, 3.5, 7.0);
  const double factor = 3.5 / (7.0 + 1e-6);
  EXPECT_FLOAT_EQ(g[0], static_cast<float>(2.0 * factor));
  EXPECT_FLOAT_EQ(g[1], static_cast<float>(3.0 * factor));
  EXPECT_FLOAT_EQ(g[4], static_cast<float>(6.0 * factor));
  EXPECT_EQ(g[2], 50.0F);
  EXPECT_EQ(g[3], 60.0F);
}

TEST(GradientClip, LeavesAShortGradientAlone) {
  const std::vector<float> g = {2.0F, 3.0F, 50.0F, 60.0F, 6.0F};
  EXPECT_EQ(clipped(g, 7.1, 7.0), g);
  const std::vector<float> zero(5, 0.0F);
  EXPECT_EQ(clipped(zero, 1e-3, 0.0), zero);
}

TEST(GradientClip, WhatIsNotFiniteStaysSo) {
  std::vector<float> g = {2.0F, std::numeric_limits<float>::infinity(), 0.0F, 0.0F, 1.0F};
  EXPECT_FALSE(std::isfinite(clip_gradient(trained_slices(*layout()), g, 1.0)));
  EXPECT_TRUE(std::isnan(g[1]));
  g = {2.0F, std::nanf(""), 0.0F, 0.0F, 1.0F};
  EXPECT_TRUE(std::isnan(clip_gradient(trained_slices(*layout()), g, 1.0)));
  EXPECT_TRUE(std::isnan(g[0]) && std::isnan(g[1]) && std::isnan(g[4]));
}

}  // namespace
}  // namespace fedloom
