// One data set after the other, brought to one form of picture: 5-Datasets and its like. S. Ebrahimi, F.
// Meier, R. Calandra, T. Darrell, M. Rohrbach, "Adversarial Continual Learning", ECCV 2020. A picture smaller
// than the form is enlarged by the largest whole factor that fits (every pixel repeated) and stands in the
// middle of zeros; a single channel is repeated. Zeros are what the source's normalisation makes of its mean.
#include <algorithm>

#include "core/error.hpp"
#include "datasets/stage_rule.hpp"

namespace fedloom {
namespace {

struct SetsSettings {
  std::vector<ComponentSpec> then;
  std::vector<std::int64_t> form;
  template <class Visitor>
  void visit(Visitor& v) {
    v("then", then, "the data sets after data.source, in order: names, or maps with their settings");
    v("form", form, "channels, height and width of all pictures; left out: those of data.source",
      between(1, 4096));
  }
};

class FittedPictures final : public Examples {
 public:
  FittedPictures(std::shared_ptr<const Examples> store, const std::vector<std::int64_t>& form)
      : store_(std::move(store)), spec_{form, store_->spec().classes, 0} {
    const std::vector<std::int64_t>& own = store_->spec().shape;
    factor_ = std::min(form[1] / own[1], form[2] / own[2]);
    top_ = (form[1] - factor_ * own[1]) / 2;
    left_ = (form[2] - factor_ * own[2]) / 2;
  }

  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return store_->size(); }
  std::int32_t label(std::size_t i) const override { return store_->label(i); }
  std::optional<std::uint32_t> group(std::size_t i) const override { return store_->group(i); }
  bool holds(std::size_t i) const override { return store_->holds(i); }
  std::size_t memory_bytes() const override { return store_->memory_bytes(); }

  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override {
    const auto width = static_cast<std::size_t>(spec_.width());
    std::vector<float> picture(static_cast<std::size_t>(store_->spec().width()));
    for (std::size_t i = 0; i < indices.size(); ++i, features += width) {
      store_->gather(indices.subspan(i, 1), picture.data(), labels + i);
      fit(picture.data(), features);
    }
  }

 private:
  void fit(const float* picture, float* out) const {
    const std::vector<std::int64_t>& own = store_->spec().shape;
    std::fill_n(out, spec_.width(), 0.0F);
    for (std::int64_t c = 0; c < spec_.shape[0]; ++c) {
      const float* plane = picture + (own[0] == 1 ? 0 : c) * own[1] * own[2];
      float* to = out + (c * spec_.shape[1] + top_) * spec_.shape[2] + left_;
      for (std::int64_t y = 0; y < factor_ * own[1]; ++y, to += spec_.shape[2])
        for (std::int64_t x = 0; x < factor_ * own[2]; ++x)
          to[x] = plane[(y / factor_) * own[2] + x / factor_];
    }
  }

  std::shared_ptr<const Examples> store_;
  DataSpec spec_;
  std::int64_t factor_ = 1;
  std::int64_t top_ = 0;
  std::int64_t left_ = 0;
};

class Sets final : public StageRule {
 public:
  explicit Sets(const SetsSettings& settings) : settings_(settings) {}

  std::size_t count() const override { return 1 + settings_.then.size(); }
  std::vector<ComponentSpec> more_sources() const override { return settings_.then; }

  std::vector<StageExamples> cut(const std::vector<SplitExamples>& sources, std::uint64_t) const override {
    const std::vector<std::int64_t> form =
        settings_.form.empty() ? sources.front().train->spec().shape : settings_.form;
    std::vector<StageExamples> stages;
    for (std::size_t source = 0; source < sources.size(); ++source) {
      const DataSpec& spec = sources[source].train->spec();
      check(spec, form, source);
      const auto alter = [&](std::shared_ptr<const Examples> store) -> std::shared_ptr<const Examples> {
        if (store->spec().shape == form) return store;
        return std::make_shared<FittedPictures>(std::move(store), form);
      };
      stages.push_back({over_altered(sources[source], alter), all_classes(spec), source});
    }
    return stages;
  }

 private:
  void check(const DataSpec& spec, const std::vector<std::int64_t>& form, std::size_t source) const {
    const std::string name = source == 0 ? "data.source" : settings_.then[source - 1].name;
    if (spec.vocabulary > 0) throw user_error("continual.stages: {} consists of tokens, not pictures", name);
    if (spec.shape == form) return;
    if (form.size() != 3 || spec.shape.size() != 3)
      throw user_error(
          "continual.stages: {} has examples of another shape than the first set; give `form`, "
          "e.g. [3, 32, 32], which pictures can be brought to",
          name);
    if (spec.shape[1] > form[1] || spec.shape[2] > form[2] ||
        (spec.shape[0] != 1 && spec.shape[0] != form[0]))
      throw user_error("continual.stages.form: pictures of {} ({} x {} x {}) do not fit into {} x {} x {}",
                       name, spec.shape[0], spec.shape[1], spec.shape[2], form[0], form[1], form[2]);
  }

  SetsSettings settings_;
};

const Registration<StageRuleRegistry, SetsSettings> kSets{
    {"sets", "one data set after the other, brought to one form of picture",
     "Ebrahimi, Meier, Calandra, Darrell, Rohrbach: Adversarial Continual Learning, ECCV 2020"},
    [](const SetsSettings& settings) { return std::make_unique<Sets>(settings); }};

}  // namespace
}  // namespace fedloom
