// The memory of large messages on their way in, for all peers of a channel together. Bounded, lent in the
// order of asking, and used again: fresh pages would cost more than the copy into them. Idle memory is kept
// up to the same bound, and goes first when other sizes are asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/blob.hpp"

namespace fedloom {

/// Asking and admitting belong to one thread; what was lent may come back on any. Held by shared_ptr, since
/// a message may outlive the channel that delivered it.
class ReceiveMemory : public std::enable_shared_from_this<ReceiveMemory> {
 public:
  using Ticket = std::uint64_t;
  /// Hears that a request was let in: a writable blob, 64-byte aligned (empty for a size of 0), or why there
  /// is no such memory.
  using Admitted = std::function<void(Blob memory, const std::string& failure)>;

  /// At most `budget` bytes, or one larger request when nothing else is held. `room` is called, on any
  /// thread, when memory came back while requests wait.
  ReceiveMemory(std::uint64_t budget, std::function<void()> room);
  ~ReceiveMemory();
  ReceiveMemory(const ReceiveMemory&) = delete;
  ReceiveMemory& operator=(const ReceiveMemory&) = delete;

  /// Queues a request; the next admit() may grant it. `extra` bytes are charged with it but not allocated
  /// here (they are charged only while the memory is held).
  Ticket request(std::uint64_t size, std::uint64_t extra, Admitted admitted);
  /// Withdraws a waiting request; an admitted one is returned by letting go of its blob.
  void cancel(Ticket ticket);
  /// Lets in the first requests that fit. Nobody overtakes: a large message is not starved by small ones.
  void admit();
  /// No longer calls `room`.
  void close();

  /// Memory that holds `blob` stops counting: its holder means to keep it.
  void keep(const Blob& blob);
  /// What one peer may hold for messages behind the one that it is sending.
  std::uint64_t share() const { return budget_ / 8; }
  /// Whether somebody waits for memory that others hold.
  bool is_short() const;
  std::uint64_t used() const;
  std::uint64_t peak() const;

 private:
  struct Request {
    Ticket ticket;
    std::uint64_t size;
    std::uint64_t extra;
    Admitted admitted;
  };
  struct Idle {
    std::byte* data;
    std::size_t capacity;
  };
  struct Loan {
    std::size_t capacity;
    std::uint64_t charged;
  };
  class Lease;

  Blob lend(const Request& request);
  std::byte* take(std::size_t capacity);
  Idle take_idle(std::size_t capacity);
  void trim_idle(std::uint64_t allowed);
  void give_back(std::byte* data) noexcept;

  const std::uint64_t budget_;
  std::deque<Request> waiting_;  // the asking thread's own
  Ticket last_ticket_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  std::function<void()> room_;
  bool anyone_waits_ = false;
  std::uint64_t used_ = 0;
  std::uint64_t peak_ = 0;
  std::uint64_t idle_bytes_ = 0;
  std::deque<Idle> idle_;                  // oldest first
  std::map<const std::byte*, Loan> lent_;  // by first byte
};

}  // namespace fedloom
