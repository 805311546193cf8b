// One pass over the lines.
#include "datasets/speeches.hpp"

#include <algorithm>
#include <map>

#include "core/error.hpp"

namespace fedloom {

std::vector<Speaker> read_speakers(std::string_view text, const std::string& file) {
  constexpr std::size_t kMostShown = 40;
  std::vector<Speaker> speakers;
  std::map<std::string, std::size_t, std::less<>> known;
  Speaker* speaker = nullptr;  // of the speech that is open
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) {
      speaker = nullptr;
    } else if (speaker == nullptr) {
      if (line.size() < 2 || line.back() != ':')
        throw user_error("{}:{}:1: a speech begins with its speaker's name and a colon, found '{}'", file,
                         number, line.substr(0, kMostShown));
      const std::string_view name = line.substr(0, line.size() - 1);
      const auto [it, fresh] = known.emplace(name, speakers.size());
      if (fresh) speakers.push_back({std::string(name), "", 0});
      speaker = &speakers[it->second];
      ++speaker->speeches;
    } else {
      if (!speaker->text.empty()) speaker->text += '\n';
      speaker->text += line;
    }
  }
  if (speakers.empty()) throw user_error("{}: holds no speeches", file);
  return speakers;
}

}  // namespace fedloom
