// A real browser without a window, driven as its developer tools drive it: JSON messages over two pipes, each
// ended by a zero byte (chromedevtools.github.io/devtools-protocol). Chromium and its kin speak this.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/process.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {

/// The browser of this machine: FEDLOOM_BROWSER, else the first of Chromium's names on PATH; "" without one.
std::string browser_program();

/// One page. Whatever the browser does not do within kPatience is an exception, and so is its end.
class Browser {
 public:
  explicit Browser(const std::string& program);
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  /// Opens an address and waits until all of it has been loaded.
  void open(const std::string& address);
  /// The value of a JavaScript expression in the page, as JSON; of a promise what it is kept with.
  nlohmann::json value(const std::string& expression);
  /// Exceptions that nobody caught and errors on the console, of all pages so far.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  nlohmann::json call(const std::string& method, nlohmann::json parameters);
  nlohmann::json wait_for(const std::string& key, const nlohmann::json& value);
  void receive();
  void note(const nlohmann::json& event);

  TempFolder folder_;  // its profile and the pipes
  int commands_ = -1;
  int answers_ = -1;
  std::unique_ptr<Process> process_;
  std::string session_;
  int calls_ = 0;
  std::string unread_;
  std::vector<nlohmann::json> messages_;
  std::vector<std::string> complaints_;
};

}  // namespace fedloom::testing
