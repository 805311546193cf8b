// Texts with some of their tokens hidden, which are to be told from the others: the task that pretrains an
// encoder without labels. J. Devlin, M. Chang, K. Lee, K. Toutanova, "BERT: Pre-training of Deep
// Bidirectional Transformers for Language Understanding", NAACL 2019, section 3.1, task 1, and appendix A.1.
#pragma once

#include <cstdint>
#include <memory>

#include "datasets/examples.hpp"

namespace fedloom {

/// Shares in [0, 1]; hidden + random at most 1.
struct MaskingRule {
  double share = 0.15;  // of the tokens of a text that are to be told, rounded, at least one
  double hidden = 0.8;  // of those: read as Vocabulary::kHidden
  double random = 0.1;  // of those: read as a random known token; the rest is read as it is

  /// Tokens to be told of a text of so many: at least 1.
  std::int64_t predictions(std::int64_t tokens) const;
};

/// A view on tokens that hides some of them whenever they are gathered. Only known tokens are chosen; their
/// positions ascend.
class MaskedTokens final : public Examples {
 public:
  /// `texts`: tokens with a vocabulary of at least one known token, an example of them in every text.
  MaskedTokens(std::shared_ptr<const Examples> texts, const MaskingRule& rule);

  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return texts_->size(); }
  std::int32_t label(std::size_t i) const override { return texts_->label(i); }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override {
    texts_->gather(indices, features, labels);
  }
  /// As they are, nothing hidden.
  void gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens, std::uint8_t* mask,
                     std::int32_t* labels) const override {
    texts_->gather_tokens(indices, tokens, mask, labels);
  }
  void gather_masked(std::span<const std::uint32_t> indices, Random* draws,
                     const MaskedRows& rows) const override;
  std::optional<std::uint32_t> group(std::size_t i) const override { return texts_->group(i); }
  std::size_t memory_bytes() const override { return texts_->memory_bytes(); }

 private:
  void hide(Random& random, std::int32_t* tokens, std::int32_t* places, std::int32_t* targets,
            std::size_t real) const;

  std::shared_ptr<const Examples> texts_;
  MaskingRule rule_;
  DataSpec spec_;
};

}  // namespace fedloom
