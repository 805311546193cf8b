// A store seen otherwise: its features in another order, its labels under other numbers. Example i is example
// i of the store below, whose features it copies when they are asked for.
#pragma once

#include <memory>
#include <vector>

#include "datasets/examples.hpp"

namespace fedloom {

class AlteredExamples final : public Examples {
 public:
  /// `order`: (width) places, feature j is the store's feature order[j]; empty: as they are. `labels`: what
  /// each of the store's labels becomes; empty: as they are. `spec` is the form that comes out.
  AlteredExamples(std::shared_ptr<const Examples> store, DataSpec spec, std::vector<std::uint32_t> order,
                  std::vector<std::int32_t> labels);

  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return store_->size(); }
  std::int32_t label(std::size_t i) const override { return renumbered(store_->label(i)); }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override;
  void gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens, std::uint8_t* mask,
                     std::int32_t* labels) const override;
  std::optional<std::uint32_t> group(std::size_t i) const override { return store_->group(i); }
  bool holds(std::size_t i) const override { return store_->holds(i); }
  std::size_t memory_bytes() const override { return store_->memory_bytes(); }

 private:
  std::int32_t renumbered(std::int32_t label) const {
    return labels_.empty() ? label : labels_[static_cast<std::size_t>(label)];
  }

  std::shared_ptr<const Examples> store_;
  DataSpec spec_;
  std::vector<std::uint32_t> order_;
  std::vector<std::int32_t> labels_;
};

}  // namespace fedloom
