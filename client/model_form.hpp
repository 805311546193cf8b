// The model as one task trains it: the experiment's, or one of another rank or with more of it frozen, as the
// task's recipe says. A trainer makes each form once and keeps it, workspace included.
// It is not the parameters: those are a trainer's buffers, of the form's layout.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "algorithms/strategy.hpp"
#include "core/messages.hpp"
#include "models/model.hpp"

namespace fedloom {

/// What of a recipe changes the model.
struct ModelVariant {
  std::int64_t rank = 0;  // of LoRA factors; 0: the experiment's
  double alpha = 0.0;     // with rank
  std::vector<std::string> frozen;

  bool is_plain() const { return rank == 0 && frozen.empty(); }
};

/// Makes the model of a variant; throws UserError when there is none of that rank.
using VariantFactory = std::function<std::shared_ptr<const Model>(const ModelVariant&)>;

struct ModelForm {
  std::shared_ptr<const Model> model;
  SliceSet exchanged;
  SliceSet uploaded;
  SliceSet personal;
  FloatBuffer initial;  // the whole model before round 1, in this form
  std::unique_ptr<Workspace> workspace;

  /// Makes a workspace for that many examples unless there is one.
  void fit_workspace(std::size_t batch_size);
};

class ModelForms {
 public:
  /// `initial` has the layout of `model`.
  ModelForms(std::shared_ptr<const Model> model, std::shared_ptr<const Strategy> strategy,
             std::span<const float> initial, VariantFactory make_variant);

  ModelForm& plain() { return forms_.begin()->second; }
  ModelForm& of(const Recipe& recipe);

 private:
  using Key = std::tuple<std::int64_t, double, std::vector<std::string>>;

  ModelForm make(std::shared_ptr<const Model> model, std::span<const float> initial) const;

  std::shared_ptr<const Strategy> strategy_;
  VariantFactory make_variant_;
  std::map<Key, ModelForm> forms_;
};

/// The values of one layout in another that differs in extents: slices of the same name are copied, or where
/// they are smaller their leading block (rows, and columns within rows). Slices that `from` lacks are zero.
FloatBuffer reshaped(const Layout& from, std::span<const float> values, const Layout& to);

}  // namespace fedloom
