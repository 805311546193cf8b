// events.jsonl: the federation, one line per event, with a running SHA-256 over the bytes of the file (the
// events_hash of the summary). Nothing of the machine gets in here: the bytes are equal for any number of
// workers.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include "core/events.hpp"
#include "core/hash.hpp"
#include "experiments/sinks/output_file.hpp"

namespace fedloom {

class EventsLog final : public Sink {
 public:
  using Sink::on;

  /// Starts an empty log.
  explicit EventsLog(const std::string& file);
  /// Goes on after the first `offset` bytes, as offset() gave them to a checkpoint; what follows is cut off
  /// and the prefix is hashed anew. Throws UserError when the file is shorter or is not cut at a line there;
  /// compare hash() with the one in the checkpoint to be sure that the prefix is the same.
  EventsLog(const std::string& file, std::uint64_t offset);

  /// Throws UserError when the disk is full; the file then still ends with a whole line.
  void on(const FederationEvent& event) override;
  void finish() override { file_.flush(); }

  /// Everything so far survives the death of this process (flush) or of the machine (sync).
  void flush() { file_.flush(); }
  void sync() { file_.sync(); }
  /// Byte offset after the last event.
  std::uint64_t offset() const { return file_.offset(); }
  /// SHA-256 over the bytes [0, offset()), in hex.
  std::string hash() const { return hash_.hex(); }
  const std::string& path() const { return file_.path(); }

 private:
  OutputFile file_;
  Sha256 hash_;
};

inline constexpr std::uint64_t kWholeFile = std::numeric_limits<std::uint64_t>::max();

/// The inverse of to_json. Null numbers become NaN. Throws UserError on anything else than a federation
/// event.
FederationEvent parse_federation_event(std::string_view line);

/// Calls `use` for each event in the first `limit` bytes of an events.jsonl, in order. A last line without
/// its newline is left out: its writer was killed. Event kinds for which `wanted` is false are skipped
/// unparsed. Throws UserError (file:line) on a line that is no event.
void for_each_event(const std::string& file, std::uint64_t limit,
                    const std::function<void(const FederationEvent&)>& use,
                    const std::function<bool(std::string_view kind)>& wanted = {});

/// Calls `use` with each line that ends with a newline and its number, counted from 1; the newline is left
/// out.
void for_each_line(const std::string& file, std::uint64_t limit,
                   const std::function<void(std::string_view line, std::uint64_t number)>& use);

}  // namespace fedloom
