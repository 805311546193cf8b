// Several stores of one form as one: example i of store s is number offset(s) + i.
// It copies nothing, and lives as long as somebody holds it.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "datasets/examples.hpp"

namespace fedloom {

class JoinedExamples final : public Examples {
 public:
  /// At least one store; all of the form of the first (programmer error).
  explicit JoinedExamples(std::vector<std::shared_ptr<const Examples>> stores);

  /// The number of the first example of a store.
  std::uint32_t offset(std::size_t store) const { return offsets_[store]; }

  const DataSpec& spec() const override { return stores_.front()->spec(); }
  std::size_t size() const override { return offsets_.back(); }
  std::int32_t label(std::size_t i) const override;
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override;
  void gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens, std::uint8_t* mask,
                     std::int32_t* labels) const override;
  void gather_masked(std::span<const std::uint32_t> indices, Random* draws,
                     const MaskedRows& rows) const override;
  std::optional<std::uint32_t> group(std::size_t i) const override;
  bool holds(std::size_t i) const override;
  std::size_t memory_bytes() const override;

 private:
  struct Place {
    const Examples& store;
    std::uint32_t index;
  };
  Place place(std::size_t i) const;

  std::vector<std::shared_ptr<const Examples>> stores_;
  std::vector<std::uint32_t> offsets_;  // one more than stores: the last is the size
};

}  // namespace fedloom
