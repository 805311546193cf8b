// One task, start to finish, on reused buffers.
#include "client/local_trainer.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "algorithms/privacy/private_update.hpp"
#include "core/hash.hpp"
#include "models/loss.hpp"
#include "transport/codec.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kEvaluationBatch = 256;

SlotReport report_of(const Payload& payload) {
  const ValueCheck check = check_values(payload.values());
  return {payload.name, payload.values().size(), check.finite, check.largest};
}

// A recipe comes from outside; what no experiment can mean is refused before anything is sized by it.
void check_recipe(const Recipe& recipe) {
  constexpr std::int64_t kMost = std::int64_t{1} << 31U;
  const auto refuse = [](const char* key, auto value) {
    throw user_error("a recipe with {} {}", key, value);
  };
  if (recipe.epochs < 0 || recipe.epochs > kMost) refuse("epochs", recipe.epochs);
  if (recipe.batch_size < 1) refuse("batch_size", recipe.batch_size);
  if (!std::isfinite(recipe.learning_rate)) refuse("learning rate", recipe.learning_rate);
  if (!std::isfinite(recipe.clip_norm) || recipe.clip_norm < 0.0) refuse("clip_norm", recipe.clip_norm);
  if (recipe.micro_batch < 0) refuse("micro_batch", recipe.micro_batch);
  if (recipe.rank < 0) refuse("rank", recipe.rank);
  if (recipe.rank > 0 && !(std::isfinite(recipe.alpha) && recipe.alpha > 0.0)) refuse("alpha", recipe.alpha);
  const TaskPrivacy& privacy = recipe.privacy;
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, double>>{{"privacy.example_clip", privacy.example_clip},
                                                             {"privacy.example_noise", privacy.example_noise},
                                                             {"privacy.update_clip", privacy.update_clip},
                                                             {"privacy.update_noise", privacy.update_noise}})
    if (!std::isfinite(value) || value < 0.0) refuse(key, value);
  if (privacy.example_noise > 0.0 && privacy.example_clip == 0.0)
    refuse("noise and privacy.example_clip", 0.0);
  if (privacy.update_noise > 0.0 && privacy.update_clip == 0.0) refuse("noise and privacy.update_clip", 0.0);
  const Schedule& schedule = recipe.schedule;
  if (schedule.warmup < 0) refuse("schedule.warmup", schedule.warmup);
  if (schedule.every < 1) refuse("schedule.every", schedule.every);
  if (!std::isfinite(schedule.gamma)) refuse("schedule.gamma", schedule.gamma);
  if (!std::isfinite(schedule.min_lr)) refuse("schedule.min_lr", schedule.min_lr);
}

// All that a task computes on but the data itself: its head, the start model and every vector that came with
// it.
std::uint64_t fingerprint_of(const Task& task, const TaskRun& run) {
  Task head = task;
  head.hold = false;  // where the update waits for its sum is no part of the work
  std::uint64_t hash = mixed({hash64(encode(head).head), hash64(std::as_bytes(run.start)), run.data->size()});
  for (const auto& [name, payload] : run.shared)
    hash = mixed({hash, hash64(name), hash64(payload.data.bytes())});
  for (const Payload& extra : task.extras) hash = mixed({hash, hash64(extra.data.bytes())});
  for (const auto& [name, kept] : run.kept)
    hash = mixed({hash, hash64(name), hash64(std::as_bytes(std::span(kept.data)))});
  return hash;
}

// What the experiment promises and the task lacks would be sent in the clear.
void check_promise(const std::optional<PrivacyUnit>& promised, const TaskPrivacy& privacy,
                   std::size_t examples) {
  if (!promised || examples == 0) return;
  const bool kept = *promised == PrivacyUnit::example
                        ? privacy.example_clip > 0.0 && privacy.example_noise > 0.0
                        : privacy.update_clip > 0.0;
  if (!kept) throw user_error("a task without the privacy that the experiment promises");
}

}  // namespace

void GatheredData::open(std::size_t size, std::function<ExampleView()> find) {
  size_ = size;
  find_ = std::move(find);
  view_.reset();
  augmented_.reset();
  masking_.reset();
}

const ExampleView& GatheredData::view() {
  if (!view_) {
    view_ = find_();
    // A server may ask for what this process was not started for.
    if (!view_->held())
      throw user_error(
          "these {} examples are not in memory here; a deployed client holds its own data, and test data "
          "only "
          "where evaluate.clients asks for it",
          view_->size());
  }
  return *view_;
}

Batch GatheredData::batch(std::span<const std::uint32_t> positions) {
  const ExampleView& mine = view();
  indices_.clear();
  for (const std::uint32_t position : positions) indices_.push_back(mine.indices[position]);
  const Batch batch = buffer_.gather(*mine.examples, indices_, masking_ ? &*masking_ : nullptr);
  if (augmented_)
    fedloom::augment(augmented_->how, mine.examples->spec(), batch.size, buffer_.features(),
                     augmented_->random, picture_row_);
  return batch;
}

std::uint64_t GatheredData::fingerprint() {
  std::uint64_t hash = size_;
  std::vector<std::uint32_t> positions;
  for (std::size_t first = 0; first < size_; first += kEvaluationBatch) {
    positions.resize(std::min(kEvaluationBatch, size_ - first));
    std::iota(positions.begin(), positions.end(), static_cast<std::uint32_t>(first));
    const Batch rows = batch(positions);
    const auto width = static_cast<std::size_t>(view().examples->spec().width());
    const auto add = [&](const auto* values, std::size_t each) {
      if (values != nullptr) hash = mixed({hash, hash64(std::as_bytes(std::span(values, rows.size * each)))});
    };
    add(rows.features, width);
    add(rows.tokens, width);
    add(rows.mask, width);
    add(rows.targets, rows.targets_each);
  }
  return hash;
}

LocalTrainer::LocalTrainer(std::shared_ptr<const LocalWorld> world)
    : world_(std::move(world)),
      forms_(world_->model, world_->strategy, world_->initial, world_->make_variant),
      optimizer_(world_->make_optimizer()),
      parameters_(world_->initial.size()),
      gradient_(world_->initial.size()) {}

/// The whole model that a client starts from: the message itself where all of it travels.
std::span<const float> LocalTrainer::start_of(const ModelForm& form, const Payload* sent,
                                              const TensorMap& kept) {
  const auto personal = kept.find(kPersonalSlot);
  const bool has_personal = form.personal.size() > 0 && personal != kept.end();
  if (sent != nullptr && sent->values().size() != form.exchanged.size())
    throw user_error("the model came with {} floats; this experiment exchanges {}", sent->values().size(),
                     form.exchanged.size());
  if (has_personal && personal->second.data.size() != form.personal.size())
    throw user_error("a client keeps {} floats of its own, not {}", personal->second.data.size(),
                     form.personal.size());
  if (sent == nullptr && !has_personal) return form.initial;
  if (sent != nullptr && form.exchanged.size() == form.initial.size()) return sent->values();
  // Slices that neither travel nor are kept have their initial values: they are frozen.
  start_ = form.initial;
  if (sent != nullptr) form.exchanged.scatter(sent->values(), start_);
  if (has_personal) form.personal.scatter(personal->second.data, start_);
  return start_;
}

void LocalTrainer::check_client(ClientId client) const {
  if (client >= world_->data->clients())
    throw user_error("client {} is asked for, but there are {}", client, world_->data->clients());
}

Update LocalTrainer::run(const Task& task, const SharedVectors& shared) {
  try {
    return run_checked(task, shared);
  } catch (const std::exception& error) {
    Update failed;
    failed.id = task.id;
    failed.reason = Reason::failed;
    failed.error = error.what();
    return failed;
  }
}

Update LocalTrainer::run_checked(const Task& task, const SharedVectors& shared) {
  check_client(task.id.client);
  check_recipe(task.recipe);
  if (task.recipe.stage > world_->data->stages())
    throw user_error("stage {} is asked for, but the data has {}", task.recipe.stage, world_->data->stages());
  const FederatedData& data = world_->data->stage(task.recipe.stage);
  ModelForm& form = forms_.of(task.recipe);
  data_.open(data.example_count(task.id.client),
             [&data, client = task.id.client] { return data.client(client); });
  check_promise(world_->promised, task.recipe.privacy, data_.size());
  TaskRun run;
  if (world_->strategy->traits().keeps_client_state)
    run.kept = world_->store->load(task.id.client, task.kept_version);
  const auto sent = shared.find("model");
  const Payload* model = sent != shared.end() ? &sent->second : nullptr;
  if (const Payload* own = task.extra("model")) model = own;
  const std::span<const float> start = start_of(form, model, run.kept);
  parameters_.assign(start.begin(), start.end());
  gradient_.resize(start.size());
  const auto at_once = static_cast<std::size_t>(task.recipe.examples_at_once());
  form.fit_workspace(std::min(at_once, std::max<std::size_t>(1, data_.size())));
  optimizer_->reset(*form.model->layout());

  run.task = &task;
  run.model = form.model.get();
  run.exchanged = &form.exchanged;
  run.uploaded = &form.uploaded;
  run.data = &data_;
  run.workspace = form.workspace.get();
  run.optimizer = optimizer_.get();
  run.recipe = task.recipe;
  run.seed = world_->seed;
  run.task_heads = !data.spec().heads.empty();
  run.start = start;
  run.parameters = parameters_;
  run.gradient = gradient_;
  run.shared = shared;
  if (task.recipe.privacy.any()) {
    run.secret = mixed({world_->secret.value_or(world_->seed), fingerprint_of(task, run)});
    // A run that is begun anew asks for the same task, and other data must not get the noise that it had. In
    // a simulation noise follows from the seed, which hides nothing.
    if (world_->secret) run.secret = mixed({run.secret, data_.fingerprint()});
  }
  if (world_->augment.any()) data_.augment(world_->augment, run.step_random(Stream::augment));
  data_.draw_masks(run.step_random(Stream::masking));

  Update update;
  update.id = task.id;
  world_->objective->begin(run);
  world_->objective->work(task.kind, run);
  update.examples = data_.size();
  update.steps = run.steps;
  // A loss is a figure about the data like any other, and no noise covers it.
  if (!task.recipe.privacy.any()) {
    update.loss_sum = run.loss_sum;
    update.loss_count = run.loss_count;
  }
  world_->objective->finish(run, update);
  if (task.recipe.privacy.update_clip > 0.0) privacy::make_private(run, update);
  for (const Payload& slot : update.slots) update.reports.push_back(report_of(slot));
  if (form.personal.size() > 0)
    form.personal.gather(run.parameters, run.kept_slot(kPersonalSlot, form.personal.size()).data);
  if (world_->strategy->traits().keeps_client_state)
    world_->store->propose(task.id.client, task.id.number, run.kept);
  return update;
}

ClientEvaluation LocalTrainer::evaluate(ClientId client, std::uint32_t kept_version,
                                        const SharedVectors& shared) {
  check_client(client);
  const ExampleView own = world_->data->client_test(client);
  ExampleView view = world_->data->evaluation_view(own);
  ModelForm& form = forms_.plain();
  TensorMap kept;
  if (world_->strategy->traits().keeps_client_state && kept_version > 0)
    kept = world_->store->load(client, kept_version);
  const auto sent = shared.find("model");
  std::span<const float> parameters = start_of(form, sent != shared.end() ? &sent->second : nullptr, kept);
  if (const auto model = kept.find("model"); model != kept.end()) parameters = model->second.data;
  if (parameters.size() != form.initial.size())
    throw user_error("client {} keeps a model of {} floats, not {}", client, parameters.size(),
                     form.initial.size());
  ClientEvaluation result;
  result.client = client;
  const std::size_t examples = view.size();
  form.fit_workspace(std::min(kEvaluationBatch, std::max<std::size_t>(1, examples)));
  data_.open(examples, [view = std::move(view)] { return view; });
  std::vector<std::uint32_t> positions;
  for (std::size_t begin = 0; begin < data_.size(); begin += form.workspace->max_batch()) {
    positions.resize(std::min(form.workspace->max_batch(), data_.size() - begin));
    std::iota(positions.begin(), positions.end(), static_cast<std::uint32_t>(begin));
    const Batch batch = data_.batch(positions);
    const LossSum sum =
        softmax_cross_entropy(form.model->forward(parameters, batch, *form.workspace, {}), batch);
    result.examples += batch.judged();
    result.loss_sum += sum.loss;
    result.correct += sum.correct;
  }
  return result;
}

}  // namespace fedloom
