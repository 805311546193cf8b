// The report and the live page of a server in a real browser: the charts are drawn, nothing complains, and a
// page that stays open draws itself anew. `make test-browser` gets a browser where there is none.
#include "tests/support/browser.hpp"
#include "tests/integration/federation.hpp"
#include "tests/support/http_client.hpp"

namespace fedloom::testing {
namespace {

// What the expressions below speak of.
const char* const kWords = R"js(
  const visible = () => [...document.querySelectorAll("canvas")].filter((canvas) => canvas.offsetParent !== null);
  // Axes and text are grey: a pixel in the colour of a line or a bar is of its data.
  const holdsData = (canvas) => {
    const colors = style("--series").split(" ").map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const is = (at, color) => pixels[at + 3] > 120 && color.every((part, i) => Math.abs(part - pixels[at + i]) < 4);
    for (let at = 0; at < pixels.length; at += 4)
      if (colors.some((color) => is(at, color))) return true;
    return false;
  };
  const empty = () => visible().filter((canvas) => !holdsData(canvas)).map((canvas) => canvas.id);
  const cardOf = (name) => [...document.querySelectorAll(".card")].find((card) => card.firstChild.textContent === name);
  // A dash until the first round has ended.
  const rounds = () => Number(cardOf("rounds").querySelector(".value").textContent.replaceAll(",", "")) || 0;
  const shown = () =>
      [...document.querySelectorAll("main > section")].filter((section) => !section.hidden).map(({id}) => id);
  const picture = () => byId("accuracy").toDataURL();
  const settings = () => byId("settings-body").textContent;
  const cards = (holds) => new Promise((done) => {
    const look = () => holds() && done(true);
    new MutationObserver(look).observe(byId("cards"), {childList: true});
    look();
  });
  const lamp = (state) => new Promise((done) => {
    const look = () => byId("live").dataset.state === state && done(true);
    new MutationObserver(look).observe(byId("live"), {attributes: true});
    look();
  });
  const opened = {rounds: rounds(), picture: picture(), settings: settings()};
)js";

using Names = std::vector<std::string>;

class BrowserTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string program = browser_program();
    if (program.empty()) GTEST_SKIP() << "no Chromium on PATH; make test-browser installs it";
    browser_ = std::make_unique<Browser>(program);
  }
  void open(const std::string& address) {
    browser_->open(address);
    browser_->value(kWords);
  }
  void open_report() {
    (void)run_job(folder_ / "run", {});
    const Ended ended = finish({"report", folder_ / "run", "--out", folder_ / "report.html"});
    ASSERT_EQ(ended.code, 0) << ended.err;
    open("file://" + (folder_ / "report.html"));
  }

  TempFolder folder_;
  std::unique_ptr<Browser> browser_;
};

TEST_F(BrowserTest, TheReportIsDrawn) {
  open_report();
  EXPECT_EQ(browser_->value("rounds()"), 20);
  EXPECT_GE(browser_->value("visible().length"), 4);
  EXPECT_EQ(browser_->value("empty()").get<Names>(), Names{});
  EXPECT_EQ(browser_->value("byId('live').hidden"), true);
  EXPECT_EQ(browser_->complaints(), Names{});
}

// What a run has to show comes bit by bit, and the page that shows it stays open.
TEST_F(BrowserTest, SectionsComeWithTheirData) {
  open_report();
  const auto sections = browser_->value("shown()").get<Names>();
  browser_->value(R"js(
    const whole = JSON.stringify(data);
    Object.assign(data, {timeline: null, settings: []});
    Object.assign(data.runs[0], {splits: {}, reported: {}, partition: null, figures: {}});
    drawEverything())js");
  EXPECT_EQ(browser_->value("shown()").get<Names>(), (Names{"notes", "cards", "results"}));
  browser_->value("Object.assign(data, JSON.parse(whole)); drawEverything()");
  EXPECT_EQ(browser_->value("shown()").get<Names>(), sections);
  EXPECT_EQ(browser_->value("empty()").get<Names>(), Names{});
  EXPECT_EQ(browser_->value("settings()"), browser_->value("opened.settings"));
  EXPECT_EQ(browser_->complaints(), Names{});
}

// One page, opened once: what it shows later it has fetched by itself.
TEST_F(BrowserTest, TheStatusPageFollowsTheServer) {
  DeployedFederation federation(folder_, 2, set({"rounds=1000000", "evaluate.every=5"}));
  federation.start_server("tcp://127.0.0.1:0", {"--status", "0"});
  const std::string line = federation.server().wait_for_line("status page at ");
  ASSERT_NE(line, "") << federation.server().err();
  const std::string address = line.substr(line.find("http://"));
  federation.start_clients();
  ASSERT_TRUE(eventually([&] { return get(address, "/data.json").starts_with("HTTP/1.1 200"); }));

  open(address);
  EXPECT_EQ(browser_->value("cards(() => rounds() > opened.rounds)"), true);
  EXPECT_EQ(browser_->value("cards(() => empty().length === 0)"), true);
  EXPECT_NE(browser_->value("picture()"), browser_->value("opened.picture"));
  EXPECT_EQ(browser_->value("settings()"), browser_->value("opened.settings"));
  // Traffic is not known before the first round has ended.
  browser_->value("delete data.runs[0].train.up; drawEverything()");
  EXPECT_EQ(browser_->complaints(), Names{});
  // With the next look all is there again.
  EXPECT_EQ(browser_->value("cards(() => empty().length === 0)"), true);

  federation.server().signal(SIGTERM);
  EXPECT_EQ(federation.server().wait().code, 130);
  EXPECT_EQ(browser_->value("lamp('off')"), true);
  EXPECT_EQ(browser_->value("empty()").get<Names>(), Names{}) << "what was last heard stays";
}

}  // namespace
}  // namespace fedloom::testing
