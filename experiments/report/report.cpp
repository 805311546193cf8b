// Puts assets and data into the page's template, where their names stand in double braces.
#include "experiments/report/report.hpp"

#include <map>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/file.hpp"
#include "experiments/report/report_data.hpp"
#include "experiments/report/run_data.hpp"

namespace fedloom {

namespace {

// JSON inside a <script> element: '<' is escaped, so no text of a run can end the element.
std::string embeddable(const nlohmann::ordered_json& data) {
  const std::string text = data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

using Values = std::map<std::string_view, std::string_view>;

// {{name}} is one of the values, else the asset of that name.
std::string filled(std::string_view page, const Values& values) {
  std::string html;
  for (std::size_t open = page.find("{{"); open != std::string_view::npos; open = page.find("{{")) {
    const std::size_t close = page.find("}}", open);
    FEDLOOM_CHECK(close != std::string_view::npos, "unclosed {{{{ in the page template");
    const std::string_view name = page.substr(open + 2, close - open - 2);
    html += page.substr(0, open);
    const auto value = values.find(name);
    html += value == values.end() ? report_asset(name) : value->second;
    page.remove_prefix(close + 2);
  }
  return html += page;
}

}  // namespace

std::string report_json(const std::vector<std::string>& run_folders) {
  if (run_folders.empty()) throw user_error("no run folder given; expected at least one");
  std::vector<RunData> runs;
  for (const std::string& folder : run_folders) runs.push_back(read_run_folder(folder));
  return embeddable(report_data(runs));
}

void write_report(const std::vector<std::string>& run_folders, const std::string& output_html) {
  const std::string data = report_json(run_folders);
  write_file_atomically(output_html,
                        filled(report_asset("report.html"), {{"data", data}, {"live", "0"}, {"connect", ""}}),
                        false);
}

std::string live_page(const std::string& data) {
  return filled(report_asset("report.html"),
                {{"data", data}, {"live", "1"}, {"connect", "; connect-src 'self'"}});
}

}  // namespace fedloom
