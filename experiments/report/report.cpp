// Puts assets and data into the page's template: {{name}} is replaced by the asset of that name.
#include "experiments/report/report.hpp"

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

std::string filled(std::string_view page, const std::string& data) {
  std::string html;
  for (std::size_t open = page.find("{{"); open != std::string_view::npos; open = page.find("{{")) {
    const std::size_t close = page.find("}}", open);
    FEDLOOM_CHECK(close != std::string_view::npos, "unclosed {{{{ in the page template");
    const std::string_view name = page.substr(open + 2, close - open - 2);
    html += page.substr(0, open);
    html += name == "data" ? std::string_view(data) : report_asset(name);
    page.remove_prefix(close + 2);
  }
  return html += page;
}

}  // namespace

void write_report(const std::vector<std::string>& run_folders, const std::string& output_html) {
  if (run_folders.empty()) throw user_error("no run folder given; expected at least one");
  std::vector<RunData> runs;
  for (const std::string& folder : run_folders) runs.push_back(read_run_folder(folder));
  write_file_atomically(output_html, filled(report_asset("report.html"), embeddable(report_data(runs))),
                        false);
}

}  // namespace fedloom
