// Plays as text: speeches between blank lines, each with its speaker's name and a colon in its first line.
// Knows nothing of windows or examples.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fedloom {

struct Speaker {
  std::string name;
  std::string text;  // all that they say, speeches joined by a line end
  std::size_t speeches = 0;
};

/// In order of first appearance. Throws UserError FILE:LINE:1 where a speech does not begin with a name and a
/// colon, and when there is no speech at all; `file` names the text.
std::vector<Speaker> read_speakers(std::string_view text, const std::string& file);

}  // namespace fedloom
