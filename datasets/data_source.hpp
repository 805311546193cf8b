// Where examples come from, by name. A source either reads stored examples, which a partitioner then spreads
// over clients, or is a federation by itself (generated data whose clients differ by construction). One file
// for each in sources/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/registry.hpp"
#include "datasets/examples.hpp"
#include "datasets/kept_rows.hpp"

namespace fedloom {

/// What a source that brings its own clients needs to know.
struct FederationRequest {
  std::optional<std::uint64_t> clients;
  double validation = 0.0;  // share of every client's training data that the centre tunes on
  std::uint64_t seed = 0;
};

class DataSource {
 public:
  virtual ~DataSource() = default;
  /// The stored examples; files are looked for as `locate` says. The features in `keep` are in memory
  /// afterwards; a source may hold more. Throws UserError.
  virtual SplitExamples load(const std::string& data_dir, const KeptFeatures& keep) const;
  /// The same form of data from one folder: a deployed client's own files. Throws UserError.
  virtual SplitExamples load_folder(const std::string& folder) const;
  /// The texts that load() would train on, without labels, for a source of texts: what vocabularies are
  /// counted on and encoders pretrained. None for other sources. Throws UserError.
  virtual std::optional<std::vector<std::string>> texts(const std::string& /*data_dir*/) const {
    return std::nullopt;
  }
  /// The federation itself, or null when this source has stored examples.
  virtual std::shared_ptr<const FederatedData> federate(const FederationRequest&) const { return nullptr; }
};

using DatasetRegistry = Registry<std::unique_ptr<DataSource>>;

/// FEDLOOM_DATA where it is set, else "data" in the working folder.
std::string default_data_dir();

/// `path` as it stands, or below data_dir, each plain, .gz or .xz. Throws UserError when there is no such
/// file; `key` is the setting it was written under.
std::string locate(const std::string& path, const std::string& data_dir, const char* key);

/// Throws UserError when a class is named twice in data.source.labels.
template <class Label>
void refuse_twice(const std::vector<Label>& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (labels[i] == labels[k])
        throw user_error("data.source.labels: {} is there twice, as class {} and {}", labels[i], k, i);
}

}  // namespace fedloom
