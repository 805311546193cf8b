// Writing and hashing of events.jsonl; reading it back is in events_reader.cpp.
#include "experiments/sinks/events_log.hpp"

namespace fedloom {

EventsLog::EventsLog(const std::string& file) : file_(OutputFile::create(file)) {}

EventsLog::EventsLog(const std::string& file, std::uint64_t offset)
    : file_(OutputFile::resume(file, offset)) {
  for_each_block(file, offset, [this](std::string_view block) { hash_.update(block); });
}

void EventsLog::on(const FederationEvent& event) {
  std::string line = to_json(event);
  line += '\n';
  hash_.update(line);
  file_.append(line);
}

}  // namespace fedloom
