// {"state": "training", "server": …, "round": 7, "trained": 6, "accepted": 6}. A status that cannot be
// written is said once and stops nothing: a full disk must not end a client.
#include "edge/status_file.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/file.hpp"
#include "edge/client_console.hpp"

namespace fedloom {

StatusFile::StatusFile(std::string file, std::string server)
    : file_(std::move(file)), server_(std::move(server)) {}

void StatusFile::connecting() {
  connected_ = false;
  write(at_work());
}

void StatusFile::joined() {
  connected_ = true;
  write(at_work());
}

void StatusFile::resting(const std::string& why) {
  connected_ = false;
  write("resting", why);
}

void StatusFile::ended(const std::string& why) { write("ended", why); }

void StatusFile::training(std::uint64_t round) {
  round_ = round;
  training_ = true;
  write(at_work());
}

void StatusFile::trained(bool well) {
  training_ = false;
  if (well) ++trained_;
  write(at_work());
}

void StatusFile::judged(Verdict verdict) {
  if (verdict == Verdict::accepted) ++accepted_;
  write(at_work());
}

const char* StatusFile::at_work() const {
  if (training_) return "training";
  return connected_ ? "waiting" : "connecting";
}

void StatusFile::write(const char* state, const std::string& why) {
  if (file_.empty()) return;
  nlohmann::ordered_json status = {{"state", state},
                                   {"server", server_},
                                   {"round", round_},
                                   {"trained", trained_},
                                   {"accepted", accepted_}};
  if (!why.empty()) status["why"] = why;
  try {
    write_file_atomically(file_, status.dump() + "\n", false);
  } catch (const UserError& error) {
    if (!std::exchange(complained_, true))
      print_line(fmt::format("warning: the status file: {}", error.what()));
  }
}

}  // namespace fedloom
