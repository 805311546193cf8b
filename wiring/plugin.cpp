// The version of a plug-in is a marked text inside it (cmake/plugin_version.cpp.in puts it there), found by
// searching the file: with dlopen its constructors would already have run against the wrong interfaces.
#include "wiring/plugin.hpp"

#include <dlfcn.h>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/version.hpp"

namespace fedloom {

namespace {

constexpr std::string_view kMarker = "fedloom-plugin-built-against:";

std::string built_against(const std::string& file) {
  const std::string bytes = read_file(file);
  const std::size_t start = bytes.find(kMarker);
  if (start == std::string::npos)
    throw user_error("{}: is not a fedloom plug-in; build it with fedloom_add_plugin()", file);
  const std::size_t begin = start + kMarker.size();
  return bytes.substr(begin, bytes.find('\0', begin) - begin);
}

}  // namespace

void load_plugin(const std::string& file) {
  const std::string version = built_against(file);
  if (version != kAbi)
    throw user_error("{}: was built against fedloom '{}', this is '{}'; rebuild it against this version",
                     file, version, kAbi);
  if (dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr)
    throw user_error("{}: cannot be loaded: {}", file, dlerror());
}

}  // namespace fedloom
