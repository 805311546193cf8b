// A window boundary on disk: the federation's whole state and where the event log stood. Written to a
// temporary name, synced, renamed; checked by hash on reading. No algorithm has code here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "server/federation_state.hpp"

namespace fedloom {

struct Checkpoint {
  FederationState state;
  std::uint64_t experiment = 0;     // fingerprint of what must not change between runs
  std::uint64_t events_offset = 0;  // bytes of events.jsonl at the boundary
  double wall_seconds = 0.0;        // spent so far, over all interruptions
};

/// A sound checkpoint of another model: a mistake to report, where a damaged file has an older sibling.
struct ForeignCheckpoint : UserError {
  using UserError::UserError;
};

/// The bytes of the file form and back; `layout` gives the model its meaning. Reading throws UserError when
/// the bytes are damaged, ForeignCheckpoint when they are of another layout, naming `source` and both
/// fingerprints.
std::string checkpoint_to_bytes(const Checkpoint& checkpoint);
Checkpoint checkpoint_from_bytes(std::string_view bytes, std::shared_ptr<const Layout> layout,
                                 const std::string& source);

/// Checkpoints of a run: `checkpoint-00000020.flc` and so on in one folder.
class CheckpointFolder {
 public:
  /// Keeps the newest `keep` >= 1 files.
  CheckpointFolder(std::string folder, std::uint64_t keep);

  struct Written {
    std::string file;
    std::uint64_t bytes = 0;
  };
  /// Throws UserError (full disk, permissions); older checkpoints stay. Later windows' files are removed.
  Written write(const Checkpoint& checkpoint);
  struct Loaded {
    Checkpoint checkpoint;
    std::string file;
    std::vector<std::string> skipped;  // newer files that were damaged, and why
  };
  /// The newest sound checkpoint, or nothing when there is none.
  std::optional<Loaded> newest(const std::shared_ptr<const Layout>& layout) const;

 private:
  std::vector<std::string> files() const;

  std::string folder_;
  std::uint64_t keep_;
};

}  // namespace fedloom
