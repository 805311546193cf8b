// Tables: quoting, headers, column roles, and errors with their places.
#include "datasets/csv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

CsvTable read(const std::string& text, const CsvOptions& options = {}, const std::string& name = "t.csv") {
  ByteSource source = ByteSource::over(samples::view(text), name);
  return read_csv(source, options);
}

std::string refusal(const std::string& text, const CsvOptions& options = {}) {
  return error_of([&] { read(text, options); });
}

TEST(Csv, ReadsNumbersAndTheLastColumn) {
  const CsvTable table = read("1, 2.5,0\n-3e2,+4,2\n");
  EXPECT_EQ(table.width, 2U);
  EXPECT_THAT(table.features, ElementsAre(1, 2.5F, -300, 4));
  EXPECT_THAT(table.labels, ElementsAre(0, 2));
  EXPECT_EQ(table.classes, 3);
  EXPECT_THAT(table.feature_names, IsEmpty());
}

TEST(Csv, FindsColumnsByNameOrNumber) {
  const std::string text = "user,kind,a,b\nann,1,5,6\nbob,0,7,8\nann,1,9,10\n";
  for (const auto& [label, client] : {std::pair{"kind", "user"}, std::pair{"1", "0"}}) {
    CsvOptions options;
    options.label = label;
    options.client = client;
    const CsvTable table = read(text, options);
    EXPECT_THAT(table.feature_names, ElementsAre("a", "b"));
    EXPECT_THAT(table.features, ElementsAre(5, 6, 7, 8, 9, 10));
    EXPECT_THAT(table.labels, ElementsAre(1, 0, 1));
    EXPECT_THAT(table.groups, ElementsAre(0U, 1U, 0U));
    EXPECT_THAT(table.group_names, ElementsAre("ann", "bob"));
    EXPECT_EQ(to_examples(table)->group(1), 1U);
  }
}

TEST(Csv, UnderstandsQuotesLineEndsAndBlankLines) {
  const CsvTable table =
      read("\xEF\xBB\xBF\"x \"\"1\"\"\",\"y\nz\",label\r\n\r\n\"1\",2,\"no, \"\"never\"\"\"\r\n3,4,yes");
  EXPECT_THAT(table.feature_names, ElementsAre("x \"1\"", "y\nz"));
  EXPECT_THAT(table.features, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(table.label_names, ElementsAre("no, \"never\"", "yes"));
  EXPECT_THAT(table.labels, ElementsAre(0, 1));
}

TEST(Csv, TabsByNameAndDelimitersByChoice) {
  EXPECT_EQ(read("1\t2\t0\n", {}, "t.tsv.gz").width, 2U);
  CsvOptions options;
  options.delimiter = ';';
  EXPECT_EQ(read("1;2;0\n", options).width, 2U);
}

TEST(Csv, HeaderCanBeForced) {
  CsvOptions options;
  options.header = "yes";
  EXPECT_EQ(read("1,2,0\n3,4,1\n", options).rows(), 1U);
  options.header = "no";
  EXPECT_THAT(refusal("a,b,c\n3,4,1\n", options),
              StartsWith("t.csv:1:1: expected a finite number, found 'a'"));
}

TEST(Csv, ErrorsNameThePlace) {
  EXPECT_THAT(refusal("1,2,0\n1,x,0\n"), StartsWith("t.csv:2:3: expected a finite number, found 'x'"));
  EXPECT_THAT(refusal("1,2,0\n1,,0\n"), StartsWith("t.csv:2:3: expected a finite number, found ''"));
  EXPECT_THAT(refusal("1,2,0\n1,nan,0\n"), StartsWith("t.csv:2:3: expected a finite number"));
  EXPECT_THAT(refusal("1,2,0\n1,1e99,0\n"), StartsWith("t.csv:2:3: expected a finite number"));
  EXPECT_THAT(refusal("1,2,0\n1,2\n"),
              StartsWith("t.csv:2:3: 2 fields in this line where the first line has 3"));
  EXPECT_THAT(refusal("1,2,0\n1,2,0,5\n"), StartsWith("t.csv:2:7: 4 fields"));
  EXPECT_THAT(refusal("1,2,0\n1,\"2,0\n"),
              StartsWith("t.csv:2:3: the quote that opens here is never closed"));
  EXPECT_THAT(refusal("1,2,0\n1,\"2\"x,0\n"), StartsWith("t.csv:2:6: text after the closing quote"));
  EXPECT_THAT(refusal("\"a\nb\",b,c\n1,2,0\n1,zz,0\n"), StartsWith("t.csv:4:3: "));
  // A slip in the first line is no header.
  EXPECT_THAT(refusal("1,x,0\n1,2,0\n"), StartsWith("t.csv:1:3: found 'x' among numbers"));
  EXPECT_THAT(refusal(""), StartsWith("t.csv: is empty"));
  EXPECT_THAT(refusal("a,b,c\n"), StartsWith("t.csv: holds no rows"));
  EXPECT_THAT(refusal("1\n2\n"), HasSubstr("found 1 column(s)"));
  EXPECT_THAT(refusal(std::string("1,2\0,0\n", 7)), HasSubstr("zero bytes"));
}

TEST(Csv, LabelsOutOfRangeAreRefused) {
  CsvOptions options;
  options.classes = 3;
  EXPECT_THAT(refusal("1,0\n2,3\n", options),
              StartsWith("t.csv:2:3: the label '3' is not a whole number in 0..2"));
  EXPECT_THAT(refusal("1,0\n2,cat\n", options), StartsWith("t.csv:2:3: the label 'cat'"));
  EXPECT_THAT(refusal("1,0\n2,99999999\n"), StartsWith("t.csv:2:3: the label '99999999'"));
  EXPECT_EQ(read("1,0\n2,1\n", options).classes, 3);
  EXPECT_THAT(refusal("1,a\n2,\n"), StartsWith("t.csv:2:3: the label '' is not one of"));
}

TEST(Csv, TestRowsUseTheNamesOfTraining) {
  const std::string text = "1,b\n2,a\n";
  ByteSource source = ByteSource::over(samples::view(text), "t.csv");
  EXPECT_THAT(read_csv(source, {}, {"b", "c", "a"}).labels, ElementsAre(0, 2));
  ByteSource again = ByteSource::over(samples::view(text), "t.csv");
  EXPECT_THAT(error_of([&] {
                read_csv(again, {}, {"a", "c"});
              }),
              StartsWith("t.csv:1:3: the label 'b' is not one of"));
}

TEST(Csv, UnknownColumnsGetAGuess) {
  CsvOptions options;
  options.label = "knd";
  EXPECT_THAT(refusal("kind,a\n1,2\n", options), HasSubstr("no column 'knd' (did you mean 'kind'?)"));
  options.label = "5";
  EXPECT_THAT(refusal("1,2\n", options), HasSubstr("no column '5'; there are 2 columns, numbered from 0"));
  options.label = "0";
  options.client = "0";
  EXPECT_THAT(refusal("1,2,3\n", options), HasSubstr("both the label and the client"));
}

TEST(Csv, DamageIsRefusedOrHarmless) {
  const std::string good = "a,b,kind\n1,2,\"x\"\n3,4,\"y, z\"\n5,6,x\n";
  Random random(3, Stream::noise);
  for (int trial = 0; trial < 5000; ++trial) {
    std::string bad = good;
    for (int flips = 0; flips < 3; ++flips) bad[random.below(bad.size())] = "\",\n\r1x\0\t"[random.below(8)];
    bad.resize(random.below(bad.size() + 1));
    error_of([&] {
      const CsvTable table = read(bad);
      EXPECT_EQ(table.features.size(), table.rows() * table.width);
      for (const std::int32_t label : table.labels) EXPECT_LT(label, table.classes);
    });
  }
}

}  // namespace
}  // namespace fedloom
