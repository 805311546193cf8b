// Which examples of a store keep their features in memory, and how those are picked out of a stream. A
// process reads every label, since partitions need them, but few of them need every picture: the centre only
// evaluates, a deployed client has data of its own. Who needs what is data_holder.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace fedloom {

/// A choice of the rows 0 .. N-1 of a store whose size it does not know.
class KeptRows {
 public:
  static KeptRows all() { return {Choice::all, {}}; }
  /// No features, but their file is read to its end, so that damage is found.
  static KeptRows none() { return {Choice::listed, {}}; }
  /// No features, and of their file no more than labels need: the form to compute a partition with.
  static KeptRows unread() { return {Choice::unread, {}}; }
  /// In any order, also more than once. Rows that the store does not have are its reader's UserError.
  static KeptRows of(std::vector<std::uint32_t> rows);

  bool is_all() const { return choice_ == Choice::all; }
  bool is_unread() const { return choice_ == Choice::unread; }
  /// Ascending, each once; empty for all(), none() and unread().
  const std::vector<std::uint32_t>& listed() const { return listed_; }

 private:
  enum class Choice : std::uint8_t { all, listed, unread };
  KeptRows(Choice choice, std::vector<std::uint32_t> rows) : choice_(choice), listed_(std::move(rows)) {}

  Choice choice_;
  std::vector<std::uint32_t> listed_;
};

/// The two stores of a set; `test` says nothing where the test part is cut from the training store.
struct KeptFeatures {
  KeptRows train = KeptRows::all();
  KeptRows test = KeptRows::all();

  static KeptFeatures unread() { return {KeptRows::unread(), KeptRows::unread()}; }
};

/// Stores the kept rows of a stream of rows, which arrives in pieces of any size.
class RowSieve {
 public:
  /// `width`: bytes of a row, above 0.
  RowSieve(KeptRows keep, std::size_t width);

  /// The bytes that follow those taken before.
  void take(std::span<const std::uint8_t> bytes);
  /// (rows kept, width), in the order of the stream. The sieve is empty then.
  std::vector<std::uint8_t> release() { return std::move(kept_); }

 private:
  void store(std::span<const std::uint8_t> bytes);

  KeptRows keep_;
  std::uint64_t width_;
  std::uint64_t position_ = 0;  // in the stream
  std::size_t next_ = 0;        // of the rows listed
  std::vector<std::uint8_t> kept_;
};

}  // namespace fedloom
