// Reading, bounds, unknown keys, overrides and writing of visited structs.
#include "core/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace fedloom {
namespace {

using ::testing::HasSubstr;

struct Inner {
  double mu = 0.5;
  std::optional<std::int64_t> limit;
  template <class Visitor>
  void visit(Visitor& v) {
    v("mu", mu, "strength", at_least(0));
    v("limit", limit, "cap", at_least(1));
  }
};

struct Outer {
  std::int64_t rounds = 10;
  std::string mode = "fast";
  Duration deadline;
  std::vector<double> grid;
  ComponentSpec strategy{"fedavg"};
  Inner inner;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("comm_round", "rounds");
    v("rounds", rounds, "how many", at_least(1));
    v("mode", mode, "which", one_of({"fast", "slow"}));
    v("deadline", deadline, "when");
    v("grid", grid, "points");
    v("strategy", strategy, "rule");
    v("inner", inner, "nested");
  }
};

Outer parse(const std::string& text, ConfigNotes* notes = nullptr) {
  return read_config<Outer>(ConfigNode::from_text(text, "exp.yaml"), notes);
}

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Config, ReadsValuesUnitsListsAndComponents) {
  const Outer config = parse(
      "rounds: 3\nmode: slow\ndeadline: 250ms\ngrid: [1, 0.5]\n"
      "strategy: {name: fedprox, mu: 0.1}\ninner: {mu: 2, limit: 7}\n");
  EXPECT_EQ(config.rounds, 3);
  EXPECT_EQ(config.mode, "slow");
  EXPECT_EQ(config.deadline.nanoseconds, 250'000'000);
  EXPECT_EQ(config.grid, (std::vector<double>{1.0, 0.5}));
  EXPECT_EQ(config.strategy.name, "fedprox");
  EXPECT_EQ(config.strategy.settings.child("mu").text(), "0.1");
  EXPECT_EQ(config.inner.mu, 2.0);
  EXPECT_EQ(config.inner.limit, 7);
}

TEST(Config, AbsentKeysKeepDefaults) {
  const Outer config = parse("{}");
  EXPECT_EQ(config.rounds, 10);
  EXPECT_FALSE(config.inner.limit.has_value());
  EXPECT_EQ(config.strategy.name, "fedavg");
}

TEST(Config, UnknownKeyNamesPlaceAndNearest) {
  EXPECT_EQ(error_of("rounds: 2\nronds: 3\n"), "exp.yaml:2:8: ronds: unknown key; did you mean 'rounds'?");
  EXPECT_THAT(error_of("inner: {nu: 1}\n"), HasSubstr("inner.nu: unknown key; did you mean 'mu'?"));
}

TEST(Config, WrongTypesAndRangesAreRefused) {
  EXPECT_EQ(error_of("rounds: many\n"), "exp.yaml:1:9: rounds: expected a whole number, found 'many'");
  EXPECT_EQ(error_of("rounds: 0\n"), "exp.yaml:1:9: rounds: 0 is out of range; allowed: >= 1");
  EXPECT_THAT(error_of("rounds: 1.5\n"), HasSubstr("expected a whole number"));
  EXPECT_THAT(error_of("rounds: [1]\n"), HasSubstr("expected a single value"));
  EXPECT_THAT(error_of("inner: 3\n"), HasSubstr("expected a map of keys"));
  EXPECT_THAT(error_of("inner: {mu: nan}\n"), HasSubstr("expected a number"));
  EXPECT_THAT(error_of("mode: slwo\n"), HasSubstr("did you mean 'slow'?"));
  EXPECT_THAT(error_of("deadline: 5\n"), HasSubstr("with a unit such as 30s"));
  EXPECT_THAT(error_of("strategy: {mu: 1, nam: x}\n"), HasSubstr(""));
  EXPECT_THAT(error_of("rounds: 1\nrounds: 2\n"), HasSubstr("given twice"));
  EXPECT_THAT(error_of("a: [1\n"), HasSubstr("not valid YAML"));
}

TEST(Config, AliasesAreReadWithANote) {
  ConfigNotes notes;
  EXPECT_EQ(parse("comm_round: 4\n", &notes).rounds, 4);
  EXPECT_EQ(notes.lines, std::vector<std::string>{"exp.yaml:1:13: 'comm_round' is read as 'rounds'"});
  EXPECT_THAT(error_of("comm_round: 4\nrounds: 5\n"), HasSubstr("means the same as 'rounds'"));
}

TEST(Config, OverridesReachIntoScalarComponentsAndNewMaps) {
  const ConfigNode root = ConfigNode::from_text("strategy: fedprox\nrounds: 5\n", "exp.yaml")
                              .with_override("strategy.mu=0.25")
                              .with_override("inner.mu=3")
                              .with_override("rounds=7");
  const Outer config = read_config<Outer>(root);
  EXPECT_EQ(config.strategy.name, "fedprox");
  EXPECT_EQ(config.strategy.settings.child("mu").text(), "0.25");
  EXPECT_EQ(config.inner.mu, 3.0);
  EXPECT_EQ(config.rounds, 7);
}

TEST(Config, OverrideErrorsNameTheFlag) {
  const ConfigNode root = ConfigNode::from_text("rounds: 5\n", "exp.yaml");
  try {
    read_config<Outer>(root.with_override("rounds=-1"));
    FAIL() << "expected an error";
  } catch (const UserError& error) {
    EXPECT_EQ(std::string(error.what()), "--set rounds=-1: rounds: -1 is out of range; allowed: >= 1");
  }
  EXPECT_THROW(root.with_override("rounds"), UserError);
}

TEST(Config, WritingAndReadingBackIsTheSame) {
  Outer config = parse("rounds: 3\ngrid: [1, 0.5]\nstrategy: {name: fedprox, mu: 0.1}\ninner: {limit: 7}\n");
  const std::string written = write_config(config);
  EXPECT_EQ(write_config(parse(written)), written);
  EXPECT_THAT(written, HasSubstr("inner:\n  mu: 0.5\n  limit: 7\n"));
}

struct Steps {
  std::vector<StepSpec> steps;
  template <class Visitor>
  void visit(Visitor& v) {
    v("steps", steps, "what is done in turn");
  }
};

struct Table {
  std::vector<std::vector<double>> rows;
  template <class Visitor>
  void visit(Visitor& v) {
    v("rows", rows, "numbers by row", between(0, 1));
  }
};

TEST(Config, ListsOfListsKeepTheirRows) {
  const auto read = [](const std::string& text) {
    return read_config<Table>(ConfigNode::from_text(text, "exp.yaml"));
  };
  const Table table = read("rows: [[0.1, 0.9], [1], []]\n");
  EXPECT_EQ(table.rows, (std::vector<std::vector<double>>{{0.1, 0.9}, {1.0}, {}}));
  EXPECT_EQ(write_config(table), "rows: [[0.1, 0.9], [1], []]\n");
  EXPECT_THROW(read("rows: [[0.1, 2]]\n"), UserError);
  EXPECT_EQ(config_docs<Table>().at(0).type, "list of list of number");
}

TEST(Config, StepsAreNamesOrOneNameWithSettings) {
  const auto read = [](const std::string& text) {
    return read_config<Steps>(ConfigNode::from_text(text, "exp.yaml"));
  };
  const Steps config =
      read("steps:\n  - wash\n  - dry: 30\n  - fold: {twice: true, into: [a, 'b, c'], by: {hand: left}}\n");
  ASSERT_EQ(config.steps.size(), 3U);
  EXPECT_EQ(config.steps[0].name, "wash");
  EXPECT_FALSE(config.steps[0].settings.present());
  EXPECT_EQ(config.steps[1].settings.text(), "30");
  EXPECT_EQ(config.steps[1].settings.under("minutes").child("minutes").text(), "30");
  EXPECT_EQ(config.steps[1].where, "exp.yaml:3:5: steps[1]");
  const std::string written = write_config(config);
  EXPECT_EQ(written,
            "steps: [wash, {dry: 30}, {fold: {twice: true, into: [a, \"b, c\"], by: {hand: left}}}]\n");
  EXPECT_EQ(write_config(read(written)), written);
  EXPECT_THROW(read("steps: [{a: 1, b: 2}]"), UserError);
  EXPECT_THROW(read("steps: [[a]]"), UserError);
}

TEST(Config, DocsListEveryFieldOnce) {
  const std::vector<FieldDoc> docs = config_docs<Outer>();
  ASSERT_EQ(docs.size(), 7U);
  EXPECT_EQ(docs[5].name, "inner.mu");
  EXPECT_EQ(docs[5].bounds, ">= 0");
  EXPECT_EQ(docs[6].default_value, "(none)");
}

TEST(Config, NearestFindsTypingMistakesOnly) {
  const std::vector<std::string> words = {"fedavg", "fedprox"};
  EXPECT_EQ(nearest("fedporx", words), "fedprox");
  EXPECT_EQ(nearest("zzzzzzzzzz", words), "");
}

}  // namespace
}  // namespace fedloom
