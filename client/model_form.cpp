// Forms by recipe, and the leading blocks of slices.
#include "client/model_form.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace fedloom {

namespace {

// Matrices lose rows at the bottom and columns at the right: LoRA's first factor its last rows, its second
// its last columns.
void copy_block(const Slice& from, std::span<const float> values, const Slice& to, std::span<float> out) {
  if (from.shape == to.shape) {
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(from.offset), from.size,
                out.begin() + static_cast<std::ptrdiff_t>(to.offset));
    return;
  }
  FEDLOOM_CHECK(from.shape.size() == 2 && to.shape.size() == 2, "slice '{}' of another form is no matrix",
                to.name);
  const std::int64_t rows = std::min(from.shape[0], to.shape[0]);
  const std::int64_t columns = std::min(from.shape[1], to.shape[1]);
  for (std::int64_t row = 0; row < rows; ++row)
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(from.offset) + row * from.shape[1], columns,
                out.begin() + static_cast<std::ptrdiff_t>(to.offset) + row * to.shape[1]);
}

}  // namespace

FloatBuffer reshaped(const Layout& from, std::span<const float> values, const Layout& to) {
  FloatBuffer out(to.size(), 0.0F);
  for (const Slice& slice : to.slices())
    if (const Slice* source = from.find(slice.name)) copy_block(*source, values, slice, out);
  return out;
}

void ModelForm::fit_workspace(std::size_t batch_size) {
  if (!workspace || workspace->max_batch() < batch_size) workspace = model->workspace(batch_size);
}

ModelForms::ModelForms(std::shared_ptr<const Model> model, std::shared_ptr<const Strategy> strategy,
                       std::span<const float> initial, VariantFactory make_variant)
    : strategy_(std::move(strategy)), make_variant_(std::move(make_variant)) {
  forms_.emplace(Key{}, make(std::move(model), initial));
}

ModelForm ModelForms::make(std::shared_ptr<const Model> model, std::span<const float> initial) const {
  ModelForm form;
  const Layout& layout = *model->layout();
  form.exchanged = strategy_->exchanged(layout);
  form.uploaded = strategy_->uploaded(layout, {});  // what the task freezes is frozen in the layout
  form.personal = strategy_->personal(layout);
  form.initial.assign(initial.begin(), initial.end());
  form.model = std::move(model);
  return form;
}

ModelForm& ModelForms::of(const Recipe& recipe) {
  Key key{recipe.rank, recipe.rank > 0 ? recipe.alpha : 0.0, recipe.frozen};
  if (const auto known = forms_.find(key); known != forms_.end()) return known->second;
  FEDLOOM_CHECK(make_variant_ != nullptr, "a task of another form of the model, and nobody makes it");
  std::shared_ptr<const Model> model = make_variant_({recipe.rank, recipe.alpha, recipe.frozen});
  const FloatBuffer initial = reshaped(*plain().model->layout(), plain().initial, *model->layout());
  return forms_.emplace(std::move(key), make(std::move(model), initial)).first->second;
}

}  // namespace fedloom
