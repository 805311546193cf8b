// What every file of the project owes its reader: an opening comment, a size that can be read, words that
// belong to the product. Layout is clang-format's business and not looked at here.
#include <algorithm>
#include <regex>

#include <gtest/gtest.h>

#include "tests/house/source_tree.hpp"
#include "tests/support/paths.hpp"

namespace fedloom::house {
namespace {

std::size_t opening_comment_lines(const SourceFile& file) {
  const std::vector<std::string> lines = file.lines();
  return static_cast<std::size_t>(
      std::find_if(lines.begin(), lines.end(),
                   [](const std::string& line) { return !line.starts_with("//"); }) -
      lines.begin());
}

// The full 2 to 8 lines are owed by what a reader opens first: headers, and sources that have none. A source
// beside its header need not say again what the header says, and a test's names say most of what it is.
TEST(Style, EveryFileOpensByItsPurpose) {
  std::string owing;
  for (const SourceFile& file : sources()) {
    const std::string header = file.path.substr(0, file.path.rfind('.')) + ".hpp";
    const bool first_read = product_folders().contains(file.folder()) &&
                            (file.is_header() || !std::filesystem::exists(FEDLOOM_SOURCE_DIR "/" + header));
    if (opening_comment_lines(file) < (first_read ? 2U : 1U)) owing += "  " + file.path + "\n";
  }
  EXPECT_EQ(owing, "")
      << "these must open with lines that say what they are, what not, where the idea comes from";
}

// A suite of tests is a list that is read in pieces, so it may be longer.
TEST(Style, NoFileIsTooLongToRead) {
  for (const SourceFile& file : sources())
    EXPECT_LE(file.lines().size(), file.folder() == "tests" ? 600U : 400U)
        << file.path << ": would two files be clearer?";
}

TEST(Style, HeadersAreIncludedOnce) {
  for (const SourceFile& file : sources())
    EXPECT_EQ(file.is_header(), file.text.find("\n#pragma once\n") != std::string::npos) << file.path;
}

TEST(Style, NamesAreInTheHousesSpelling) {
  static const std::regex snake("[a-z0-9_]+");
  for (const SourceFile& file : sources())
    EXPECT_TRUE(std::regex_match(std::filesystem::path(file.path).stem().string(), snake)) << file.path;
}

// Vague names hide what a class is for.
TEST(Style, NoClassIsAManagerOrHelper) {
  static const std::regex vague("\\b(class|struct) \\w*(Manager|Helper|Util|Utils)\\b");
  for (const SourceFile& file : sources()) {
    const std::string code = code_of(file);
    for (std::sregex_iterator it(code.begin(), code.end(), vague), end; it != end; ++it)
      ADD_FAILURE() << place(file, static_cast<std::size_t>(it->position())) << ": " << it->str();
  }
}

// Unfinished work, and the machines it was written on. Spelled in pieces, or this file would find itself.
TEST(Style, NothingUnfinishedAndNoMachineIsNamed) {
  const std::vector<std::string> patterns = {
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b",
      "\\bfor"
      " now\\b",
      "\\bplace"
      "holder\\b",
      "\\b(not|un) ?imple"
      "mented\\b",
      "(^|[^\\w.])/(wo"
      "rk|ro"
      "ot|ho"
      "me)/",
      "registry\\.npm"
      "js|deb\\.deb"
      "ian\\.org|py"
      "pi\\.org|ver"
      "daccio|arti"
      "factory",
  };
  for (const SourceFile& file : files_ending_in({".cpp", ".hpp", ".txt", ".cmake", ".in", ".md", ".yaml",
                                                 ".yml", ".js", ".css", ".html", ".py", ".sh", ".json"}))
    for (const std::string& pattern : patterns) {
      const std::regex words(pattern, std::regex::icase);
      for (std::sregex_iterator it(file.text.begin(), file.text.end(), words), end; it != end; ++it)
        ADD_FAILURE() << place(file, static_cast<std::size_t>(it->position())) << ": '" << it->str() << "'";
    }
}

}  // namespace
}  // namespace fedloom::house
