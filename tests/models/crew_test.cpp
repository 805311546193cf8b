// A crew does every part once, hands errors on, and can be used again at once.
#include "models/crew.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace fedloom {
namespace {

TEST(Crew, DoesEveryPartOnceAndIsUsedAgain) {
  for (const std::size_t threads : {1U, 2U, 3U, 5U}) {
    Crew crew(threads);
    EXPECT_EQ(crew.threads(), threads);
    std::vector<std::atomic<int>> done(7);
    for (int round = 1; round <= 500; ++round) {
      const std::size_t parts = static_cast<std::size_t>(round) % 8;
      for (auto& count : done) count = 0;
      crew.run(parts, [&](std::size_t part) { ++done[part]; });
      for (std::size_t part = 0; part < done.size(); ++part)
        ASSERT_EQ(done[part], part < parts ? 1 : 0) << "round " << round << " of " << threads << " threads";
    }
  }
}

TEST(Crew, WhatTheThreadsWroteIsSeenByTheCaller) {
  Crew crew(3);
  std::vector<std::size_t> values(64);  // not atomic: run() is what orders the accesses
  for (std::size_t round = 0; round < 200; ++round) {
    crew.run(values.size(), [&](std::size_t i) { values[i] += i; });
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], (round + 1) * i);
  }
}

TEST(Crew, AnErrorInAPartReachesTheCallerAndTheRestIsDone) {
  Crew crew(2);
  std::atomic<int> done = 0;
  const auto fail_at_three = [&](std::size_t part) {
    if (part == 3) throw std::runtime_error("part 3");
    ++done;
  };
  EXPECT_THROW(crew.run(6, fail_at_three), std::runtime_error);
  EXPECT_EQ(done, 5);
  crew.run(6, [&](std::size_t) { ++done; });
  EXPECT_EQ(done, 11);
}

}  // namespace
}  // namespace fedloom
