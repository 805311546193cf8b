// Small fields through the checked archive, vectors through the tensor file form, one hash over both.
#include "server/checkpoint.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/hash.hpp"
#include "core/tensor_file.hpp"
#include "transport/bounded_archive.hpp"
#include "transport/codec.hpp"

namespace fedloom {

namespace {

constexpr std::string_view kMagic = "FLCKPT06";
constexpr std::string_view kModel = "model";
constexpr std::string_view kSlotPrefix = "slot/";
constexpr std::string_view kVersionPrefix = "version/";  // version/VERSION/NAME
constexpr std::string_view kTaskPrefix = "task/";        // task/CLIENT/NUMBER/INDEX

// A task in flight; its tensors lie with the others.
struct LiveHead {
  TaskId id;
  std::string task;  // the message's head
  std::uint64_t tensors = 0;
  Tick started = 0;
  std::uint64_t seen = 0, bytes_down = 0, bytes_up = 0, examples = 0;
  bool straggler = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(id, task, tensors, started, seen, bytes_down, bytes_up, examples, straggler);
  }
};

// A version that tasks in flight start from.
struct VersionHead {
  Version version = 0;
  std::vector<std::string> names;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(version, names);
  }
};

struct Flight {
  std::vector<LiveHead> tasks;
  std::vector<VersionHead> versions;
};

std::string tensor_of(TaskId task, std::size_t index) {
  return fmt::format("{}{}/{}/{}", kTaskPrefix, task.client, task.number, index);
}

std::string tensor_of(Version version, const std::string& name) {
  return fmt::format("{}{}/{}", kVersionPrefix, version, name);
}

Flight list_flight(const FederationState& state, std::vector<TensorView>& tensors) {
  Flight flight;
  for (const auto& [id, live] : state.live) {
    const Work& work = live.work;
    flight.tasks.push_back({id, encode(live.task).head, live.task.extras.size(), live.started, work.examples,
                            work.bytes_down, work.bytes_up, live.examples, live.straggler});
    for (std::size_t i = 0; i < live.task.extras.size(); ++i) {
      const std::span<const float> values = live.task.extras[i].values();
      tensors.push_back({tensor_of(id, i), {static_cast<std::int64_t>(values.size())}, values});
    }
  }
  for (const auto& [version, live] : state.versions) {
    if (live.uses == 0) continue;
    flight.versions.push_back({version, {}});
    for (const Payload& payload : live.shared) {
      flight.versions.back().names.push_back(payload.name);
      tensors.push_back({tensor_of(version, payload.name), payload.shape, payload.values()});
    }
  }
  return flight;
}

Tensor take(TensorMap& tensors, const std::string& name, const std::string& source) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) throw user_error("{}: lacks the tensor {}; the file is damaged", source, name);
  return std::move(tensors.extract(it).mapped());
}

void restore_flight(const Flight& flight, TensorMap& tensors, FederationState& state,
                    const std::string& source) {
  for (const VersionHead& head : flight.versions)
    for (const std::string& name : head.names)
      state.versions[head.version].shared.push_back(
          Payload::from(name, take(tensors, tensor_of(head.version, name), source)));
  for (const LiveHead& head : flight.tasks) {
    Message message;
    message.type = static_cast<std::uint16_t>(MessageType::task);
    message.head = head.task;
    for (std::size_t i = 0; i < head.tensors; ++i)
      message.blobs.push_back(Blob::from(take(tensors, tensor_of(head.id, i), source).data));
    const auto task = decode<Task>(message);
    if (!task || !state.versions.contains(task->version))
      throw user_error("{}: a task in flight does not parse; the file is damaged", source);
    LiveTask& live = state.live[task->id];
    live = {*task,
            head.started,
            {task->id, head.seen, head.bytes_down, head.bytes_up},
            head.examples,
            head.straggler};
    ++state.versions.at(task->version).uses;
  }
}

template <class Archive, class State>
void fields(Archive& archive, State& checkpoint, Flight& flight, std::uint64_t& layout) {
  archive(layout, checkpoint.experiment, checkpoint.events_offset, checkpoint.wall_seconds);
  auto& state = checkpoint.state;
  archive(state.windows, state.now, state.ended, state.totals, state.records, state.superseded,
          state.server.version, state.server.scalars, state.next_evaluation, state.patch_bytes, state.epsilon,
          state.stage_accuracies, flight.tasks, flight.versions);
}

}  // namespace

std::string checkpoint_to_bytes(const Checkpoint& checkpoint) {
  Checkpoint copy;  // everything but the vectors, which are large
  copy.experiment = checkpoint.experiment;
  copy.events_offset = checkpoint.events_offset;
  copy.wall_seconds = checkpoint.wall_seconds;
  const FederationState& state = checkpoint.state;
  copy.state.windows = state.windows;
  copy.state.now = state.now;
  copy.state.ended = state.ended;
  copy.state.totals = state.totals;
  copy.state.records = state.records;
  copy.state.superseded = state.superseded;
  copy.state.epsilon = state.epsilon;
  copy.state.server.version = state.server.version;
  copy.state.server.scalars = state.server.scalars;
  copy.state.next_evaluation = state.next_evaluation;
  copy.state.patch_bytes = state.patch_bytes;
  copy.state.stage_accuracies = state.stage_accuracies;
  std::vector<TensorView> tensors = {{std::string(kModel),
                                      {static_cast<std::int64_t>(state.server.model.layout().size())},
                                      state.server.model.values()}};
  Flight flight = list_flight(state, tensors);
  std::uint64_t layout = state.server.model.layout().fingerprint();
  std::string head;
  ByteWriter writer(head);
  fields(writer, copy, flight, layout);

  for (const auto& [name, tensor] : state.server.slots)
    tensors.push_back({std::string(kSlotPrefix) + name, tensor.shape, tensor.data});
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorView& a, const TensorView& b) { return a.name < b.name; });

  std::string bytes(kMagic);
  const std::uint64_t head_size = head.size();
  bytes.append(reinterpret_cast<const char*>(&head_size), sizeof head_size);
  bytes += head;
  append_tensors(bytes, tensors);
  const std::uint64_t hash = hash64(bytes);
  bytes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  return bytes;
}

Checkpoint checkpoint_from_bytes(std::string_view bytes, std::shared_ptr<const Layout> layout,
                                 const std::string& source) {
  const std::size_t frame = kMagic.size() + sizeof(std::uint64_t);
  if (bytes.size() < frame + sizeof(std::uint64_t) || !bytes.starts_with(kMagic))
    throw user_error("{}: not a checkpoint of this version, or cut short", source);
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(std::uint64_t));
  std::uint64_t stored = 0;
  std::memcpy(&stored, bytes.data() + body.size(), sizeof stored);
  if (stored != hash64(body))
    throw user_error("{}: the checksum does not match; the file is damaged", source);
  std::uint64_t head_size = 0;
  std::memcpy(&head_size, body.data() + kMagic.size(), sizeof head_size);
  if (head_size > body.size() - frame) throw user_error("{}: the file is damaged", source);

  Checkpoint checkpoint;
  Flight flight;
  std::uint64_t written_layout = 0;
  try {
    ByteReader reader(body.substr(frame, head_size));
    fields(reader, checkpoint, flight, written_layout);
    reader.expect_end();
  } catch (const MalformedBytes& error) {
    throw user_error("{}: the file is damaged: {}", source, error.what());
  }
  if (written_layout != layout->fingerprint())
    throw ForeignCheckpoint(fmt::format(
        "{}: is of a model with layout {:016x}, this experiment's has {:016x}; resume with the experiment "
        "that wrote it",
        source, written_layout, layout->fingerprint()));
  TensorMap tensors = tensors_from_bytes(body.substr(frame + head_size), source);
  const auto model = tensors.find(kModel);
  if (model == tensors.end() || model->second.data.size() != layout->size())
    throw user_error("{}: holds no model of {} parameters", source, layout->size());
  checkpoint.state.server.model = ParameterVector(std::move(layout));
  std::copy(model->second.data.begin(), model->second.data.end(),
            checkpoint.state.server.model.values().begin());
  tensors.erase(model);
  restore_flight(flight, tensors, checkpoint.state, source);
  for (auto& [name, tensor] : tensors)
    checkpoint.state.server.slots.emplace(name.substr(kSlotPrefix.size()), std::move(tensor));
  return checkpoint;
}

CheckpointFolder::CheckpointFolder(std::string folder, std::uint64_t keep)
    : folder_(std::move(folder)), keep_(keep) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) throw user_error("{}: this folder for checkpoints cannot be made: {}", folder_, error.message());
}

std::vector<std::string> CheckpointFolder::files() const {
  std::vector<std::string> files;
  for (const std::string& name : names_in(folder_))
    if (name.ends_with(".flc")) files.push_back(folder_ + "/" + name);
  return files;
}

CheckpointFolder::Written CheckpointFolder::write(const Checkpoint& checkpoint) {
  const std::string file = fmt::format("{}/checkpoint-{:08}.flc", folder_, checkpoint.state.windows);
  const std::string bytes = checkpoint_to_bytes(checkpoint);
  write_file_atomically(file, bytes, true);
  std::vector<std::string> all = files();
  std::error_code ignored;
  // A later window is of a future that was given up, or a damaged file that the resume passed over.
  for (; !all.empty() && all.back() > file; all.pop_back()) std::filesystem::remove(all.back(), ignored);
  for (std::size_t i = 0; i + keep_ < all.size(); ++i) std::filesystem::remove(all[i], ignored);
  return {file, bytes.size()};
}

std::optional<CheckpointFolder::Loaded> CheckpointFolder::newest(
    const std::shared_ptr<const Layout>& layout) const {
  std::vector<std::string> all = files();
  Loaded loaded;
  while (!all.empty()) {
    loaded.file = all.back();
    all.pop_back();
    try {
      loaded.checkpoint = checkpoint_from_bytes(read_file(loaded.file), layout, loaded.file);
      return loaded;
    } catch (const ForeignCheckpoint&) {
      throw;
    } catch (const UserError& error) {
      loaded.skipped.emplace_back(error.what());
    }
  }
  if (!loaded.skipped.empty())
    throw user_error("no sound checkpoint in {}: {}", folder_, fmt::join(loaded.skipped, "; "));
  return std::nullopt;
}

}  // namespace fedloom
