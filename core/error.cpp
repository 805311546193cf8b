// Texts of reasons, the programmer-error exit and the edit distance behind "did you mean".
#include "core/error.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace fedloom {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::none: return "none";
    case Reason::late: return "late";
    case Reason::stale: return "stale";
    case Reason::duplicate: return "duplicate";
    case Reason::unknown_task: return "unknown_task";
    case Reason::layout: return "layout";
    case Reason::not_finite: return "not_finite";
    case Reason::range: return "range";
    case Reason::malformed: return "malformed";
    case Reason::version: return "version";
    case Reason::failed: return "failed";
    case Reason::disconnected: return "disconnected";
    case Reason::surplus: return "surplus";
    case Reason::limit: return "limit";
    case Reason::key: return "key";
  }
  return "invalid";
}

void check_failed(const char* file, int line, const char* condition, const std::string& detail) {
  std::fprintf(stderr, "fedloom: internal error at %s:%d: %s does not hold: %s\n", file, line, condition,
               detail.c_str());
  std::abort();
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace fedloom
