// Views into the joined stores: the training store of stage t is store 2 (t - 1), its test store the next.
#include "datasets/staged_data.hpp"

#include "core/error.hpp"

namespace fedloom {

namespace {

std::shared_ptr<const JoinedExamples> joined_stores(
    const std::vector<std::shared_ptr<const PartitionedData>>& stages) {
  std::vector<std::shared_ptr<const Examples>> stores;
  for (const auto& stage : stages) {
    stores.push_back(stage->validation().examples);
    stores.push_back(stage->test().examples);
  }
  return std::make_shared<JoinedExamples>(std::move(stores));
}

}  // namespace

StagedData::StagedData(std::vector<std::shared_ptr<const PartitionedData>> stages, std::size_t memory_bytes)
    : stages_(std::move(stages)),
      stores_(joined_stores(stages_)),
      validation_{stores_, {}},
      test_{stores_, {}},
      memory_bytes_(memory_bytes) {
  for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
    FEDLOOM_CHECK(stages_[stage]->clients() == clients(), "{} clients in stage {}, {} in stage 1",
                  stages_[stage]->clients(), stage + 1, clients());
    append(validation_, stages_[stage]->validation(), stage);
    append(test_, stages_[stage]->test(), stage);
  }
}

void StagedData::append(ExampleView& all, const ExampleView& part, std::size_t stage) const {
  const bool of_training = part.examples == stages_[stage]->validation().examples;
  const std::uint32_t offset = stores_->offset(2 * stage + (of_training ? 0 : 1));
  for (const std::uint32_t index : part.indices) all.indices.push_back(offset + index);
}

std::size_t StagedData::example_count(std::size_t client) const {
  std::size_t count = 0;
  for (const auto& stage : stages_) count += stage->example_count(client);
  return count;
}

ExampleView StagedData::client(std::size_t client) const {
  ExampleView all{stores_, {}};
  for (std::size_t stage = 0; stage < stages_.size(); ++stage)
    append(all, stages_[stage]->client(client), stage);
  return all;
}

ExampleView StagedData::client_test(std::size_t client) const {
  ExampleView all{stores_, {}};
  for (std::size_t stage = 0; stage < stages_.size(); ++stage)
    append(all, stages_[stage]->client_test(client), stage);
  return all;
}

const FederatedData& StagedData::stage(std::size_t number) const {
  FEDLOOM_CHECK(number <= stages_.size(), "stage {} of {}", number, stages_.size());
  if (number == 0) return *this;
  return *stages_[number - 1];
}

}  // namespace fedloom
