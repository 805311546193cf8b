// When a deployed run is given up, by hand: one client whose work is of no use is asked again later and
// later, and only when all fail the run ends, with their words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/executor.hpp"
#include "tests/server/scripted_port.hpp"

namespace fedloom::testing {
namespace {

using ::testing::HasSubstr;

class DeployedHope : public ::testing::Test {
 protected:
  void begin(const std::string& pacer, const std::string& settings, std::uint64_t clients) {
    FederationSetup setup;
    setup.pacer_name = pacer;
    setup.pacer = settings;
    setup.clients = clients;
    setup.deployed = true;
    setup.config.windows = 0;
    setup.available = [this](ClientId client) { return !away_.contains(client); };
    federation_.emplace(*algorithm_.strategy, setup);
    federation_->coordinator->begin(0);
    pass(0);
  }
  /// Time goes on to `now`: what the coordinator asked to be called for happens.
  void pass(Tick now) {
    auto& calls = federation_->port.calls;
    while (!calls.empty() && std::get<Tick>(*calls.begin()) <= now) {
      const auto [when, what, window] = calls.extract(calls.begin()).value();
      federation_->coordinator->on_moment(when, what, window);
    }
  }
  void fail(Tick now, ClientId client, Reason reason = Reason::failed) {
    Update update;
    update.id = federation_->task_of(client);
    update.reason = reason;
    update.error = "no memory";
    federation_->report(now, update);
    pass(now);
  }
  std::size_t tasks_of(ClientId client) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        federation_->port.started, [client](const Task& task) { return task.id.client == client; }));
  }

  std::set<ClientId> away_;
  Algorithm algorithm_ = make_algorithm_of("fedavg");
  std::optional<Federation> federation_;
};

TEST_F(DeployedHope, AClientThatFailsIsAskedAgainLaterAndLater) {
  for (const char* pacer : {"fedasync", "fedbuff"}) {
    for (const Reason reason : {Reason::failed, Reason::not_finite}) {
      SCOPED_TRACE(pacer);
      begin(pacer, pacer == std::string("fedbuff") ? "{buffer: 2, concurrency: 2}" : "{concurrency: 2}", 2);
      Tick now = 5;
      std::size_t asked = 1;
      for (std::int64_t seconds = 1; asked < 100; seconds = std::min<std::int64_t>(300, 2 * seconds)) {
        ASSERT_EQ(tasks_of(0), asked);
        fail(now, 0, reason);
        pass(now + seconds * kSecond - 1);
        EXPECT_EQ(tasks_of(0), asked) << "it rests";
        now += seconds * kSecond;
        pass(now);
        ++asked;
      }
      EXPECT_EQ(tasks_of(1), 1U);
      federation_->finish(now, 1, 1.0F);  // and the others go on
      pass(now);
      EXPECT_EQ(tasks_of(1), 2U);
    }
  }
}

TEST_F(DeployedHope, WhenAllFailTheRunIsGivenUpInTheirWords) {
  begin("fedasync", "{concurrency: 0}", 3);
  std::string said;
  Tick now = 0;
  for (int i = 0; i < 8 && said.empty(); ++i, now += 300 * kSecond) {
    pass(now);
    try {
      for (const ClientId client : {0, 1, 2}) fail(now, client);
    } catch (const UserError& error) {
      said = error.what();
      EXPECT_EQ(i, 7);
    }
  }
  EXPECT_THAT(said, HasSubstr("24 updates of 3 clients"));
  EXPECT_THAT(said, HasSubstr("client 2 says: no memory"));
}

TEST_F(DeployedHope, RoundsOfOneClientAloneEndNoRun) {
  begin("sync", "{clients_per_round: 1, min_clients: 1}", 3);
  away_ = {0, 1, 2};
  // Whoever round 1 asked is the broken one; then nobody else is there.
  const ClientId broken = federation_->open_clients().front();
  away_.erase(broken);
  Tick now = 0;
  for (int round = 0; round < 20; ++round, now += 300 * kSecond) {
    pass(now);
    ASSERT_EQ(federation_->open_clients(), std::vector<ClientId>{broken});
    fail(now, broken, Reason::not_finite);
  }
  away_.clear();  // at the last moment of its rest
  federation_->coordinator->on_available(now - 1);
  EXPECT_NE(federation_->open_clients().front(), broken) << "it rests";
}

TEST_F(DeployedHope, RoundsInWhichAllFailEndIt) {
  begin("sync", "clients_per_round: 3", 3);
  std::string said;
  Tick now = 0;
  for (int round = 1; round <= 5; ++round, now += 300 * kSecond) {
    pass(now);
    try {
      for (const ClientId client : {0, 1, 2}) fail(now, client, Reason::not_finite);
    } catch (const UserError& error) {
      said = error.what();
      EXPECT_EQ(round, 5);
    }
  }
  EXPECT_THAT(said, HasSubstr("last 5 rounds was rejected"));
}

}  // namespace
}  // namespace fedloom::testing
