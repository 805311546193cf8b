// Class counts of the clients shown, as JSON.
#include "experiments/partition_json.hpp"

#include <nlohmann/json.hpp>

namespace fedloom {

std::string partition_json(const PartitionSummary& summary) {
  nlohmann::ordered_json json;
  json["classes"] = summary.classes;
  json["clients"] = nlohmann::ordered_json::array();
  json["ids"] = nlohmann::ordered_json::array();
  for (const ClientSummary& client : summary.shown) {
    json["clients"].push_back(client.counts);
    json["ids"].push_back(client.client);
  }
  json["shown"] = summary.shown.size();
  json["total"] = summary.clients;
  return json.dump() + "\n";
}

}  // namespace fedloom
