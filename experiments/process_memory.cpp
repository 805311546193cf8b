// Reading /proc/PID/status.
#include "experiments/process_memory.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

namespace fedloom {

ProcessMemory process_memory(std::int64_t process) {
  std::ifstream file(fmt::format("/proc/{}/status", process));
  ProcessMemory memory;
  std::string key;
  while (file >> key) {
    std::uint64_t kilobytes = 0;
    if (key == "VmRSS:" && file >> kilobytes) memory.resident = kilobytes * 1024;
    if (key == "VmHWM:" && file >> kilobytes) memory.peak = kilobytes * 1024;
    file.ignore(4096, '\n');
  }
  return memory;
}

std::pair<std::uint64_t, std::uint64_t> RunMemory::look(const std::vector<pid_t>& workers) {
  std::uint64_t all = 0;
  const auto add = [&](pid_t process, const std::string& name) {
    const ProcessMemory memory = process_memory(process);
    std::uint64_t& peak = peaks_[name];
    peak = std::max(peak, memory.peak);
    all += memory.resident;
  };
  add(getpid(), "server");
  const std::uint64_t server = all;
  for (std::size_t i = 0; i < workers.size(); ++i) add(workers[i], fmt::format("worker {}", i + 1));
  return {server, all};
}

}  // namespace fedloom
