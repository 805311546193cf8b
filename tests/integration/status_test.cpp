// The live view of a real run: asked while it goes on, and gone with it.
#include <nlohmann/json.hpp>

#include "tests/integration/federation.hpp"
#include "tests/support/http_client.hpp"

namespace fedloom::testing {
namespace {

// Long enough to be asked several times; stopped by the test.
const Words kLong = set({"rounds=1000000", "evaluate.every=5"});

class StatusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    run_ = start(
        Words{"run", kSmallJob, "--status", "0", "--workers", "1", "--out", folder_ / "run", "--no-report"} +
        kLong);
    const std::string line = run_->wait_for_line("status page at ");
    ASSERT_NE(line, "") << run_->err();
    address_ = line.substr(line.find("http://"));
  }
  // The number of a line, -1 without it.
  double metric(const std::string& name) const {
    const std::string text = body_of(get(address_, "/metrics"));
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size() + 2));
  }

  TempFolder folder_;
  std::unique_ptr<Process> run_;
  std::string address_;
};

TEST_F(StatusTest, FollowsTheRun) {
  ASSERT_TRUE(eventually([&] { return metric("fedloom_rounds_total") > 10; }));
  const double before = metric("fedloom_rounds_total");
  EXPECT_TRUE(eventually([&] { return metric("fedloom_rounds_total") > before; }));
  EXPECT_EQ(metric("fedloom_running"), 1.0);
  EXPECT_GE(metric("fedloom_tasks_total{verdict=\"accepted\"}"), before * 10);
  EXPECT_EQ(metric("fedloom_peers_connected"), 1.0) << "its one worker";

  ASSERT_TRUE(eventually([&] { return get(address_, "/data.json").starts_with("HTTP/1.1 200"); }));
  const auto rounds = [&] {
    const auto data = nlohmann::json::parse(body_of(get(address_, "/data.json")));
    return data["runs"][0]["splits"]["test"]["round"].size();
  };
  const std::size_t points = rounds();
  EXPECT_TRUE(eventually([&] { return rounds() > points; }));

  const std::string page = get(address_, "/");
  EXPECT_NE(page.find("data-live=\"1\""), std::string::npos);
  EXPECT_NE(page.find("connect-src 'self'"), std::string::npos);
  EXPECT_TRUE(get(address_, "/etc/passwd").starts_with("HTTP/1.1 404"));

  run_->signal(SIGTERM);
  EXPECT_EQ(run_->wait().code, 130);
  EXPECT_EQ(get(address_, "/metrics"), "");
}

TEST(Status, AWrongPlaceIsSaidBeforeTheRun) {
  const TempFolder folder;
  for (const char* place : {"here", "127.0.0.1:", "127.0.0.1:99999", "nowhere.example:1"}) {
    const Ended ended = finish({"run", kSmallJob, "--status", place, "--out", folder / "run", "--no-report"});
    EXPECT_EQ(ended.code, 2) << place << ended.err;
  }
}

}  // namespace
}  // namespace fedloom::testing
