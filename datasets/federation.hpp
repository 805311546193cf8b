// From the `data:` part of an experiment to clients with data.
// The one entry for programs; sources, splits and partitioners stand behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/config.hpp"
#include "datasets/augmentation.hpp"
#include "datasets/data_holder.hpp"
#include "datasets/examples.hpp"

namespace fedloom {

/// The `data:` part of an experiment file.
struct DataConfig {
  ComponentSpec source{"synthetic"};
  ComponentSpec partition{"auto"};
  std::optional<std::uint64_t> clients;
  double validation = 0.0;
  double client_test = 0.0;
  bool group_test = false;
  Augmentation augment;
  std::uint64_t train_limit = 0;
  std::uint64_t test_limit = 0;
  bool tuning = false;  // not a key: clients are evaluated on validation data, as evaluate.on says

  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("name", "source");
    v("source", source, "the data set: a name from `fedloom list datasets`, or a map with its settings");
    v("partition", partition,
      "how examples are spread over clients: a name from `fedloom list partitioners`; auto: the clients that "
      "the "
      "data brings, else iid");
    v("clients", clients, "number of clients; left out: 100, or as many as the data brings", between(1, 4e9));
    v("validation", validation, "share of the training data held back for tuning", between(0, 0.9));
    v("client_test", client_test, "share of each client's data held out for its own evaluation",
      between(0, 0.9));
    v("group_test", group_test,
      "evaluate each client on test examples of its own groups (domains, people), which the clients of a "
      "group share evenly");
    v("augment", augment, "random changes to the pictures of training batches");
    v("train_limit", train_limit, "use a random this-many training examples; 0 is all", at_least(0));
    v("test_limit", test_limit, "test on a random this-many examples; 0 is all", at_least(0));
  }
};

/// The federation that `config` describes; a pure function of its arguments and the files. `holder` decides
/// which features are in memory (at least those it needs), and nothing else. Throws UserError.
std::shared_ptr<const FederatedData> load_federated_data(const DataConfig& config, std::uint64_t seed,
                                                         const std::string& data_dir,
                                                         const DataHolder& holder = DataHolder::everyone());

/// The data of a deployed client: the files in `folder` in the form of config.source, as those of client
/// number `client`. Its test part, if there is one, is both test() and its client_test(). Throws UserError.
std::shared_ptr<const FederatedData> load_local_data(const DataConfig& config, const std::string& folder,
                                                     std::size_t client);

/// The settings of `config` with every default written out, as YAML lines (the resolved experiment file).
std::string resolved_yaml(const DataConfig& config);

}  // namespace fedloom
