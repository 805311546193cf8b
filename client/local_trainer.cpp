// One task, start to finish, on reused buffers.
#include "client/local_trainer.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "models/loss.hpp"

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
  const Schedule& schedule = recipe.schedule;
  if (schedule.warmup < 0) refuse("schedule.warmup", schedule.warmup);
  if (schedule.every < 1) refuse("schedule.every", schedule.every);
  if (!std::isfinite(schedule.gamma)) refuse("schedule.gamma", schedule.gamma);
  if (!std::isfinite(schedule.min_lr)) refuse("schedule.min_lr", schedule.min_lr);
}

}  // namespace

void GatheredData::open(std::size_t size, std::function<ExampleView()> find) {
  size_ = size;
  find_ = std::move(find);
  view_.reset();
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
  const DataSpec& spec = mine.examples->spec();
  const auto width = static_cast<std::size_t>(spec.width());
  indices_.clear();
  for (const std::uint32_t position : positions) indices_.push_back(mine.indices[position]);
  labels_.resize(positions.size());
  Batch batch;
  batch.size = positions.size();
  if (spec.vocabulary > 0) {
    tokens_.resize(positions.size() * width);
    mask_.resize(positions.size() * width);
    mine.examples->gather_tokens(indices_, tokens_.data(), mask_.data(), labels_.data());
    batch.tokens = tokens_.data();
    batch.mask = mask_.data();
  } else {
    if (features_.size() < positions.size() * width) features_.resize(positions.size() * width);
    mine.examples->gather(indices_, features_.data(), labels_.data());
    batch.features = features_.data();
  }
  batch.targets = labels_.data();
  return batch;
}

LocalTrainer::LocalTrainer(std::shared_ptr<const LocalWorld> world)
    : world_(std::move(world)),
      exchanged_(world_->strategy->exchanged(*world_->model->layout())),
      optimizer_(world_->make_optimizer()),
      parameters_(world_->initial.size()),
      gradient_(world_->initial.size()) {}

/// The whole model as it was sent: the message itself where all of it travels.
std::span<const float> LocalTrainer::start_of(const SharedVectors& shared) {
  const auto it = shared.find("model");
  if (it == shared.end()) return world_->initial;
  const std::span<const float> values = it->second.values();
  if (values.size() != exchanged_.size())
    throw user_error("the model came with {} floats; this experiment exchanges {}", values.size(),
                     exchanged_.size());
  if (values.size() == world_->initial.size()) return values;
  // Slices that do not travel keep their initial values: they are frozen, or personal and in kept state.
  start_ = world_->initial;
  exchanged_.scatter(values, start_);
  return start_;
}

void LocalTrainer::fit_workspace(std::size_t batch_size) {
  if (!workspace_ || workspace_->max_batch() < batch_size) workspace_ = world_->model->workspace(batch_size);
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
  if (task.id.client >= world_->data->clients())
    throw user_error("client {} is asked for, but there are {}", task.id.client, world_->data->clients());
  check_recipe(task.recipe);
  data_.open(world_->data->example_count(task.id.client),
             [this, client = task.id.client] { return world_->data->client(client); });
  const std::span<const float> start = start_of(shared);
  std::copy(start.begin(), start.end(), parameters_.begin());
  const auto at_once = static_cast<std::size_t>(task.recipe.examples_at_once());
  fit_workspace(std::min(at_once, std::max<std::size_t>(1, data_.size())));
  optimizer_->reset(*world_->model->layout());

  TaskRun run;
  run.task = &task;
  run.model = world_->model.get();
  run.exchanged = &exchanged_;
  run.data = &data_;
  run.workspace = workspace_.get();
  run.optimizer = optimizer_.get();
  run.recipe = task.recipe;
  run.seed = world_->seed;
  run.start = start;
  run.parameters = parameters_;
  run.gradient = gradient_;
  run.shared = shared;
  if (world_->strategy->traits().keeps_client_state)
    run.kept = world_->store->load(task.id.client, task.kept_version);

  Update update;
  update.id = task.id;
  world_->objective->begin(run);
  world_->objective->work(task.kind, run);
  update.examples = data_.size();
  update.steps = run.steps;
  update.loss_sum = run.loss_sum;
  update.loss_count = run.loss_count;
  world_->objective->finish(run, update);
  for (const Payload& slot : update.slots) update.reports.push_back(report_of(slot));
  if (world_->strategy->traits().keeps_client_state)
    world_->store->propose(task.id.client, task.id.number, run.kept);
  return update;
}

ClientEvaluation LocalTrainer::evaluate(ClientId client, std::uint32_t kept_version,
                                        const SharedVectors& shared) {
  const ExampleView own = world_->data->client_test(client);
  ExampleView view = world_->data->evaluation_view(own);
  std::span<const float> parameters = start_of(shared);
  TensorMap kept;
  if (world_->strategy->traits().keeps_client_state && kept_version > 0) {
    kept = world_->store->load(client, kept_version);
    if (const auto personal = kept.find("model"); personal != kept.end()) parameters = personal->second.data;
    if (parameters.size() != world_->initial.size())
      throw user_error("client {} keeps a model of {} floats, not {}", client, parameters.size(),
                       world_->initial.size());
  }
  ClientEvaluation result;
  result.client = client;
  result.examples = view.size();
  fit_workspace(std::min(kEvaluationBatch, std::max<std::size_t>(1, result.examples)));
  data_.open(result.examples, [view = std::move(view)] { return view; });
  std::vector<std::uint32_t> positions;
  for (std::size_t begin = 0; begin < data_.size(); begin += workspace_->max_batch()) {
    positions.resize(std::min(workspace_->max_batch(), data_.size() - begin));
    std::iota(positions.begin(), positions.end(), static_cast<std::uint32_t>(begin));
    const Batch batch = data_.batch(positions);
    const LossSum sum = softmax_cross_entropy(world_->model->forward(parameters, batch, *workspace_, {}),
                                              {batch.targets, batch.size}, world_->model->outputs());
    result.loss_sum += sum.loss;
    result.correct += sum.correct;
  }
  return result;
}

}  // namespace fedloom
