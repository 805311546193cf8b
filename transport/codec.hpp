// Typed messages to bytes and back. Small fields go through cereal into the message's head; tensors travel
// as blobs beside it, untouched. Decoding never trusts a length: it is checked against the bytes that are
// there before anything is allocated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/messages.hpp"
#include "transport/message.hpp"

namespace fedloom {

enum class MessageType : std::uint16_t {
  hello = 1,
  welcome,
  shared,
  task,
  update,
  fold,
  partial_sum,
  verdicts,
  collect,
  evaluate_clients,
  client_evaluations,
  goodbye,
  patch,
};

std::string_view to_string(MessageType type);

Message encode(const Hello& value);
Message encode(const Welcome& value);
Message encode(const Shared& value);
Message encode(const Patch& value);
Message encode(const Task& value);
/// Slots travel when present; their names and sizes are those of `reports`, in the same order.
Message encode(const Update& value);
Message encode(const Fold& value);
Message encode(const PartialSum& value);
Message encode(const Verdicts& value);
Message encode(const Collect& value);
Message encode(const EvaluateClients& value);
Message encode(const ClientEvaluations& value);
Message encode(const Goodbye& value);

/// The value, or nothing when the message is of another type or malformed. Names and sentences for people
/// (of Hello, Update and Goodbye) come out printable and cut to a length that can be read.
template <class T>
std::optional<T> decode(const Message& message);

/// What a message would cost a deployed client in bytes on the wire, frame headers included.
std::uint64_t deployed_size(const Task& task);
std::uint64_t deployed_size(const Patch& patch);
/// Of an update with all its slots, whether they are held or here.
std::uint64_t deployed_size(const Update& update);
std::uint64_t deployed_size(const Shared& shared);
std::uint64_t deployed_shared_size(const std::string& name, std::size_t floats);
std::uint64_t deployed_verdict_size();
/// Of evaluating one client: the request, and its answer.
std::uint64_t deployed_evaluation_request_size();
std::uint64_t deployed_evaluation_answer_size();

}  // namespace fedloom
