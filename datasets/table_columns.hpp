// What tables of numbers and tables of text share: columns chosen by name or number, and labels that are
// numbers or names. Splitting a line into fields is csv_scanner.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/csv_scanner.hpp"

namespace fedloom {

/// Without spaces, tabs and carriage returns at both ends.
std::string_view trimmed(std::string_view text);

/// The delimiter that "auto" means: tab for .tsv (packed or not), else comma.
char usual_delimiter(std::string_view file);

/// Whether `column` is a name; else it is "last" or a number from 0.
bool is_column_name(const std::string& column);

/// The column called `wanted` in the header line `first`, or of that number. Throws UserError naming `file`,
/// the nearest and all columns when there is none.
std::size_t find_column(const std::string& wanted, const std::vector<CsvField>& first, bool header,
                        const std::string& file);

struct LabelColumn {
  std::vector<std::int32_t> values;
  std::vector<std::string> names;  // empty when labels are numbers
  std::int64_t classes = 0;
};

/// Labels that are all whole numbers >= 0 are classes as they stand, as many as `classes` (0: the largest +
/// 1); otherwise every distinct text is a class, in byte order. `names` fixes the classes when not empty.
/// Throws UserError FILE:LINE:COLUMN on a label that is none of those.
LabelColumn read_labels(const std::vector<CsvField>& labels, const std::string& file, std::int64_t classes,
                        std::vector<std::string> names);

}  // namespace fedloom
