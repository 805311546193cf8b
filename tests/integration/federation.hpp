// A deployed federation of real processes on this machine: one server, one process per client, each with its
// own state folder.
#pragma once

#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/program.hpp"

namespace fedloom::testing {

class DeployedFederation {
 public:
  /// `experiment` are words such as --set for server and clients alike. The small job's cohort is everybody.
  DeployedFederation(const TempFolder& folder, std::size_t clients, const Words& experiment)
      : folder_(folder.path()),
        clients_(clients),
        experiment_(set({"data.clients=" + std::to_string(clients), "sampler=all",
                         "pacer.clients_per_round=" + std::to_string(clients)}) +
                    experiment) {}

  const Words& experiment() const { return experiment_; }
  std::string out() const { return folder_ + "/server"; }
  std::string endpoint() const { return endpoint_; }
  Process& server() { return *server_; }
  Process& client(std::size_t index) { return *processes_.at(index); }

  /// Starts the server and waits until it listens; `listen` may end in port 0. `under`: a
  /// program that starts it.
  void start_server(const std::string& listen, const Words& more = {}, const Words& under = {}) {
    server_ = std::make_unique<Process>(
        under + Words{kProgram, "server", kSmallJob, "--no-report", "--listen", listen, "--out", out()} +
        experiment_ + more);
    const std::string line = server_->wait_for_line("listening on ");
    const std::size_t begin = line.find("listening on ") + 13;
    endpoint_ = line.empty() ? "" : line.substr(begin, line.find(';') - begin);
    EXPECT_FALSE(endpoint_.empty()) << server_->err();
  }
  /// `connect` may be another address than the server's own.
  void start_client(std::size_t index, const std::string& connect = "", const Words& more = {}) {
    processes_[index] = start(client_words(index, connect.empty() ? endpoint_ : connect) + more);
  }
  /// A client that is another program than fedloom.
  void start_process(std::size_t index, const Words& words) {
    processes_[index] = std::make_unique<Process>(words);
  }
  void start_clients(const std::string& connect = "") {
    for (std::size_t i = 0; i < clients_; ++i) start_client(i, connect);
  }
  Words client_words(std::size_t index, const std::string& connect) const {
    return Words{"client",    kSmallJob,
                 "--connect", connect,
                 "--client",  std::to_string(index),
                 "--state",   folder_ + "/state-" + std::to_string(index)} +
           experiment_;
  }
  /// Everybody must end well.
  RunSummary expect_good_end() {
    const Ended ended = server_->wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    for (auto& [index, process] : processes_) {
      const Ended client = process->wait();
      EXPECT_EQ(client.code, 0) << "client " << index << ": " << client.err;
    }
    return ended.code == 0 ? read_summary(out() + "/summary.json") : RunSummary{};
  }
  bool wait_for_rounds(std::size_t rounds) { return testing::wait_for_rounds(out(), rounds); }
  bool wait_for_event(const std::string& text) {
    return eventually([&] { return occurrences(out() + "/run.jsonl", text) > 0; });
  }

  /// By round, the clients whose update was accepted, as often as it was.
  std::map<std::uint64_t, std::multiset<std::uint64_t>> accepted() const {
    std::map<std::uint64_t, std::multiset<std::uint64_t>> clients;
    std::istringstream lines(contents(out() + "/events.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto event = nlohmann::json::parse(line);
      if (event.at("event") == "task_ended" && event.at("verdict") == "accepted")
        clients[event.at("window")].insert(event.at("client").get<std::uint64_t>());
    }
    return clients;
  }

  /// The same experiment as `fedloom run` simulates it.
  RunSummary simulated() const {
    const std::string out = folder_ + "/simulated";
    (void)run_job(out, experiment_ + Words{"--workers", "1", "--transport", "inproc"});
    return read_summary(out + "/summary.json");
  }

 private:
  std::string folder_;
  std::size_t clients_;
  Words experiment_;
  std::string endpoint_;
  std::unique_ptr<Process> server_;
  std::map<std::size_t, std::unique_ptr<Process>> processes_;
};

}  // namespace fedloom::testing
