// Any bytes as a table, plain or packed; the first byte chooses how it is read. A table that is accepted is
// rectangular, finite, and its labels and clients lie within what it says there are.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.hpp"
#include "datasets/csv.hpp"

namespace {

using namespace fedloom;

CsvOptions options_from(std::uint8_t choice) {
  CsvOptions options;
  if ((choice & 1) != 0) options.delimiter = '\t';
  if ((choice & 2) != 0) options.header = (choice & 4) != 0 ? "yes" : "no";
  if ((choice & 8) != 0) options.label = (choice & 16) != 0 ? "0" : "y";
  if ((choice & 32) != 0) options.client = "1";
  if ((choice & 64) != 0) options.classes = 3;
  return options;
}

void check(const CsvTable& table) {
  FEDLOOM_CHECK(table.features.size() == table.rows() * table.width, "{} features in {} rows of {}",
                table.features.size(), table.rows(), table.width);
  for (const float value : table.features) FEDLOOM_CHECK(std::isfinite(value), "a feature of {}", value);
  for (const std::int32_t label : table.labels)
    FEDLOOM_CHECK(label >= 0 && label < table.classes, "label {} of {}", label, table.classes);
  FEDLOOM_CHECK(table.groups.empty() || table.groups.size() == table.rows(), "{} clients",
                table.groups.size());
  for (const std::uint32_t group : table.groups)
    FEDLOOM_CHECK(group < table.group_names.size(), "client {} of {}", group, table.group_names.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    constexpr std::uint64_t kLimit = 1 << 20;  // a packed input may unpack to this and no more
    ByteSource source = ByteSource::over(std::as_bytes(std::span(data + 1, size - 1)), "fuzz.csv", kLimit);
    check(read_csv(source, options_from(data[0])));
  } catch (const UserError&) {
  }
  return 0;
}
