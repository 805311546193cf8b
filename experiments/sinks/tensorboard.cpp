// Hand-encoded protobuf for tensorflow.Event; field numbers from core/util/event.proto and
// core/framework/summary.proto, encoding from protobuf.dev/programming-guides/encoding.
#include "experiments/sinks/tensorboard.hpp"

#include <bit>
#include <cmath>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <boost/crc.hpp>

#include "experiments/sinks/metrics_csv.hpp"

namespace fedloom {

namespace tensorboard {

namespace {

template <class Unsigned>
void put_little_endian(std::string& to, Unsigned value) {
  for (std::size_t i = 0; i < sizeof value; ++i) to += static_cast<char>((value >> (8 * i)) & 0xFF);
}

void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>((value & 0x7F) | 0x80);
  to += static_cast<char>(value);
}

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_key(std::string& to, std::uint32_t field, WireType type) { put_varint(to, field << 3 | type); }

void put_bytes(std::string& to, std::uint32_t field, std::string_view bytes) {
  put_key(to, field, kBytes);
  put_varint(to, bytes.size());
  to += bytes;
}

void put_number(std::string& to, std::uint32_t field, std::uint64_t value) {
  put_key(to, field, kVarint);
  put_varint(to, value);
}

void put_double(std::string& to, std::uint32_t field, double value) {
  put_key(to, field, kFixed64);
  put_little_endian(to, std::bit_cast<std::uint64_t>(value));
}

void put_float(std::string& to, std::uint32_t field, float value) {
  put_key(to, field, kFixed32);
  put_little_endian(to, std::bit_cast<std::uint32_t>(value));
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U; }

std::string record(std::string_view data) {
  std::string framed;
  put_little_endian(framed, static_cast<std::uint64_t>(data.size()));
  put_little_endian(framed, masked_crc32c(framed));
  framed += data;
  put_little_endian(framed, masked_crc32c(data));
  return framed;
}

}  // namespace tensorboard

namespace {

// Fields of tensorflow.Event …
constexpr std::uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
// … of Summary and Summary.Value, and of SessionLog.
constexpr std::uint32_t kValue = 1, kTag = 1, kSimpleValue = 2, kStatus = 1;
constexpr std::uint64_t kStatusStart = 1;

// TensorBoard knows event files by "tfevents" in the name and reads a folder's files in the order of their
// names. The number behind keeps two processes of the same second apart.
OutputFile new_event_file(const std::string& folder, double unix_seconds) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw user_error("cannot make the folder {}: {}", folder, failed.message());
  for (int number = 0;; ++number) {
    const std::string path =
        fmt::format("{}/events.out.tfevents.{:010.0f}.fedloom.{}", folder, std::floor(unix_seconds), number);
    if (!std::filesystem::exists(path)) return OutputFile::create(path);
  }
}

}  // namespace

TensorBoardSink::TensorBoardSink(const std::string& folder, std::function<double()> unix_seconds,
                                 std::optional<WindowId> resumed_after)
    : unix_seconds_(std::move(unix_seconds)), file_(new_event_file(folder, unix_seconds_())) {
  std::string version;
  tensorboard::put_bytes(version, kFileVersion, "brain.Event:2");
  write_event(version);
  if (resumed_after) {
    std::string start, session;
    tensorboard::put_number(session, kStatus, kStatusStart);
    tensorboard::put_number(start, kStep, *resumed_after + 1);
    tensorboard::put_bytes(start, kSessionLog, session);
    write_event(start);
  }
  file_.flush();
}

void TensorBoardSink::restore(const FederationEvent& event) {
  if (const auto* closed = std::get_if<WindowClosed>(&event)) {
    bytes_up_ += closed->bytes_up;
    bytes_down_ += closed->bytes_down;
  } else if (const auto* clients = std::get_if<ClientsEvaluated>(&event)) {
    bytes_up_ += clients->bytes_up;
    bytes_down_ += clients->bytes_down;
  }
}

void TensorBoardSink::on(const FederationEvent& event) {
  if (const auto* closed = std::get_if<WindowClosed>(&event)) {
    const WindowId step = closed->window;
    if (std::isfinite(closed->train_loss)) scalar(step, "train/loss", closed->train_loss);
    scalar(step, "clients/accepted", static_cast<double>(closed->accepted));
    scalar(step, "clients/dropped",
           static_cast<double>(closed->rejected + closed->discarded + closed->lost + closed->cancelled));
    scalar(step, "bytes/up", static_cast<double>(bytes_up_ += closed->bytes_up));
    scalar(step, "bytes/down", static_cast<double>(bytes_down_ += closed->bytes_down));
    for (const auto& [name, value] : closed->metrics) scalar(step, "strategy/" + name, value);
  } else if (const auto* e = std::get_if<Evaluated>(&event)) {
    scalar(e->window, e->split + "/accuracy", e->accuracy);
    scalar(e->window, e->split + "/loss", e->loss);
    file_.flush();
  } else if (const auto* clients = std::get_if<ClientsEvaluated>(&event)) {
    bytes_up_ += clients->bytes_up;  // shown with the next round's
    bytes_down_ += clients->bytes_down;
    if (const auto accuracy = client_accuracy(*clients)) {
      scalar(clients->window, "clients/accuracy_mean", accuracy->mean);
      scalar(clients->window, "clients/accuracy_p10", accuracy->p10);
    }
  }
}

void TensorBoardSink::on(const MachineEvent& event) {
  const auto* state = std::get_if<MachineState>(&event);
  if (state == nullptr) return;
  scalar(state->window, "machine/resident_bytes", static_cast<double>(state->resident_bytes_all));
  scalar(state->window, "machine/client_trainings", static_cast<double>(state->client_trainings));
}

void TensorBoardSink::scalar(WindowId step, std::string_view tag, double value) {
  if (!std::isfinite(value)) return;
  std::string entry, summary, event;
  tensorboard::put_bytes(entry, kTag, tag);
  tensorboard::put_float(entry, kSimpleValue, static_cast<float>(value));
  tensorboard::put_bytes(summary, kValue, entry);
  tensorboard::put_number(event, kStep, step);
  tensorboard::put_bytes(event, kSummary, summary);
  write_event(event);
}

void TensorBoardSink::write_event(std::string_view fields) {
  std::string event;
  tensorboard::put_double(event, kWallTime, unix_seconds_());
  event += fields;
  file_.append(tensorboard::record(event));
}

}  // namespace fedloom
