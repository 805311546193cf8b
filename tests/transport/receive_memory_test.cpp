// The budget: who is let in when, and that memory comes back from wherever it went.
#include "transport/receive_memory.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

constexpr std::uint64_t kPage = 4096;

struct Books {
  explicit Books(std::uint64_t budget)
      : memory(std::make_shared<ReceiveMemory>(budget, [this] { ++rooms; })) {}
  ReceiveMemory::Ticket ask(int name, std::uint64_t size) {
    const auto ticket = memory->request(size, 0, [this, name](Blob blob, const std::string& failure) {
      EXPECT_EQ(failure, "");
      admitted.emplace_back(name, std::move(blob));
    });
    memory->admit();
    return ticket;
  }
  std::vector<int> names() const {
    std::vector<int> out;
    for (const auto& [name, blob] : admitted) out.push_back(name);
    return out;
  }

  int rooms = 0;
  std::vector<std::pair<int, Blob>> admitted;
  std::shared_ptr<ReceiveMemory> memory;
};

TEST(ReceiveMemory, LetsInWhatFitsInTheOrderOfAsking) {
  Books books(10 * kPage);
  books.ask(1, 6 * kPage);
  books.ask(2, 6 * kPage);
  books.ask(3, kPage);  // would fit, but does not overtake
  EXPECT_EQ(books.names(), (std::vector<int>{1}));
  EXPECT_EQ(books.rooms, 0);
  books.admitted.clear();
  EXPECT_EQ(books.rooms, 1);  // told, since somebody waited
  books.memory->admit();
  EXPECT_EQ(books.names(), (std::vector<int>{2, 3}));
  EXPECT_EQ(books.memory->used(), 7 * kPage);
  EXPECT_EQ(books.memory->peak(), 7 * kPage);
}

TEST(ReceiveMemory, LetsInOneThatIsTooLargeWhenNothingElseIsHeld) {
  Books books(10 * kPage);
  books.ask(1, kPage);
  books.ask(2, 50 * kPage);
  books.ask(3, kPage);
  EXPECT_EQ(books.names(), (std::vector<int>{1}));
  books.admitted.clear();
  books.memory->admit();
  EXPECT_EQ(books.names(), (std::vector<int>{2}));
  books.admitted.clear();
  books.memory->admit();
  EXPECT_EQ(books.names(), (std::vector<int>{3}));
}

TEST(ReceiveMemory, WithdrawnRequestsMakeWay) {
  Books books(10 * kPage);
  books.ask(1, 8 * kPage);
  const auto ticket = books.ask(2, 8 * kPage);
  books.ask(3, kPage);
  books.memory->cancel(ticket);
  books.memory->admit();
  EXPECT_EQ(books.names(), (std::vector<int>{1, 3}));
}

TEST(ReceiveMemory, IsUsedAgain) {
  Books books(10 * kPage);
  books.ask(1, 5 * kPage);
  const std::byte* first = books.admitted[0].second.data();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % Blob::kAlignment, 0U);
  books.admitted.clear();
  books.ask(2, 5 * kPage - 100);  // the same number of pages
  EXPECT_EQ(books.admitted[0].second.data(), first);
  EXPECT_EQ(books.admitted[0].second.size(), 5 * kPage - 100);
}

TEST(ReceiveMemory, KeptMemoryMakesRoom) {
  Books books(10 * kPage);
  books.ask(1, 8 * kPage);
  books.ask(2, 8 * kPage);
  const Blob part = books.admitted[0].second.slice(kPage, 10);
  books.memory->keep(Blob::allocate(10));  // somebody else's
  EXPECT_EQ(books.memory->used(), 8 * kPage);
  books.memory->keep(part);
  books.memory->keep(part);
  EXPECT_EQ(books.memory->used(), 0U);
  EXPECT_EQ(books.rooms, 2);
  books.memory->admit();
  EXPECT_EQ(books.names(), (std::vector<int>{1, 2}));
}

TEST(ReceiveMemory, ComesBackFromOtherThreadsAndOutlivesItsChannel) {
  Books books(10 * kPage);
  for (int i = 0; i < 5; ++i) books.ask(i, 2 * kPage);
  std::vector<std::thread> threads;
  for (auto& [name, blob] : books.admitted)
    threads.emplace_back([taken = std::move(blob)]() mutable { taken = {}; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(books.memory->used(), 0U);
  books.admitted.clear();
  books.ask(9, kPage);
  books.memory->close();
  books.memory.reset();
  EXPECT_EQ(books.admitted[0].second.size(), kPage);
}

}  // namespace
}  // namespace fedloom
