// Any bytes as a safetensors file. Every tensor of an accepted file can be read, or is refused by its type.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "models/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fedloom;
  try {
    const SafetensorsFile file =
        SafetensorsFile::parse(std::string(reinterpret_cast<const char*>(data), size), "fuzz.safetensors");
    for (const std::string& name : file.names()) {
      // A tensor's bytes lie within the file, so its elements are no more than those.
      const std::size_t count = element_count(file.shape(name));
      FEDLOOM_CHECK(count <= size, "{} elements in a file of {} bytes", count, size);
      FloatBuffer values(count);
      try {
        file.copy_to(name, values);
      } catch (const UserError&) {
      }
    }
  } catch (const UserError&) {
  }
  return 0;
}
