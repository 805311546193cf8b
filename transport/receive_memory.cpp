// One mutex, held for a few map operations and never while the system is asked for memory.
#include "transport/receive_memory.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace fedloom {

namespace {

// Rounded up so that messages of nearly one size find each other's memory.
std::size_t capacity_for(std::uint64_t size) { return (size + 4095) / 4096 * 4096; }

}  // namespace

// Owns one lent run of bytes; the last blob that shares it brings it back.
class ReceiveMemory::Lease {
 public:
  Lease(std::shared_ptr<ReceiveMemory> memory, std::byte* data) : memory_(std::move(memory)), data_(data) {}
  ~Lease() { memory_->give_back(data_); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

 private:
  std::shared_ptr<ReceiveMemory> memory_;
  std::byte* data_;
};

ReceiveMemory::ReceiveMemory(std::uint64_t budget, std::function<void()> room)
    : budget_(budget), room_(std::move(room)) {}

ReceiveMemory::~ReceiveMemory() { trim_idle(0); }

ReceiveMemory::Ticket ReceiveMemory::request(std::uint64_t size, std::uint64_t extra, Admitted admitted) {
  waiting_.push_back({++last_ticket_, size, extra, std::move(admitted)});
  return last_ticket_;
}

void ReceiveMemory::cancel(Ticket ticket) {
  std::erase_if(waiting_, [ticket](const Request& request) { return request.ticket == ticket; });
}

void ReceiveMemory::admit() {
  while (!waiting_.empty()) {
    {
      const std::lock_guard lock(mutex_);
      const std::uint64_t wanted = capacity_for(waiting_.front().size) + waiting_.front().extra;
      const bool fits = used_ == 0 || (used_ <= budget_ && wanted <= budget_ - used_);
      anyone_waits_ = !fits;
      if (!fits) return;
    }
    const Request request = std::move(waiting_.front());
    waiting_.pop_front();
    Blob memory;
    std::string failure;
    try {
      memory = lend(request);
    } catch (const std::bad_alloc& error) {
      failure = error.what();
    }
    request.admitted(std::move(memory), failure);
  }
  const std::lock_guard lock(mutex_);
  anyone_waits_ = false;
}

// Idle memory of other sizes is given up before none is said to be left.
std::byte* ReceiveMemory::take(std::size_t capacity) {
  try {
    return allocate_bytes(capacity);
  } catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    trim_idle(0);
  }
  return allocate_bytes(capacity);
}

Blob ReceiveMemory::lend(const Request& request) {
  if (request.size == 0) return {};
  const std::size_t capacity = capacity_for(request.size);
  const std::uint64_t charged = capacity + request.extra;
  Idle found{};
  {
    const std::lock_guard lock(mutex_);
    found = take_idle(capacity);
    // Idle memory counts against the budget too, so it makes room before more is taken.
    trim_idle(budget_ > used_ + charged ? budget_ - used_ - charged : 0);
  }
  if (found.data == nullptr) found = {take(capacity), capacity};
  {
    const std::lock_guard lock(mutex_);
    used_ += charged;
    peak_ = std::max(peak_, used_);
    lent_[found.data] = {found.capacity, charged};
  }
  Blob blob;
  blob.owner_ = std::make_shared<Lease>(shared_from_this(), found.data);
  blob.data_ = found.data;
  blob.size_ = request.size;
  blob.writable_ = true;
  return blob;
}

ReceiveMemory::Idle ReceiveMemory::take_idle(std::size_t capacity) {
  const auto found = std::ranges::find(idle_, capacity, &Idle::capacity);
  if (found == idle_.end()) return {};
  const Idle idle = *found;
  idle_.erase(found);
  idle_bytes_ -= idle.capacity;
  return idle;
}

void ReceiveMemory::trim_idle(std::uint64_t allowed) {
  while (idle_bytes_ > allowed) {
    idle_bytes_ -= idle_.front().capacity;
    free_bytes(idle_.front().data, idle_.front().capacity);
    idle_.pop_front();
  }
}

void ReceiveMemory::give_back(std::byte* data) noexcept {
  const std::lock_guard lock(mutex_);
  const auto loan = lent_.extract(data).mapped();
  used_ -= loan.charged;
  idle_.push_back({data, loan.capacity});
  idle_bytes_ += loan.capacity;
  trim_idle(budget_);  // the next message of this size takes it, however much is on its way now
  if (anyone_waits_ && room_) room_();
}

void ReceiveMemory::close() {
  const std::lock_guard lock(mutex_);
  room_ = nullptr;
}

void ReceiveMemory::keep(const Blob& blob) {
  const std::lock_guard lock(mutex_);
  auto after = lent_.upper_bound(blob.data());
  if (after == lent_.begin()) return;
  auto& [data, loan] = *std::prev(after);
  if (blob.data() >= data + loan.capacity) return;
  used_ -= std::exchange(loan.charged, 0);
  if (anyone_waits_ && room_) room_();
}

bool ReceiveMemory::is_short() const {
  const std::lock_guard lock(mutex_);
  return anyone_waits_;
}

std::uint64_t ReceiveMemory::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

std::uint64_t ReceiveMemory::peak() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

}  // namespace fedloom
