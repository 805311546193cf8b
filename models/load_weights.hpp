// From the tensors of a safetensors file to the slices of a model: names are translated, shapes compared, and
// whatever has no partner on the other side is an error or is reported. The file itself is safetensors.hpp.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/layout.hpp"
#include "models/safetensors.hpp"

namespace fedloom {

/// Turns the names of a file into those of a model.
class NameMap {
 public:
  NameMap() = default;
  /// Rules (from, to), in order, each applied to what the one before it made of a name. `from` is how names
  /// begin ("module."), or, between slashes, a regular expression (ECMAScript) whose first match is replaced
  /// ("/block(\d+)_/" to "blocks.$1."). Throws UserError for an empty or malformed `from`.
  explicit NameMap(const std::vector<std::pair<std::string, std::string>>& rules);

  std::string operator()(std::string name) const;

 private:
  struct Rule;
  std::shared_ptr<const std::vector<Rule>> rules_;  // compiled once, shared by copies
};

struct LoadOptions {
  NameMap names = {};
  /// Slices that keep their values although the file may have them: names, or patterns with '*'; "head" also
  /// means "head.*". One that fits no slice is a UserError.
  std::vector<std::string> fresh = {};
  /// Names of slices that the file may lack; they keep their values then, and are not reported.
  std::vector<std::string> optional = {};
  /// All others that the file lacks keep their values too. It must have at least one slice.
  bool partial = false;
  /// Of the data that the model is for (DataSpec): slices with a row for every token are taken only from
  /// weights of the same vocabulary, where both sides say which it is.
  std::int64_t vocabulary = 0;
  std::uint64_t vocabulary_id = 0;
};

/// How a vocabulary_id is written under "vocabulary" in the metadata of a file.
std::string vocabulary_text(std::uint64_t id);

/// What had no partner.
struct LoadReport {
  std::vector<std::string> kept;    // slices that kept their values, in layout order
  std::vector<std::string> unused;  // tensors, by their names in the file
};

/// Fills `values` (of `layout`) from the file. Throws UserError, and then has changed nothing, when a slice
/// is missing, has another shape or a type that is no float, is about another vocabulary, or when two tensors
/// are given one name.
LoadReport load_weights(const SafetensorsFile& file, const Layout& layout, std::span<float> values,
                        const LoadOptions& options = {});

}  // namespace fedloom
