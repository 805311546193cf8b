// Texts: tokens, vocabularies and their ties, padding and masks, tables with their errors, and the text
// source as a user writes it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/federation.hpp"
#include "datasets/text_examples.hpp"
#include "datasets/text_table.hpp"
#include "datasets/token_examples.hpp"
#include "datasets/tokenizer.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using samples::Folder;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

DataConfig parse(const std::string& yaml) {
  return read_config<DataConfig>(ConfigNode::from_text(yaml, "exp.yaml"));
}

struct Row {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> mask;
  std::int32_t label = -1;
};

Row row_of(const Examples& examples, std::uint32_t i) {
  const auto length = static_cast<std::size_t>(examples.spec().width());
  Row row{std::vector<std::int32_t>(length, -7), std::vector<std::uint8_t>(length, 9), -1};
  examples.gather_tokens(std::span(&i, 1), row.tokens.data(), row.mask.data(), &row.label);
  return row;
}

/// Without the fingerprint of the words.
DataSpec form_of(DataSpec spec) {
  EXPECT_NE(spec.vocabulary_id, 0U);
  spec.vocabulary_id = 0;
  return spec;
}

TEST(Tokenizer, WordsPunctuationAndForeignLetters) {
  EXPECT_THAT(split_tokens("it's 3-D,  caf\xC3\xA9!\t\x01\n", TokenKind::words),
              ElementsAre("it", "'", "s", "3", "-", "D", ",", "caf\xC3\xA9", "!"));
  EXPECT_TRUE(split_tokens(" \r\n\t", TokenKind::words).empty());
  EXPECT_EQ(lower_case("\xC3\x89T\xC3\x89 aZ"), "\xC3\x89t\xC3\x89 az");
}

TEST(Tokenizer, CharactersAreCodePointsAndBrokenBytesStandAlone) {
  EXPECT_THAT(split_tokens("a \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", TokenKind::characters),
              ElementsAre("a", " ", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"));
  EXPECT_THAT(split_tokens("\xC3(\xE2\x82", TokenKind::characters), ElementsAre("\xC3", "(", "\xE2", "\x82"));
  EXPECT_THAT(split_tokens("\xFFz", TokenKind::characters), ElementsAre("\xFF", "z"));
}

TEST(Vocabulary, MostFrequentFirstThenByText) {
  Vocabulary::Counter counter;
  // c 3, then a, b and Z with 2 each (Z before a in byte order), d 1.
  for (const char* token : {"b", "c", "a", "c", "Z", "b", "d", "c", "a", "Z"}) counter.add(token);
  EXPECT_THAT(counter.finish(1, 0).tokens(), ElementsAre("c", "Z", "a", "b", "d"));
  EXPECT_THAT(counter.finish(2, 0).tokens(), ElementsAre("c", "Z", "a", "b"));
  // Four numbers, two of which are padding and unknown.
  const Vocabulary small = counter.finish(1, 4);
  EXPECT_THAT(small.tokens(), ElementsAre("c", "Z"));
  EXPECT_EQ(small.size(), 4);
  EXPECT_EQ(small.number("c"), 2);
  EXPECT_EQ(small.number("Z"), 3);
  EXPECT_EQ(small.number("a"), Vocabulary::kUnknown);
  EXPECT_THAT(error_of([] {
                Vocabulary({"x", "y", "x"}, "words.txt");
              }),
              StartsWith("words.txt: the token 'x' is there twice"));
}

TEST(TokenExamples, PadsOnTheWayOut) {
  TokenExamples examples({{3}, 2, 10}, {4, 5});
  examples.add(std::vector<std::int32_t>{7, 8, 9}, 1);
  examples.add(std::vector<std::int32_t>{2}, 0);
  const std::vector<std::uint32_t> order{1, 0, 1};
  std::vector<std::int32_t> tokens(9, -1);
  std::vector<std::uint8_t> mask(9, 7);
  std::vector<std::int32_t> labels(3);
  examples.gather_tokens(order, tokens.data(), mask.data(), labels.data());
  EXPECT_THAT(tokens, ElementsAre(2, 0, 0, 7, 8, 9, 2, 0, 0));
  EXPECT_THAT(mask, ElementsAre(1, 0, 0, 1, 1, 1, 1, 0, 0));
  EXPECT_THAT(labels, ElementsAre(0, 1, 0));
  EXPECT_EQ(examples.group(1), 5U);
  EXPECT_DEATH(examples.gather(order, nullptr, nullptr), "float features");
  EXPECT_DEATH(examples.add(std::vector<std::int32_t>{10}, 0), "token 10 of 10");
}

TextTable table_of(const std::string& text, const TextTableOptions& options,
                   const std::string& name = "t.csv") {
  ByteSource source = ByteSource::over(samples::view(text), name);
  return read_text_table(source, options);
}

TEST(TextTable, ColumnsByNumberNameAndFirstSpace) {
  TextTableOptions options;
  const TextTable plain = table_of("0,\"a, \"\"b\"\"\"\r\n\n 1 ,c\n", options);
  EXPECT_THAT(plain.texts, ElementsAre("a, \"b\"", "c"));
  EXPECT_EQ(plain.labels[1].text, "1");
  EXPECT_EQ(plain.labels[1].line, 3U);

  options.label = "kind";
  options.text = {"title", "body"};
  options.client = "who";
  options.escapes = true;
  const TextTable named =
      table_of("who\tkind\tbody\ttitle\nann\tx\t\"p\\tq\\\\\th i\nbob\ty\t\\z\tu\nann\tx\tw\tv\n", options,
               "t.tsv.gz");
  EXPECT_THAT(named.texts, ElementsAre("h i \"p\tq\\", "u \\z", "v w"));
  EXPECT_THAT(named.groups, ElementsAre(0, 1, 0));
  EXPECT_THAT(named.group_names, ElementsAre("ann", "bob"));

  TextTableOptions front;
  front.delimiter = ' ';
  const TextTable first = table_of("NUM:dist How far , \"x\" ?\nHUM:ind Who\tis it ?\n", front);
  EXPECT_THAT(first.texts, ElementsAre("How far , \"x\" ?", "Who\tis it ?"));
  EXPECT_EQ(first.labels[0].text, "NUM:dist");
}

TEST(TextTable, SaysWhereARowIsWrong) {
  const TextTableOptions options;
  EXPECT_THAT(error_of([&] { table_of("0,a\n1\n", options); }),
              StartsWith("t.csv:2:1: 1 field(s) in this line where the first line has 2"));
  EXPECT_THAT(error_of([&] { table_of("0,a\n1,b,c\n", options); }), StartsWith("t.csv:2:5: 3 field(s)"));
  EXPECT_THAT(error_of([&] { table_of("0\n1\n", options); }), HasSubstr("is the delimiter right?"));
  EXPECT_THAT(error_of([&] { table_of("0,\"a\n", options); }), StartsWith("t.csv:1:3: the quote"));
  EXPECT_THAT(error_of([&] { table_of("\n", options); }), StartsWith("t.csv: is empty"));
  EXPECT_THAT(error_of([&] { table_of(std::string("0,a\0b\n", 6), options); }), HasSubstr("zero bytes"));
  TextTableOptions named;
  named.label = "lable";
  named.text = {"text"};
  EXPECT_THAT(error_of([&] { table_of("label,text\n0,a\n", named); }), HasSubstr("did you mean 'label'?"));
  named.label = "text";
  EXPECT_THAT(error_of([&] { table_of("label,text\n0,a\n", named); }),
              HasSubstr("both the label and the text"));
  named.label = "label";
  EXPECT_THAT(error_of([&] { table_of("label,text\n", named); }), HasSubstr("holds no rows of data"));
  named.header = "no";
  EXPECT_THAT(error_of([&] { table_of("label,text\n", named); }), HasSubstr("needs a header line"));
}

// Training words: good 3, film 2, a 1, bad 1, ! 1. "awful" is in the test part only.
constexpr const char* kTrain = "pos\tGood good film\nneg\ta bad Film !\npos\tgood\n";
constexpr const char* kTest = "neg\tawful film\npos\t  \n";

TEST(TextSource, CountsTrainingWordsOnly) {
  const Folder folder;
  folder.write("t.tsv.gz", gzip(samples::bytes(kTrain)));
  folder.write("e.tsv.xz", samples::xz(samples::bytes(kTest)));
  const auto data = load_federated_data(
      parse("{source: {name: text, train: t.tsv, test: e.tsv, length: 3}, clients: 1}"), 1, folder.path());
  // good 2, film 3, then by text: ! 4, a 5, bad 6.
  EXPECT_EQ(form_of(data->spec()), (DataSpec{{3}, 2, 7}));
  const Examples& train = *data->client(0).examples;
  EXPECT_THAT(row_of(train, 0).tokens, ElementsAre(2, 2, 3));
  EXPECT_THAT(row_of(train, 1).tokens, ElementsAre(5, 6, 3));  // cut before the !
  EXPECT_THAT(row_of(train, 2).tokens, ElementsAre(2, 0, 0));
  EXPECT_THAT(row_of(train, 2).mask, ElementsAre(1, 0, 0));
  EXPECT_THAT((std::vector{train.label(0), train.label(1)}), ElementsAre(1, 0));  // neg before pos
  const Row unknown = row_of(*data->test().examples, 0);
  EXPECT_THAT(unknown.tokens, ElementsAre(1, 3, 0));
  EXPECT_EQ(unknown.label, 0);
  // A text without words is one unknown word.
  EXPECT_THAT(row_of(*data->test().examples, 1).tokens, ElementsAre(1, 0, 0));
  EXPECT_THAT(row_of(*data->test().examples, 1).mask, ElementsAre(1, 0, 0));
}

TEST(TextSource, HeldBackRowsDoNotCount) {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 20; ++i) text += fmt::format("{},word{}\n", i % 2, i);
  const std::string file = folder.write("t.csv", text);
  const auto data = load_federated_data(
      parse("{source: {name: text, train: " + file + ", test_share: 0.25, length: 2}, clients: 1}"), 1, "");
  EXPECT_EQ(data->test().size(), 5U);
  EXPECT_EQ(data->spec().vocabulary, 17);
  for (const std::uint32_t i : data->test().indices)
    EXPECT_EQ(row_of(*data->test().examples, i).tokens[0], 1);
  const ExampleView trained = data->client(0);
  for (const std::uint32_t i : trained.indices) EXPECT_GE(row_of(*trained.examples, i).tokens[0], 2);
}

TEST(TextSource, ListedLabelsCharactersAndClients) {
  const Folder folder;
  const std::string file = folder.write("t.csv", "who,kind,say\nb,yes,\"AB\"\na,no,b\nb,no,\xC3\xA9\n");
  const auto data = load_federated_data(parse("source: {name: text, train: " + file +
                                              ", label: kind, text: say, client: who, labels: [yes, no, "
                                              "maybe], tokens: characters, lower: false, "
                                              "length: 2, test_share: 0}"),
                                        1, "");
  EXPECT_EQ(form_of(data->spec()), (DataSpec{{2}, 3, 6}));  // A B b and the accented letter, each once
  ASSERT_EQ(data->clients(), 2U);
  EXPECT_THAT(data->client(0).indices, ElementsAre(0, 2));
  EXPECT_THAT(row_of(*data->client(0).examples, 0).tokens, ElementsAre(2, 3));
  EXPECT_THAT(row_of(*data->client(0).examples, 1).tokens, ElementsAre(4, 0));
  EXPECT_EQ(row_of(*data->client(0).examples, 0).label, 0);
  EXPECT_EQ(row_of(*data->client(0).examples, 2).label, 1);
}

TEST(TextSource, ADeployedClientTakesTheWordsOfEverybody) {
  const Folder folder;
  folder.write("train.tsv", "1\tgood bad\n");
  folder.write("words.txt", "film\r\nbad\n");
  const auto config = [&](const std::string& more) {
    return parse("source: {name: text, train: x, length: 2" + more + "}");
  };
  const auto data = load_local_data(config(", classes: 2, vocabulary_file: words.txt"), folder.path(), 3);
  EXPECT_EQ(form_of(data->spec()), (DataSpec{{2}, 2, 4}));
  EXPECT_THAT(row_of(*data->client(3).examples, 0).tokens, ElementsAre(1, 3));
  EXPECT_THAT(error_of([&] { load_local_data(config(", classes: 2"), folder.path(), 0); }),
              StartsWith("data.source.vocabulary_file: a client cannot count"));
  EXPECT_THAT(error_of([&] { load_local_data(config(", vocabulary_file: words.txt"), folder.path(), 0); }),
              HasSubstr("give classes"));
  folder.write("words.txt", "film\n\nbad\n");
  EXPECT_THAT(error_of([&] {
                load_local_data(config(", classes: 2, vocabulary_file: words.txt"), folder.path(), 0);
              }),
              HasSubstr("words.txt:2:1: an empty token"));
}

// Two tasks that count the same sources read the same words in the same way, whatever words they have
// themselves: good 3, film 2, bad 2, then by text ! a boring plot.
TEST(TextSource, SharesAVocabularyWithOthers) {
  const Folder folder;
  folder.write("films.tsv", kTrain);
  folder.write("plots.tsv", "neg\tboring bad plot\n");
  const auto data = [&](const std::string& file, const std::string& of) {
    return load_federated_data(parse("{source: {name: text, train: " + file +
                                     ", test_share: 0, length: 4, vocabulary_of: " + of + "}, clients: 1}"),
                               1, folder.path());
  };
  const std::string both =
      "[{name: text, train: films.tsv, test_share: 0}, "
      "{name: text, train: plots.tsv, test_share: 0}]";
  const auto films = data("films.tsv", both);
  const auto plots = data("plots.tsv", both);
  EXPECT_EQ(films->spec().vocabulary, 9);
  EXPECT_EQ(films->spec().vocabulary_id, plots->spec().vocabulary_id);
  EXPECT_THAT(row_of(*films->client(0).examples, 1).tokens, ElementsAre(6, 3, 4, 5));  // a bad film !
  EXPECT_THAT(row_of(*plots->client(0).examples, 0).tokens, ElementsAre(7, 3, 8, 0));
  const auto alone = data("plots.tsv", "{name: text, train: plots.tsv, test_share: 0}");
  EXPECT_NE(alone->spec().vocabulary_id, plots->spec().vocabulary_id);
  EXPECT_THAT(error_of([&] { data("plots.tsv", "synthetic"); }),
              HasSubstr("vocabulary_of: synthetic has no texts"));
  EXPECT_THAT(error_of([&] { data("plots.tsv", "[" + both + "]"); }), HasSubstr("expected a name"));
  EXPECT_THAT(error_of([&] { data("plots.tsv", both + ", vocabulary_file: words.txt"); }),
              HasSubstr("leave one out"));
}

TEST(TextSource, SaysWhatIsWrong) {
  const Folder folder;
  folder.write("t.tsv", kTrain);
  folder.write("e.tsv", "pos\tx\nmeh\ty\n");
  samples::Bytes packed = gzip(samples::bytes(kTrain));
  packed.resize(packed.size() - 9);
  folder.write("cut.tsv.gz", packed);
  const auto error = [&](const std::string& settings) {
    return error_of(
        [&] { load_federated_data(parse("source: {name: text, " + settings + "}"), 1, folder.path()); });
  };
  EXPECT_THAT(error("train: t.tsv, test: e.tsv"),
              HasSubstr("e.tsv:2:1: the label 'meh' is not one of: neg, pos"));
  EXPECT_THAT(error("train: t.tsv, classes: 2"),
              HasSubstr("t.tsv:1:1: the label 'pos' is not a whole number"));
  EXPECT_THAT(error("train: cut.tsv"), HasSubstr("cut.tsv.gz"));
  EXPECT_THAT(error("train: none.tsv"), StartsWith("data.source.train: there is no file 'none.tsv'"));
  EXPECT_THAT(error("test: t.tsv"), StartsWith("data.source.train: give the path"));
}

}  // namespace
}  // namespace fedloom
