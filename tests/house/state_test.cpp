// No state outside objects. The two halves of an algorithm share a process in some worlds and not in others;
// a mutable static or global would let them whisper, and would outlive a run. The scan knows scopes and first
// words, not types: what it cannot tell, it reports.
#include <algorithm>
#include <map>
#include <regex>

#include <gtest/gtest.h>

#include "tests/house/source_tree.hpp"

namespace fedloom::house {
namespace {

// "file: variable" -> why it may change.
const std::map<std::string, std::string>& allowed() {
  static const std::map<std::string, std::string> list = {
      {"core/registry.hpp: registry", "filled before main() by registrations, read only afterwards"},
      {"experiments/signals.cpp: interrupts", "a signal handler reaches nothing else"},
      {"edge/stop_signal.cpp: descriptor", "a signal handler reaches nothing else"},
      {"edge/main/memory_limit.cpp: held", "operator new reaches nothing else"},
      {"edge/main/memory_limit.cpp: most", "operator new reaches nothing else"},
  };
  return list;
}

struct Variable {
  std::string name;
  std::size_t position = 0;
};

const std::regex& fixed() {
  static const std::regex pattern(
      "^(inline |static |extern |thread_local |\\[\\[\\w+\\]\\] )*(constexpr|const|constinit const)\\b|\\* "
      "?const\\b");
  return pattern;
}

// `text` is a declaration up to its ';', '=' or '{'. Empty when it declares no variable that may change.
std::string mutable_variable(const std::string& text) {
  static const std::regex not_a_variable(
      "^(using|typedef|template|class|struct|enum|union|concept|friend|namespace|static_assert|public|private"
      "|protected|return|extern \"C\"|requires)\\b|^$|\\boperator\\b");
  if (std::regex_search(text, not_a_variable)) return "";
  const bool pointer_to_const =
      std::regex_search(text, std::regex("^(?!.*constexpr).*\\bconst\\b[^*]*\\*(?! ?const)"));
  if (std::regex_search(text, fixed()) && !pointer_to_const) return "";
  if (text.find('(') != std::string::npos) return "";  // a function
  std::smatch name;
  static const std::regex last_word("(\\w+)\\s*(\\[[^\\]]*\\]\\s*)*$");
  return std::regex_search(text, name, last_word) ? name[1].str() : "";
}

std::string squeezed(const std::string& text) {
  static const std::regex space("\\s+");
  std::string one = std::regex_replace(text, space, " ");
  one.erase(0, one.find_first_not_of(' '));
  one.erase(one.find_last_not_of(' ') + 1);
  return one;
}

// One past the brace that closes the one at `open`.
std::size_t after_block(const std::string& code, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < code.size(); ++i) {
    if (code[i] == '{') ++depth;
    if (code[i] == '}' && --depth == 0) return i + 1;
  }
  return code.size();
}

// One past the end of the statement whose first block or ';' or '=' is at `i`. A function ends with its body,
// which may follow member initialisers in braces; anything else with a semicolon.
std::size_t after_statement(const std::string& code, std::size_t i, bool function) {
  while (i < code.size() && code[i] != ';') {
    if (code[i] != '{') {
      ++i;
      continue;
    }
    const bool initialiser = std::isalnum(static_cast<unsigned char>(code[i - 1])) != 0 || code[i - 1] == '_';
    i = after_block(code, i);
    if (function && !initialiser) return i;
  }
  return i + 1;
}

// Variables at namespace scope: blocks are entered only when a namespace opens them.
std::vector<Variable> namespace_variables(const std::string& code) {
  static const std::regex opens_namespace("^(inline )?namespace\\b|^extern$");
  std::vector<Variable> found;
  std::size_t begin = 0;
  for (std::size_t i = code.find_first_of(";{}="); i < code.size(); i = code.find_first_of(";{}=", begin)) {
    const std::string text = squeezed(code.substr(begin, i - begin));
    const bool enters = code[i] == '{' && std::regex_search(text, opens_namespace);
    begin = i + 1;
    if (enters || code[i] == '}') continue;
    const std::string name = mutable_variable(text);
    if (!name.empty()) found.push_back({name, i});
    begin = after_statement(code, i, code[i] == '{' && text.find('(') != std::string::npos);
  }
  return found;
}

// Variables that are static or per thread, in functions and classes.
std::vector<Variable> static_variables(const std::string& code) {
  static const std::regex declaration("\\b(static|thread_local)\\b([^;{}=]*)[;{=]");
  std::vector<Variable> found;
  for (std::sregex_iterator it(code.begin(), code.end(), declaration), end; it != end; ++it) {
    const std::string name = mutable_variable(squeezed((*it)[2]));
    if (!name.empty()) found.push_back({name, static_cast<std::size_t>(it->position())});
  }
  return found;
}

TEST(State, LivesInObjectsOnly) {
  std::map<std::string, std::string> unused = allowed();
  for (const SourceFile& file : product_sources()) {
    const std::string code = code_of(file);
    std::vector<Variable> found = namespace_variables(code);
    const std::vector<Variable> statics = static_variables(code);
    found.insert(found.end(), statics.begin(), statics.end());
    for (const Variable& variable : found) {
      const std::string entry = file.path + ": " + variable.name;
      unused.erase(entry);
      EXPECT_TRUE(allowed().contains(entry)) << place(file, variable.position) << ": '" << variable.name
                                             << "' may change and belongs to no object";
    }
  }
  for (const auto& [entry, reason] : unused) ADD_FAILURE() << entry << " is gone; take it off the list";
}

std::vector<std::string> names(const std::string& text) {
  const std::string code = code_of({"sample.cpp", text});
  std::vector<std::string> all;
  for (const Variable& variable : namespace_variables(code)) all.push_back(variable.name);
  for (const Variable& variable : static_variables(code)) all.push_back(variable.name);
  return all;
}

// The scan itself, on what it must see and what it must leave alone.
TEST(State, TheScanSeesWhatChanges) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("namespace a {\nint counter = 0;\n}"), Names{"counter"});
  EXPECT_EQ(names("namespace {\nstd::map<int, int> cache;\n}"), Names{"cache"});
  EXPECT_EQ(names("std::atomic<bool> stop{false};"), Names{"stop"});
  EXPECT_EQ(names("const char* last = \"\";"), Names{"last"})
      << "what it points to is fixed, the pointer is not";
  EXPECT_EQ(names("int f() {\n  static int calls = 0;\n  return ++calls;\n}"), Names{"calls"});
  EXPECT_EQ(names("struct S {\n  static std::vector<int> all;\n};"), Names{"all"});
  EXPECT_EQ(names("void f() { thread_local Random random; }"), Names{"random"});
}

TEST(State, TheScanLeavesTheRestAlone) {
  for (const char* text :
       {"constexpr int kSize = 3;", "const Registration<R, C> kThing{About{\"a\"}, make};",
        "inline constexpr const char* kName = \"x\";", "const char* const kName = \"x\";",
        "int f(int a = 3);", "int f() { int local = 0; return local; }", "class A { int member_ = 0; };",
        "using T = int;", "enum class E { a = 1 };", "template <class T>\nT zero() { return T{}; }",
        "// int counter = 0;\n", "struct S { static S make(); static constexpr int kA = 1; };",
        "void f() { static const int k = g(); }", "A::A(int b) : b_{b}, c_{1} {}\nA::~A() = default;",
        "#define X int x = 0;\n", "const char* k() { return \"int x;\"; }",
        "extern \"C\" int f(int x) { return x; }", "bool operator==(const A&, const A&) = default;"})
    EXPECT_TRUE(names(text).empty()) << text << " -> " << names(text).front();
}

}  // namespace
}  // namespace fedloom::house
