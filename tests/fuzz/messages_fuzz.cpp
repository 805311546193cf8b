// libFuzzer: messages of every type with whatever head and blobs. A message decodes to a value or to nothing,
// the value costs memory in proportion to the message, and it encodes to a message that decodes to the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sanitizer/allocator_interface.h>

#include "tests/fuzz/script.hpp"
#include "transport/codec.hpp"

namespace {

using namespace fedloom;  // NOLINT
using fedloom::testing::Script;

// An element of a list takes at least four bytes of the head for one name or shape, and a value of some 100
// bytes in a list that may have room for twice as many. The rest is the value itself and its blobs' names.
constexpr std::size_t kBytesPerByte = 24;
constexpr std::size_t kBytesPerBlob = 256;
constexpr std::size_t kBytesOfValue = 4096;

bool same(const Message& a, const Message& b) {
  return a.type == b.type && a.head == b.head &&
         std::ranges::equal(a.blobs, b.blobs, [](const Blob& x, const Blob& y) {
           return std::ranges::equal(x.bytes(), y.bytes());
         });
}

// Every type but those with text for people and maps, which come out in one form whatever the form they had.
template <class T>
constexpr bool kHasOneForm = true;
template <>
constexpr bool kHasOneForm<Hello> = false;
template <>
constexpr bool kHasOneForm<Update> = false;
template <>
constexpr bool kHasOneForm<Goodbye> = false;

template <class T>
bool decodes(const Message& message) {
  const std::size_t before = __sanitizer_get_current_allocated_bytes();
  const std::optional<T> value = decode<T>(message);
  const std::size_t held = __sanitizer_get_current_allocated_bytes() - before;
  if (!value) return false;
  if (held > kBytesOfValue + kBytesPerByte * message.head.size() + kBytesPerBlob * message.blobs.size())
    std::abort();
  const Message again = encode(*value);
  const std::optional<T> second = decode<T>(again);
  if (!second || !same(encode(*second), again)) std::abort();
  if (kHasOneForm<T> && !same(again, message)) std::abort();
  return true;
}

template <class... T>
int count_decoding(const Message& message) {
  return (0 + ... + (decodes<T>(message) ? 1 : 0));
}

// No input is nearly as long; the fuzzer itself has tables of some 20 MiB.
void refuse_much(const volatile void* /*memory*/, std::size_t size) {
  if (size > std::size_t{64} << 20U) std::abort();
}
void ignore(const volatile void* /*memory*/) {}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  return __sanitizer_install_malloc_and_free_hooks(refuse_much, ignore) > 0 ? 0 : 1;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script input(std::as_bytes(std::span(data, size)));
  Message message;
  message.type = input.number<std::uint8_t>() % 16;
  std::vector<std::uint8_t> sizes(input.number<std::uint8_t>() % 4);
  for (std::uint8_t& blob : sizes) blob = input.number<std::uint8_t>();
  for (const std::uint8_t blob : sizes) message.blobs.push_back(Blob::copy_of(input.run(blob)));
  while (!input.ended()) message.head += static_cast<char>(input.number<std::uint8_t>());
  // A message is of one type.
  const int types = count_decoding<Hello, Welcome, Shared, Patch, Task, Update, Fold, PartialSum, Verdicts,
                                   Collect, EvaluateClients, ClientEvaluations, Goodbye>(message);
  if (types > 1) std::abort();
  return 0;
}
