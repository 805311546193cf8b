// What a deployed client is doing, as a JSON file that other programs on the device may read. It is replaced
// as a whole at every change; when it was written is the file's own time.
#pragma once

#include <cstdint>
#include <string>

#include "core/messages.hpp"

namespace fedloom {

class StatusFile {
 public:
  /// file "": nothing is written. `server`: where it connects to.
  StatusFile(std::string file, std::string server);

  void connecting();
  void joined();
  void resting(const std::string& why);
  void training(std::uint64_t round);
  /// The task is over, well or not.
  void trained(bool well);
  void judged(Verdict verdict);
  void ended(const std::string& why);

 private:
  const char* at_work() const;
  void write(const char* state, const std::string& why = "");

  std::string file_;
  std::string server_;
  std::uint64_t round_ = 0;
  std::uint64_t trained_ = 0;
  std::uint64_t accepted_ = 0;
  bool connected_ = false;
  bool training_ = false;
  bool complained_ = false;
};

}  // namespace fedloom
