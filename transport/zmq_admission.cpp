// One REP socket at the address that libzmq asks by itself.
#include "transport/zmq_admission.hpp"

#include <array>
#include <vector>

#include <zmq.hpp>

#include "core/error.hpp"
#include "transport/security.hpp"

namespace fedloom {

namespace {

// Refusals that nobody has read yet: a flood of strangers must not fill the memory.
constexpr std::size_t kMostRefusals = 256;

}  // namespace

struct ZmqAdmission::State {
  zmq::socket_t socket;
  Admits admits;
  std::deque<std::string> refusals;
};

ZmqAdmission::ZmqAdmission(zmq::context_t& context, Admits admits)
    : state_(std::make_unique<State>(
          State{zmq::socket_t(context, zmq::socket_type::rep), std::move(admits), {}})) {
  state_->socket.set(zmq::sockopt::linger, 0);
  state_->socket.bind("inproc://zeromq.zap.01");
}

ZmqAdmission::~ZmqAdmission() = default;

int ZmqAdmission::descriptor() const { return state_->socket.get(zmq::sockopt::fd); }

// A request is version, request id, domain, address, identity, mechanism, credentials; the answer version,
// request id, status, text, user id, metadata.
void ZmqAdmission::answer() {
  zmq::socket_t& socket = state_->socket;
  while ((socket.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0) {
    std::vector<std::string> request;
    zmq::message_t part;
    do {
      if (!socket.recv(part, zmq::recv_flags::dontwait)) return;
      request.push_back(part.to_string());
    } while (part.more());
    std::string key;
    std::string text = "a connection without a key";
    if (request.size() == 7 && request[5] == "CURVE" && request[6].size() == 32) {
      key = key_text(request[6]);
      text = fmt::format("the key {} is not on the list of clients", key);
    }
    const bool admitted = !key.empty() && state_->admits(key).has_value();
    if (!admitted && state_->refusals.size() < kMostRefusals)
      state_->refusals.push_back(
          fmt::format("{}: {}", request.size() > 3 && !request[3].empty() ? request[3] : "somebody", text));
    const std::array<std::string, 6> reply = {"1.0",
                                              request.size() > 1 ? request[1] : "",
                                              admitted ? "200" : "400",
                                              admitted ? "" : "unknown key",
                                              admitted ? key : "",
                                              ""};
    for (std::size_t i = 0; i < reply.size(); ++i)
      socket.send(zmq::const_buffer(reply[i].data(), reply[i].size()),
                  i + 1 < reply.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
}

bool ZmqAdmission::next_refusal(std::string& text) {
  if (state_->refusals.empty()) return false;
  text = std::move(state_->refusals.front());
  state_->refusals.pop_front();
  return true;
}

}  // namespace fedloom
