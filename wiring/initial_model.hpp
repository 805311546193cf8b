// The model before round 1: drawn from the seed, or from there on filled with the weights of a file
// (`model.init`). Equal to the bit on every process that has the experiment and the file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/layout.hpp"
#include "models/model.hpp"

namespace fedloom {

struct ExperimentConfig;

/// `model.init` where it names a file.
struct InitConfig {
  std::string file;
  TextMap rename;
  std::vector<std::string> fresh;
  bool partial = false;
  std::string sha256;

  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("name", "file");  // what --set model.init.partial=true makes of `init: FILE`
    v("file", file,
      "a safetensors file, relative to the experiment file, else to the working folder; `init: FILE` is "
      "short for it");
    v("rename", rename,
      "turns its names into the model's, rule after rule: how names begin, or /a regular expression/, and "
      "what "
      "takes its place");
    v("fresh", fresh,
      "slices (names or patterns with *) that start at random whatever the file has: a new head");
    v("partial", partial, "slices that the file lacks start at random; false: they are an error");
    v("sha256", sha256,
      "what the bytes of the file must hash to; left out: it is filled in when a run starts");
  }
};

/// Takes `init` out of the settings of `model` where it names a file: a map, or text that ends in
/// .safetensors. Another word is the model's own initializer and stays. Throws UserError.
std::optional<InitConfig> take_init(ComponentSpec& model);

/// Makes the path absolute, and fills in or compares the hash when the file is there. A deployed client may
/// do without it, so that it is missing is said when it is needed.
void locate_init(InitConfig& init, const std::string& folder);

struct InitialModel {
  FloatBuffer values;              // of the model's layout
  std::vector<std::string> notes;  // lines for a person: what started at random, what of the file is not used
};

/// What is written into the weights that a run ends with: where they are from, and the vocabulary of their
/// tokens, which weights to start from are asked for.
std::map<std::string, std::string> weights_metadata(const ExperimentConfig& config, const DataSpec& data,
                                                    std::uint64_t rounds);

/// `model` as the experiment names it for this form of data. What its adapter adds to the base may be in the
/// file and need not be. Throws UserError when the file is missing, is not the one that was hashed, or does
/// not fit the model.
InitialModel initial_model(const ExperimentConfig& config, const DataSpec& data, const Model& model);

}  // namespace fedloom
