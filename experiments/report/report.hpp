// fedloom report: one self-contained HTML page from one or more run folders.
// What is drawn is in assets/; reading run folders is run_data.hpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fedloom {

/// Reads the run folders and writes the page, which loads nothing from anywhere. Runs that differ only by
/// seed are drawn as one line, their mean, with a band from the smallest to the largest value. Throws
/// UserError for a folder that is no run, a damaged file, or an output that cannot be written.
void write_report(const std::vector<std::string>& run_folders, const std::string& output_html);

/// A file of experiments/report/assets, or "chart.js", as built into the program. Unknown names abort.
std::string_view report_asset(std::string_view name);

}  // namespace fedloom
