// An encoder pretrained by the program on hidden tokens, and what starts from it: it must learn more than
// which words are frequent, to the same bits on any machine, and its body must be the classifier's.
#include <cmath>

#include "core/random.hpp"
#include "models/safetensors.hpp"
#include "tests/support/program.hpp"

namespace fedloom::testing {
namespace {

// Texts of twelve words on four topics with three words each: w0 w1 w2, w3 w4 w5, … All words are about as
// frequent, so who knows frequencies alone is right once in twelve times and has a loss of ln 12 = 2.48; who
// sees the topic in the rest of a text is right once in three times and has ln 3 = 1.10.
std::string topics(int texts) {
  Random random(5, Stream::dataset);
  std::string lines;
  for (int i = 0; i < texts; ++i) {
    lines += std::to_string(i % 4) + "\t";
    for (int t = 0; t < 12; ++t)
      lines += "w" + std::to_string(3 * (i % 4) + static_cast<int>(random.below(3))) + " ";
    lines += "\n";
  }
  return lines;
}

class Pretraining : public ::testing::Test {
 protected:
  Pretraining() { folder_.write("topics.tsv", topics(320)); }

  std::string texts() const { return "{name: text, train: " + (folder_ / "topics.tsv") + ", length: 12}"; }
  std::string job(const std::string& source, const std::string& more) const {
    return "rounds: 12\ndata: {source: " + source +
           ", partition: iid, clients: 3}\n"
           "model: {name: text_transformer, dim: 16, depth: 1, heads: 2" +
           more +
           "}\n"
           "train: {batch_size: 16, lr: 0.01, optimizer: adam}\n"
           "pacer: {clients_per_round: 3}\n";
  }
  std::string pretraining() const {
    return folder_.write("pretrain.yaml",
                         job("{name: masked_texts, texts: [" + texts() +
                                 "], length: 12, test_share: 0.25, vocabulary_of: " + texts() + "}",
                             ""));
  }
  std::string classifier(const std::string& more) const {
    return folder_.write(
        "classify.yaml",
        job(texts().substr(0, texts().size() - 1) + ", vocabulary_of: " + texts() + "}",
            ", init: {file: " + (folder_ / "encoder/model.safetensors") + ", fresh: [head]}") +
            more);
  }
  Outcome run(const std::string& experiment, const std::string& name, const Words& words = {}) {
    const Ended ended =
        finish(Words{"run", experiment, "--quiet", "--no-report", "--out", folder_ / name} + words);
    EXPECT_EQ(ended.code, 0) << ended.err;
    return ended.code == 0 ? outcome_of(folder_ / name) : Outcome{};
  }
  RunSummary summary(const std::string& name) { return read_summary(folder_ / (name + "/summary.json")); }

  TempFolder folder_;
};

TEST_F(Pretraining, LearnsMoreThanFrequencies) {
  (void)run(pretraining(), "encoder", set({"strategy=centralised"}));
  EXPECT_GT(*summary("encoder").final_test_accuracy, 0.25);
  EXPECT_LT(*summary("encoder").final_test_loss, 0.5 * (std::log(12.0) + std::log(3.0)));
}

// Hidden tokens are drawn by task, not by who trains when; in a federation as in one place.
TEST_F(Pretraining, HasTheSameBitsOnAnyMachine) {
  const std::string experiment = pretraining();
  const Words few = set({"rounds=3"});
  const Outcome one = run(experiment, "one", few + set({"runtime.workers=1"}));
  EXPECT_EQ(one, run(experiment, "two", few + set({"runtime.workers=3"})));
  EXPECT_EQ(one, run(experiment, "three", few + set({"runtime.transport=inproc"})));
  const Words pooled = few + set({"strategy=centralised", "train.parallel=3"});
  EXPECT_EQ(run(experiment, "four", pooled + set({"runtime.threads=1"})),
            run(experiment, "five", pooled + set({"runtime.threads=3"})));
}

TEST_F(Pretraining, StartsAClassifierWithItsBody) {
  (void)run(pretraining(), "encoder", set({"strategy=centralised", "rounds=3"}));
  (void)run(classifier("adapter: {name: freeze, train: [head]}\n"), "classifier");
  EXPECT_GT(*summary("classifier").final_test_accuracy, 0.9);
  const auto before = SafetensorsFile::read(folder_ / "encoder/model.safetensors");
  const auto after = SafetensorsFile::read(folder_ / "classifier/model.safetensors");
  EXPECT_EQ(before.metadata().find("vocabulary")->second, after.metadata().find("vocabulary")->second);
  std::size_t shared = 0;
  for (const std::string& name : after.names()) {
    if (name.starts_with("head.")) continue;
    ASSERT_EQ(before.shape(name), after.shape(name)) << name;
    std::size_t size = 1;
    for (const std::int64_t extent : after.shape(name)) size *= static_cast<std::size_t>(extent);
    std::vector<float> there(size);
    std::vector<float> here(size);
    before.copy_to(name, there);
    after.copy_to(name, here);
    EXPECT_EQ(there, here) << name;
    ++shared;
  }
  // embedding, pos_embed, two normalisations, query, key, value, proj, fc1, fc2 and the last normalisation.
  EXPECT_EQ(shared, 2U + 2U * 2U + 6U * 2U + 2U);
}

TEST_F(Pretraining, RefusesAnotherVocabularyOfTheSameSize) {
  (void)run(pretraining(), "encoder", set({"strategy=centralised", "rounds=1"}));
  std::string other = topics(320);
  for (std::size_t at = 0; (at = other.find("w7", at)) != std::string::npos;) other.replace(at, 2, "v7");
  folder_.write("topics.tsv", other);
  const Ended ended = finish({"run", classifier(""), "--quiet", "--out", folder_ / "refused"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("'embedding.weight' has a row for every token of another vocabulary"),
            std::string::npos)
      << ended.err;
}

TEST_F(Pretraining, OtherModelsSayThatTheyTellClasses) {
  for (const std::string model : {"char_lstm", "{name: sequential, layers: [dense]}"}) {
    const Ended ended =
        finish(Words{"run", pretraining(), "--out", folder_ / "no"} + set({"model=" + model}));
    EXPECT_EQ(ended.code, 2);
    EXPECT_NE(ended.err.find("asks for hidden tokens; choose text_transformer"), std::string::npos)
        << ended.err;
  }
}

}  // namespace
}  // namespace fedloom::testing
