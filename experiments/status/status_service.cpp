// The pages and how old they may be. A run folder is read when somebody looks, on the web server's thread,
// and not again before ten times as long as reading took.
#include "experiments/status/status_service.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "core/error.hpp"
#include "experiments/report/report.hpp"

namespace fedloom {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kFreshest{1000};

struct Place {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

Place place_of(const std::string& where) {
  const std::size_t colon = where.rfind(':');
  const bool has_host = colon != std::string::npos && where.back() != ']';
  const std::string port = has_host ? where.substr(colon + 1) : where;
  Place place;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), place.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size())
    throw user_error(
        "runtime.status: \"{}\" is no place; give a port, or an address and a port: 127.0.0.1:8480", where);
  if (has_host) place.host = where.substr(0, colon);
  if (place.host.starts_with('[') && place.host.ends_with(']'))
    place.host = place.host.substr(1, place.host.size() - 2);
  return place;
}

}  // namespace

class StatusService::Pages {
 public:
  Pages(std::string folder, const RunMetrics& metrics) : folder_(std::move(folder)), metrics_(metrics) {}

  HttpAnswer answer(std::string_view path) {
    if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text()};
    if (path != "/" && path != "/data.json")
      return {404, "text/plain; charset=utf-8", "there are /, /data.json and /metrics\n"};
    try {
      refresh();
    } catch (const UserError&) {  // its files are not all there
      return {503, "text/html; charset=utf-8",
              "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=2><title>fedloom</title>"
              "<p>The run has not begun: no client has been asked yet.</p>"};
    }
    if (path == "/data.json") return {200, "application/json", data_};
    return {200, "text/html; charset=utf-8", live_page(data_)};
  }

 private:
  void refresh() {
    const Clock::time_point now = Clock::now();
    if (!data_.empty() && now < next_) return;
    data_ = report_json({folder_});
    const Clock::time_point done = Clock::now();
    next_ = done + std::max<Clock::duration>(kFreshest, 10 * (done - now));
  }

  std::string folder_;
  const RunMetrics& metrics_;
  std::string data_;
  Clock::time_point next_;
};

StatusService::StatusService(const std::string& where, const std::string& folder)
    : pages_(std::make_unique<Pages>(folder, metrics_)) {
  const Place place = place_of(where);
  server_ = std::make_unique<HttpServer>(place.host, place.port,
                                         [this](std::string_view path) { return pages_->answer(path); });
}

StatusService::~StatusService() = default;

}  // namespace fedloom
