// Token sequences of different lengths in memory, without their padding: classified texts.
// Windows into one long text, which overlap, are character_windows.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/examples.hpp"

namespace fedloom {

class TokenExamples final : public Examples {
 public:
  /// `spec`: shape (length), vocabulary > 0. `groups`: one for each row to come, or none.
  TokenExamples(DataSpec spec, std::vector<std::uint32_t> groups = {});

  /// Adds an example: at most `length` tokens in [0, vocabulary), label in [0, classes). Before it is shared.
  void add(std::span<const std::int32_t> tokens, std::int32_t label);

  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return labels_.size(); }
  std::int32_t label(std::size_t i) const override { return labels_[i]; }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override;
  /// Behind the last token of an example: token 0, mask 0.
  void gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens, std::uint8_t* mask,
                     std::int32_t* labels) const override;
  std::optional<std::uint32_t> group(std::size_t i) const override;
  std::size_t memory_bytes() const override;

 private:
  DataSpec spec_;
  std::size_t length_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::uint64_t> begins_{0};  // (N + 1) into tokens_
  std::vector<std::int32_t> labels_;
  std::vector<std::uint32_t> groups_;
};

}  // namespace fedloom
