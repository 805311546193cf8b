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

/// The data block of that page, as JSON. Throws UserError for a folder that is no run, or not yet.
std::string report_json(const std::vector<std::string>& run_folders);

/// The same page around `data`, report_json() of a run that goes on: it asks "data.json" beside it for newer
/// data every two seconds and draws that.
std::string live_page(const std::string& data);

/// A file of experiments/report/assets, or "chart.js", as built into the program. Unknown names abort.
std::string_view report_asset(std::string_view name);

}  // namespace fedloom
