// Labelled examples in memory, and a federation of clients over them. A data set knows nothing of models:
// it fills plain arrays.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/data_spec.hpp"
#include "core/random.hpp"
#include "core/registry.hpp"

namespace fedloom {

/// Where examples with hidden tokens are written, K = spec().predictions.
struct MaskedRows {
  std::int32_t* tokens;   // (count, length), what the model reads
  std::uint8_t* mask;     // (count, length)
  std::int32_t* places;   // (count, K), the positions whose tokens are to be told
  std::int32_t* targets;  // (count, K), those tokens; -1 (and place 0) where an example has fewer than K
};

/// N examples of one form; immutable and shared between threads.
class Examples {
 public:
  virtual ~Examples() = default;
  virtual const DataSpec& spec() const = 0;
  virtual std::size_t size() const = 0;
  /// Label of example i, in [0, classes).
  virtual std::int32_t label(std::size_t i) const = 0;
  /// Writes the chosen examples: features (count, width) with normalisation applied, labels (count).
  virtual void gather(std::span<const std::uint32_t> indices, float* features,
                      std::int32_t* labels) const = 0;
  /// Same for token data: tokens and mask (count, length). Default: programmer error.
  virtual void gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens, std::uint8_t* mask,
                             std::int32_t* labels) const;
  /// The same where spec().predictions > 0, with tokens hidden: by draws from `draws`, or where it is nullptr
  /// the same ones of an example whenever it is asked for. Default: programmer error.
  virtual void gather_masked(std::span<const std::uint32_t> indices, Random* draws,
                             const MaskedRows& rows) const;
  /// The natural client of example i (writer, speaker, user) where the source has one.
  virtual std::optional<std::uint32_t> group(std::size_t) const { return std::nullopt; }
  /// Whether the features of example i are in memory. Those of others must not be gathered (programmer
  /// error); labels and groups are always there.
  virtual bool holds(std::size_t) const { return true; }
  /// Bytes held in memory, for estimates.
  virtual std::size_t memory_bytes() const = 0;
};

/// A part of an example store: what one client trains on. Keeps the store alive.
struct ExampleView {
  std::shared_ptr<const Examples> examples;
  std::vector<std::uint32_t> indices;

  std::size_t size() const { return indices.size(); }
  /// Whether the features of every example of the view are in memory.
  bool held() const;
};

/// The centre's view of a data set before it is split over clients.
struct SplitExamples {
  std::shared_ptr<const Examples> train;
  std::vector<std::uint32_t> train_indices;  // what clients share (validation removed)
  ExampleView validation;                    // tuning may see only this; may be empty
  ExampleView test;                          // for reporting
};

/// Clients and their data. Clients are numbered 0 .. clients()-1. All methods are const, thread-safe and
/// depend only on the configuration and the seed.
class FederatedData {
 public:
  virtual ~FederatedData() = default;
  virtual const DataSpec& spec() const = 0;
  virtual std::size_t clients() const = 0;
  /// Number of training examples of a client, without building its data. May be 0.
  virtual std::size_t example_count(std::size_t client) const = 0;
  /// The client's training data. Cheap for stored sets; generated on the spot for synthetic ones.
  virtual ExampleView client(std::size_t client) const = 0;
  /// The client's own held-out data for per-client evaluation; empty when there is none.
  virtual ExampleView client_test(std::size_t client) const = 0;
  virtual const ExampleView& validation() const = 0;
  virtual const ExampleView& test() const = 0;
  /// What of the common sets stands in for a client's own: test(), or while tuning validation().
  virtual const ExampleView& common_evaluation() const { return test(); }
  /// What a client is evaluated on whose client_test() is `own`: that, or the common set where it is empty.
  const ExampleView& evaluation_view(const ExampleView& own) const {
    return own.size() > 0 ? own : common_evaluation();
  }
  virtual std::size_t memory_bytes() const = 0;
  /// The number of stages, where the data comes as a sequence of them (datasets/continual.hpp); 0 where not.
  virtual std::size_t stages() const { return 0; }
  /// The federation as it is in stage 1 .. stages(): the same clients, some perhaps without data. 0: all of
  /// it.
  virtual const FederatedData& stage(std::size_t number) const;
};

}  // namespace fedloom
