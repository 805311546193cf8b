// Named pipes in the browser's own folder, which a shell opens as the descriptors 3 and 4 that it expects.
#include "tests/support/browser.hpp"

#include <array>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fedloom::testing {

using Json = nlohmann::json;

namespace {

// Open for both ways, so that neither side waits for the other nor is struck down when it has gone.
int make_fifo(const std::string& path) {
  if (mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo " + path);
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw std::runtime_error("open " + path);
  return fd;
}

}  // namespace

std::string browser_program() {
  if (const char* named = std::getenv("FEDLOOM_BROWSER"); named != nullptr && *named != '\0') return named;
  const char* path = std::getenv("PATH");
  for (const char* name : {"chromium", "chromium-browser", "google-chrome", "chrome"}) {
    std::istringstream folders(path == nullptr ? "" : path);
    for (std::string folder; std::getline(folders, folder, ':');)
      if (access((folder + "/" + name).c_str(), X_OK) == 0) return folder + "/" + name;
  }
  return "";
}

Browser::Browser(const std::string& program) {
  commands_ = make_fifo(folder_ / "commands");
  answers_ = make_fifo(folder_ / "answers");
  // Its sandbox takes rights that not every machine gives; the pages are our own.
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"/bin/sh", "-c", "export HOME=\"$PWD\"; exec \"$@\" 3<commands 4>answers",
                               "sh", program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox",
                               "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
                               "--disable-background-networking", "--disable-breakpad",
                               "--user-data-dir=" + (folder_ / "profile"), "about:blank"},
      folder_.path());
  const Json target = call("Target.createTarget", {{"url", "about:blank"}});
  session_ =
      call("Target.attachToTarget", {{"targetId", target["targetId"]}, {"flatten", true}})["sessionId"];
  for (const char* domain : {"Page", "Runtime", "Log"}) call(std::string(domain) + ".enable", Json::object());
}

Browser::~Browser() {
  process_.reset();  // before its folder goes
  ::close(commands_);
  ::close(answers_);
}

void Browser::open(const std::string& address) {
  messages_.clear();
  const Json result = call("Page.navigate", {{"url", address}});
  if (result.contains("errorText"))
    throw std::runtime_error(address + ": " + result["errorText"].get<std::string>());
  wait_for("method", "Page.loadEventFired");
}

Json Browser::value(const std::string& expression) {
  const Json result =
      call("Runtime.evaluate", {{"expression", expression}, {"awaitPromise", true}, {"returnByValue", true}});
  if (result.contains("exceptionDetails"))
    throw std::runtime_error(expression + ": " + result["exceptionDetails"].dump());
  return result["result"].value("value", Json());
}

Json Browser::call(const std::string& method, Json parameters) {
  Json message = {{"id", ++calls_}, {"method", method}, {"params", std::move(parameters)}};
  if (!session_.empty()) message["sessionId"] = session_;
  const std::string bytes = message.dump() + '\0';
  if (::write(commands_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("the browser takes no more commands");
  const Json answer = wait_for("id", calls_);
  if (answer.contains("error")) throw std::runtime_error(method + ": " + answer["error"].dump());
  return answer["result"];
}

// The first message with this value, which is taken out.
Json Browser::wait_for(const std::string& key, const Json& value) {
  Json found;
  const auto arrived = [&] {
    receive();
    for (auto it = messages_.begin(); it != messages_.end(); ++it) {
      if (it->value(key, Json()) != value) continue;
      found = *it;
      messages_.erase(it);
      return true;
    }
    return !process_->running();
  };
  if (!eventually(arrived) || found.is_null())
    throw std::runtime_error("no " + key + " " + value.dump() + " from the browser, which said " +
                             Json(complaints_).dump() + "\n" + process_->err());
  return found;
}

void Browser::receive() {
  std::array<char, 65536> bytes{};
  for (ssize_t count = 0; (count = ::read(answers_, bytes.data(), bytes.size())) > 0;)
    unread_.append(bytes.data(), static_cast<std::size_t>(count));
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = unread_.find('\0', begin)) != std::string::npos; begin = end + 1) {
    messages_.push_back(Json::parse(unread_.substr(begin, end - begin)));
    note(messages_.back());
  }
  unread_.erase(0, begin);
}

void Browser::note(const Json& event) {
  const std::string method = event.value("method", "");
  const Json parameters = event.value("params", Json::object());
  const bool error = method == "Runtime.exceptionThrown" ||
                     (method == "Runtime.consoleAPICalled" && parameters["type"] == "error") ||
                     (method == "Log.entryAdded" && parameters["entry"]["level"] == "error");
  if (error) complaints_.push_back(parameters.dump());
}

}  // namespace fedloom::testing
