// Rows of floats in memory: CSV files and generated data.
// Images, which keep their bytes, are image_examples.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.hpp"
#include "datasets/examples.hpp"

namespace fedloom {

class TableExamples final : public Examples {
 public:
  /// `features`: (N, width). `labels`: N values in [0, classes). `groups`: N or none.
  TableExamples(DataSpec spec, FloatBuffer features, std::vector<std::int32_t> labels,
                std::vector<std::uint32_t> groups = {});

  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return labels_.size(); }
  std::int32_t label(std::size_t i) const override { return labels_[i]; }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override;
  std::optional<std::uint32_t> group(std::size_t i) const override;
  std::size_t memory_bytes() const override;

 private:
  DataSpec spec_;
  std::size_t width_;
  FloatBuffer features_;
  std::vector<std::int32_t> labels_;
  std::vector<std::uint32_t> groups_;
};

/// A view of the whole store, in its order.
ExampleView whole(std::shared_ptr<const Examples> examples);

}  // namespace fedloom
