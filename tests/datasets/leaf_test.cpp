// LEAF's json: pictures and texts by user, several files, and what is wrong with a file by user and example.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/federation.hpp"
#include "datasets/leaf_json.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using samples::Folder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

DataConfig parse(const std::string& yaml) {
  return read_config<DataConfig>(ConfigNode::from_text(yaml, "exp.yaml"));
}

/// A file of one user with the given x and y.
std::string file_of(const std::string& user, const std::string& x, const std::string& y, int count) {
  return fmt::format(
      R"({{"users": ["{0}"], "hierarchies": [{{"a": [1]}}], "num_samples": [{3}],
"user_data": {{"{0}": {{"x": {1}, "y": {2}, "note": {{"y": [null]}}}}}}}})",
      user, x, y, count);
}

LeafPart read(const std::string& json) {
  LeafUsers users;
  LeafPart part;
  read_leaf_json(json, "f.json", users, part);
  return part;
}

/// A folder with the folders train/ and test/ in it.
class SetFolder : public Folder {
 public:
  SetFolder() {
    std::filesystem::create_directories(path() + "/train");
    std::filesystem::create_directories(path() + "/test");
  }
};

TEST(LeafJson, ReadsUsersInOrder) {
  LeafUsers users;
  LeafPart part;
  read_leaf_json(
      R"({"user_data": {"b": {"y": [1, 0], "x": [[0.5, 1], [2, -3e0]]}, "a": {"x": [], "y": []}},
          "num_samples": [0, 2], "users": ["a", "b"]})",
      "f.json", users, part);
  read_leaf_json(file_of("a", "[[4, 5]]", "[2.0]", 1), "g.json", users, part);
  EXPECT_THAT(part.features, ElementsAre(0.5F, 1, 2, -3, 4, 5));
  EXPECT_THAT(part.labels, ElementsAre(1, 0, 2));
  EXPECT_THAT(part.groups, ElementsAre(0, 0, 1));
  EXPECT_EQ(users.at("b"), 0U);
  EXPECT_EQ(part.width, 2U);
  EXPECT_FALSE(part.is_text);
}

TEST(LeafJson, ReadsTextsWithTheirNextCharacter) {
  const LeafPart part = read(file_of("R", R"(["\n !", "\"&$"])", R"(["}", "\n"])", 2));
  EXPECT_TRUE(part.is_text);
  // LEAF's letters in byte order: \n 0, space 1, ! 2, " 3, & 4, } 79; $ is none and counts as a space.
  EXPECT_THAT(part.characters, ElementsAre(0, 1, 2, 79, 3, 4, 1, 0));
  EXPECT_TRUE(part.labels.empty());
}

TEST(LeafJson, SaysWhichExampleIsWrong) {
  const auto error = [](const std::string& x, const std::string& y, int count = 1) {
    return error_of([&] { read(file_of("u", x, y, count)); });
  };
  EXPECT_THAT(error("[[1], [\"a\"]]", "[0, 0]"),
              StartsWith("f.json: user 'u': x[1]: expected a number, found a text"));
  EXPECT_THAT(error("[[1], [1, 2]]", "[0, 0]"),
              HasSubstr("x[1]: has 2 numbers, where the first example has 1"));
  EXPECT_THAT(error("[[]]", "[0]"), HasSubstr("x[0]: is empty"));
  EXPECT_THAT(error("[[1e300]]", "[0]"), HasSubstr("x[0]: expected a finite number"));
  EXPECT_THAT(error("[[[1]]]", "[0]"), HasSubstr("x[0]: expected a number, found a list"));
  EXPECT_THAT(error("[1]", "[0]"), HasSubstr("x[0]: expected a list of numbers or a text, found a number"));
  EXPECT_THAT(error("[\"ab\", \"abc\"]", "[\"a\", \"b\"]"), HasSubstr("x[1]: has 3 characters"));
  EXPECT_THAT(error("[\"ab\", [1]]", "[\"a\", \"b\"]"), HasSubstr("x[1]: texts and lists of numbers"));
  EXPECT_THAT(error("[[1]]", "[-1]"), HasSubstr("y[0]: expected a whole number from 0, found -1"));
  EXPECT_THAT(error("[[1]]", "[0.5]"), HasSubstr("y[0]: expected a whole number from 0, found 0.5"));
  EXPECT_THAT(error("[[1]]", "[[0, 1]]"),
              HasSubstr("y[0]: expected a whole number or one character, found a list"));
  EXPECT_THAT(error("[[1]]", "[\"ab\"]"), HasSubstr("y[0]: expected one character, found 'ab'"));
  EXPECT_THAT(error("[[1]]", "[\"a\"]"), HasSubstr("x are numbers, so y must be whole numbers"));
  EXPECT_THAT(error("[\"img.jpg\"]", "[1]"), HasSubstr("x are texts, so y must be characters"));
  EXPECT_THAT(error("[[1], [2]]", "[0]"), HasSubstr("user 'u': 2 examples in x, but 1 labels in y"));
  EXPECT_THAT(error("[[1]]", "[0]", 2), HasSubstr("num_samples says 2, but there are 1 examples"));
  EXPECT_THAT(error("5", "[0]"), HasSubstr("user 'u': expected a list under x, found a number"));
  EXPECT_THAT(error_of([] { read(R"({"users": ["a"], "user_data": {}})"); }),
              HasSubstr("user 'a' is in users, but not in user_data"));
  EXPECT_THAT(error_of([] { read(R"({"user_data": {"a": [1]}})"); }),
              HasSubstr("user 'a': expected an object with x and y, found a list"));
  EXPECT_THAT(error_of([] { read("{}"); }), StartsWith("f.json: has no user_data"));
  EXPECT_THAT(error_of([] { read("[1]"); }), HasSubstr("found a list"));
}

TEST(LeafJson, EveryCutFileIsAnErrorWithItsPlace) {
  const std::string whole = file_of("u", "[[1, 2], [3, 4]]", "[0, 1]", 2);
  ASSERT_EQ(read(whole).rows(), 2U);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(error_of([&] { read(whole.substr(0, size)); }), HasSubstr("is cut short or is not JSON"))
        << size;
  // The second line begins with "user_data", whose value is the object that is cut behind {"u".
  const std::size_t at = whole.find("\"u\": {") + 3;
  EXPECT_THAT(error_of([&] { read(whole.substr(0, at)); }), StartsWith("f.json:2:"));
}

TEST(LeafSource, PicturesByUser) {
  const SetFolder folder;
  folder.write("train/b.json", file_of("w2", "[[4, 5, 6, 7]]", "[2]", 1));
  folder.write("train/a.json.gz",
               gzip(samples::bytes(file_of("w1", "[[0, 0, 0, 1], [1, 1, 1, 1]]", "[0, 1]", 2))));
  folder.write("test/a.json", file_of("w2", "[[9, 9, 9, 9]]", "[3]", 1));
  const auto data = load_federated_data(
      parse("source: {name: leaf, folder: " + folder.path() + ", shape: [1, 2, 2]}"), 1, "");
  EXPECT_EQ(data->spec(), (DataSpec{{1, 2, 2}, 4, 0}));
  ASSERT_EQ(data->clients(), 2U);
  EXPECT_EQ(data->example_count(0), 2U);
  EXPECT_EQ(data->example_count(1), 1U);
  EXPECT_EQ(data->test().size(), 1U);
  EXPECT_EQ(data->test().examples->group(0), 1U);
  std::vector<float> row(4);
  std::int32_t label = -1;
  const ExampleView second = data->client(1);
  second.examples->gather(second.indices, row.data(), &label);
  EXPECT_THAT(row, ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(label, 2);
}

TEST(LeafSource, TextsByUser) {
  const SetFolder folder;
  folder.write("train/a.json", file_of("ROMEO", R"(["abc", "bcd"])", R"(["d", "e"])", 2));
  const auto data =
      load_federated_data(parse("source: {name: leaf, folder: " + folder.path() + ", test_share: 0}"), 1, "");
  EXPECT_EQ(data->spec(), (DataSpec{{3}, 80, 80}));
  ASSERT_EQ(data->example_count(0), 2U);
  std::vector<std::int32_t> tokens(6);
  std::vector<std::uint8_t> mask(6);
  std::vector<std::int32_t> labels(2);
  const ExampleView view = data->client(0);
  view.examples->gather_tokens(view.indices, tokens.data(), mask.data(), labels.data());
  // a is the 54th letter: 25 up to ?, 26 capitals and the two brackets come before it.
  EXPECT_THAT(tokens, ElementsAre(53, 54, 55, 54, 55, 56));
  EXPECT_THAT(labels, ElementsAre(56, 57));
}

TEST(LeafSource, SaysWhatIsWrongWithAFolder) {
  const SetFolder folder;
  const auto error = [&](const std::string& more = "") {
    return error_of([&] {
      load_federated_data(parse("source: {name: leaf, folder: train/.." + more + "}"), 1, folder.path());
    });
  };
  EXPECT_THAT(error(), HasSubstr("there are no *.json files in it or in its folder train/"));
  folder.write("train/a.json", file_of("u", "[[1, 2]]", "[3]", 1));
  EXPECT_EQ(error(), "no error");
  EXPECT_THAT(error(", shape: [1, 28, 28]"), HasSubstr("shape: 784 values, but the examples of"));
  EXPECT_THAT(error(", classes: 3"), HasSubstr("the label 3 is outside 0..2"));
  folder.write("test/a.json", file_of("u", "[[1, 2, 3]]", "[3]", 1));
  EXPECT_THAT(error(), HasSubstr("the test examples have 3 numbers, the training examples 2 numbers"));
  EXPECT_THAT(error_of([&] { load_federated_data(parse("source: leaf"), 1, folder.path()); }),
              StartsWith("data.source.folder: give the folder"));
  EXPECT_THAT(
      error_of([&] { load_federated_data(parse("source: {name: leaf, folder: gone}"), 1, folder.path()); }),
      StartsWith("data.source.folder: there is no folder 'gone'"));
  EXPECT_THAT(error_of([&] { load_local_data(parse("source: leaf"), folder.path() + "/train", 0); }),
              HasSubstr("a client may not hold every class"));
}

}  // namespace
}  // namespace fedloom
