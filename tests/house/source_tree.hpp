// The project's own files as texts, for tests that read the source instead of running it. Knows enough C++ to
// leave out comments and literals, and nothing more: these tests look for words and shapes, not for meaning.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.hpp"
#include "tests/support/paths.hpp"

namespace fedloom::house {

struct SourceFile {
  std::string path;  // from the project's root: "core/layout.hpp"
  std::string text;

  std::string folder() const { return path.substr(0, path.find('/')); }
  bool is_header() const { return path.ends_with(".hpp"); }
  std::vector<std::string> lines() const;
};

/// "path:line" of a position in the text.
inline std::string place(const SourceFile& file, std::size_t position) {
  const auto end = file.text.begin() + static_cast<std::ptrdiff_t>(position);
  return file.path + ":" + std::to_string(1 + std::count(file.text.begin(), end, '\n'));
}

inline const std::set<std::string>& product_folders() {
  static const std::set<std::string> folders = {"core",   "models", "datasets", "algorithms", "transport",
                                                "client", "server", "wiring",   "edge",       "experiments"};
  return folders;
}

/// Every file with one of these endings in the project, in order of path; what is built or fetched (build/,
/// data/, runs/) and hidden folders are no part of it.
inline std::vector<SourceFile> files_ending_in(const std::set<std::string>& endings) {
  namespace fs = std::filesystem;
  const fs::path root = FEDLOOM_SOURCE_DIR;
  std::vector<SourceFile> files;
  fs::recursive_directory_iterator walk(root);
  for (const fs::directory_entry& entry : walk) {
    const std::string name = entry.path().filename().string();
    const std::string path = fs::relative(entry.path(), root).string();
    if (entry.is_directory()) {
      const bool foreign = name.starts_with('.') || path == "build" || path == "data" || path == "runs";
      if (foreign) walk.disable_recursion_pending();
      continue;
    }
    if (endings.contains(entry.path().extension().string()))
      files.push_back({path, read_file(entry.path().string())});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

/// All C++ of the project.
inline std::vector<SourceFile> sources() { return files_ending_in({".cpp", ".hpp"}); }

/// The C++ that is in the program.
inline std::vector<SourceFile> product_sources() {
  std::vector<SourceFile> files = sources();
  std::erase_if(files, [](const SourceFile& file) { return !product_folders().contains(file.folder()); });
  return files;
}

inline std::vector<std::string> SourceFile::lines() const {
  std::vector<std::string> all;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    all.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

namespace detail {

/// One past the end of the comment or literal that begins at `i`, or `i` when none does.
inline std::size_t skip(std::string_view text, std::size_t i) {
  const auto past = [&](std::string_view end, std::size_t from) {
    const std::size_t at = text.find(end, from);
    return at == std::string_view::npos ? text.size() : at + end.size();
  };
  if (text.substr(i, 2) == "//") return std::min(text.find('\n', i), text.size());
  if (text.substr(i, 2) == "/*") return past("*/", i + 2);
  if (text.substr(i, 2) == "R\"") {
    const std::size_t open = text.find('(', i);
    return past(")" + std::string(text.substr(i + 2, open - i - 2)) + "\"", open);
  }
  const bool digit_separator =
      text[i] == '\'' && i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0;
  if ((text[i] != '"' && text[i] != '\'') || digit_separator) return i;
  std::size_t end = i + 1;
  while (end < text.size() && text[end] != text[i]) end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

}  // namespace detail

/// The code with comments, literals and preprocessor lines made blank. Positions and lines stay.
inline std::string code_of(const SourceFile& file) {
  std::string code = file.text;
  bool line_start = true;
  for (std::size_t i = 0; i < code.size();) {
    std::size_t end = detail::skip(file.text, i);
    if (end == i && line_start && code[i] == '#') {
      end = i;
      while (end < code.size() && (file.text[end] != '\n' || file.text[end - 1] == '\\')) ++end;
    }
    if (end == i) {
      if (code[i] == '\n')
        line_start = true;
      else if (code[i] != ' ')
        line_start = false;
      ++i;
      continue;
    }
    for (; i < end; ++i)
      if (code[i] != '\n') code[i] = ' ';
  }
  return code;
}

}  // namespace fedloom::house
