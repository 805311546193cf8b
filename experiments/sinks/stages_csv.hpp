// stages.csv: how well a model does on each stage of a sequence, evaluation by evaluation; there is such a
// file where data comes in stages. Everything in it follows from the federation events, so a resumed run
// rebuilds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/events.hpp"
#include "experiments/sinks/output_file.hpp"

namespace fedloom {

/// A row for each evaluation and each stage seen by then. Columns:
///   round, tick, version, split    the moment, and what was evaluated on
///   stage, ended                   the stage in training; 1 where it has just ended
///   on_stage, accuracy, loss, examples    the quality on one stage; where `ended`, accuracy is
///   R[stage][on_stage] mean_accuracy, forgetting, forgetting_from_best, backward_transfer    of the whole
///   evaluation; empty: undefined
class StagesCsv final : public Sink {
 public:
  using Sink::on;

  /// The file is made by the first evaluation of stages.
  explicit StagesCsv(std::string file) : path_(std::move(file)) {}
  /// What the first `offset` bytes of `events_file` tell stands in it already.
  StagesCsv(const std::string& file, const std::string& events_file, std::uint64_t offset);

  void on(const FederationEvent& event) override;
  /// Throws UserError when the disk is full.
  void finish() override;

  static std::string_view header();

 private:
  std::string path_;
  std::optional<OutputFile> file_;
};

}  // namespace fedloom
