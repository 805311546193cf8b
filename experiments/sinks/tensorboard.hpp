// TensorBoard event files, written without TensorFlow: TFRecord framing (length, masked CRC-32C) around the
// few protobuf fields that a scalar needs. After TensorFlow's core/lib/io/record_writer.h and
// core/util/event.proto.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/events.hpp"
#include "experiments/sinks/output_file.hpp"

namespace fedloom {

/// Scalars by window: test/accuracy, test/loss (and the same for every other split), train/loss,
/// clients/accepted, clients/dropped, clients/accuracy_mean, clients/accuracy_p10, bytes/up, bytes/down (sums
/// since the start of the run), strategy/<metric>, machine/resident_bytes, machine/client_trainings.
class TensorBoardSink final : public Sink {
 public:
  using Sink::on;

  /// Adds a new event file to `folder` (made if missing). `unix_seconds`: wall clock since 1970, stamped on
  /// each event. On resume pass the window of the checkpoint: TensorBoard then drops the later points of
  /// older files.
  TensorBoardSink(const std::string& folder, std::function<double()> unix_seconds,
                  std::optional<WindowId> resumed_after = std::nullopt);

  /// An event from before the checkpoint of a resumed run: counted in the sums, not written again.
  void restore(const FederationEvent& event);

  void on(const FederationEvent& event) override;
  void on(const MachineEvent& event) override;
  void finish() override { file_.flush(); }
  const std::string& file() const { return file_.path(); }

 private:
  void scalar(WindowId step, std::string_view tag, double value);
  void write_event(std::string_view fields);

  std::function<double()> unix_seconds_;
  OutputFile file_;
  std::uint64_t bytes_up_ = 0;
  std::uint64_t bytes_down_ = 0;
};

namespace tensorboard {

/// CRC-32C (Castagnoli) as iSCSI defines it: RFC 3720, B.4.
std::uint32_t crc32c(std::string_view bytes);
/// The rotated and shifted form that TFRecord stores, so that a CRC over data holding CRCs stays useful.
std::uint32_t masked_crc32c(std::string_view bytes);
/// One TFRecord: length (8 bytes), CRC of the length, data, CRC of the data; little-endian.
std::string record(std::string_view data);

}  // namespace tensorboard

}  // namespace fedloom
