// A walk along the events of the JSON reader: a tree of a file of pictures would be ten times the file.
#include "datasets/leaf_json.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace fedloom {

namespace {

class LeafReader {
 public:
  LeafReader(std::string_view json, const std::string& file, LeafUsers& users, LeafPart& part)
      : json_(json), file_(file), users_(users), part_(part) {}

  // The names and signatures are those that nlohmann::json::sax_parse calls.
  bool null() { return scalar("null"); }
  bool boolean(bool) { return scalar("true or false"); }
  bool number_integer(std::int64_t value) { return number(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) { return number(static_cast<double>(value)); }
  bool number_float(double value, const std::string&) { return number(value); }
  bool binary(std::vector<std::uint8_t>&) { return scalar("binary data"); }

  bool string(std::string& value) {
    if (at_ == Place::users) {
      listed_.push_back(std::move(value));
    } else if (at_ == Place::xs) {
      take_text(value);
    } else if (at_ == Place::ys) {
      if (value.size() != 1)
        fail("y", count_y_, fmt::format("expected one character, found '{}'", shown(value)));
      next_.push_back(value[0]);
      ++count_y_;
    } else {
      scalar("a text");
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (skipping()) return deeper();
    if (at_ == Place::start)
      at_ = Place::top;
    else if (at_ == Place::top && key_ == "user_data")
      at_ = Place::people;
    else if (at_ == Place::people)
      begin_user();
    else
      unexpected("an object");
    return true;
  }

  bool start_array(std::size_t) {
    if (skipping()) return deeper();
    if (at_ == Place::top && key_ == "users")
      at_ = Place::users;
    else if (at_ == Place::top && key_ == "num_samples")
      at_ = Place::counts;
    else if (at_ == Place::user && key_ == "x")
      at_ = Place::xs;
    else if (at_ == Place::user && key_ == "y")
      at_ = Place::ys;
    else if (at_ == Place::xs)
      at_ = Place::row;
    else
      unexpected("a list");
    return true;
  }

  bool key(std::string& name) {
    if (depth_ == 0) key_ = std::move(name);
    return true;
  }

  bool end_object() {
    if (depth_ > 0) return --depth_, true;
    if (at_ == Place::user) {
      end_user();
      at_ = Place::people;
    } else if (at_ == Place::people) {
      at_ = Place::top;
      key_.clear();
      found_data_ = true;
    } else {
      at_ = Place::start;
    }
    return true;
  }

  bool end_array() {
    if (depth_ > 0) return --depth_, true;
    if (at_ == Place::row) {
      end_row();
      at_ = Place::xs;
    } else {
      at_ = at_ == Place::xs || at_ == Place::ys ? Place::user : Place::top;
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) {
    const std::string_view before = json_.substr(0, position > 0 ? position - 1 : 0);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    const std::string reason = error.what();
    const std::size_t colon = reason.find(": ");  // behind its own number, line and column
    throw user_error("{}:{}:{}: is cut short or is not JSON: {}", file_, line, column,
                     colon == std::string::npos ? reason : reason.substr(colon + 2));
  }

  void finish() const {
    if (!found_data_) throw user_error("{}: has no user_data; it is not a LEAF file", file_);
    for (std::size_t i = 0; i < listed_.size(); ++i) {
      const auto it = counts_of_.find(listed_[i]);
      if (it == counts_of_.end())
        throw user_error("{}: user '{}' is in users, but not in user_data", file_, listed_[i]);
      if (i < counts_.size() && counts_[i] != static_cast<double>(it->second))
        throw user_error("{}: user '{}': num_samples says {}, but there are {} examples", file_, listed_[i],
                         counts_[i], it->second);
    }
  }

 private:
  enum class Place : std::uint8_t { start, top, users, counts, people, user, xs, row, ys };

  static std::string shown(const std::string& text) { return text.substr(0, 40); }

  /// Whether the value that begins now belongs to a key that nobody asks for, or lies within one.
  bool skipping() const {
    if (depth_ > 0) return true;
    if (at_ == Place::top) return key_ != "users" && key_ != "num_samples" && key_ != "user_data";
    return at_ == Place::user && key_ != "x" && key_ != "y";
  }
  bool deeper() { return ++depth_, true; }

  [[noreturn]] void fail(const char* what, std::size_t index, const std::string& problem) const {
    throw user_error("{}: user '{}': {}[{}]: {}", file_, user_, what, index, problem);
  }
  [[noreturn]] void unexpected(const char* found) const {
    switch (at_) {
      case Place::xs:
        fail("x", count_x_, fmt::format("expected a list of numbers or a text, found {}", found));
      case Place::row: fail("x", count_x_, fmt::format("expected a number, found {}", found));
      case Place::ys:
        fail("y", count_y_, fmt::format("expected a whole number or one character, found {}", found));
      case Place::user:
        throw user_error("{}: user '{}': expected a list under {}, found {}", file_, user_, key_, found);
      case Place::people:
        throw user_error("{}: user '{}': expected an object with x and y, found {}", file_, key_, found);
      case Place::users: throw user_error("{}: users: expected a name, found {}", file_, found);
      case Place::counts: throw user_error("{}: num_samples: expected a number, found {}", file_, found);
      default:
        throw user_error("{}: expected {{\"users\", \"num_samples\", \"user_data\"}}, found {}", file_,
                         found);
    }
  }
  bool scalar(const char* found) {
    if (!skipping()) unexpected(found);
    return true;
  }

  bool number(double value) {
    if (at_ == Place::row) {
      const auto feature = static_cast<float>(value);
      if (!std::isfinite(feature))
        fail("x", count_x_, fmt::format("expected a finite number, found {}", value));
      part_.features.push_back(feature);
      return true;
    }
    if (at_ == Place::ys) {
      constexpr double kMost = 1e6;
      if (value < 0 || value > kMost || std::floor(value) != value)
        fail("y", count_y_, fmt::format("expected a whole number from 0, found {}", value));
      part_.labels.push_back(static_cast<std::int32_t>(value));
      ++count_y_;
      return true;
    }
    if (at_ == Place::counts) return counts_.push_back(value), true;
    return scalar("a number");
  }

  void begin_user() {
    at_ = Place::user;
    user_ = std::move(key_);
    key_.clear();
    count_x_ = count_y_ = 0;
    row_begin_ = part_.features.size();
    first_label_ = part_.labels.size();
    texts_.clear();
    next_.clear();
    users_.emplace(user_, static_cast<std::uint32_t>(users_.size()));
  }

  void check_width(std::size_t width, const char* what) {
    if (width == 0) fail("x", count_x_, fmt::format("is empty; expected some {}", what));
    if (part_.width == 0) part_.width = width;
    if (width != part_.width)
      fail("x", count_x_, fmt::format("has {} {}, where the first example has {}", width, what, part_.width));
  }
  void check_kind(bool is_text) {
    if (part_.width > 0 && part_.is_text != is_text)
      fail("x", count_x_, "texts and lists of numbers in one set");
    part_.is_text = is_text;
  }

  void end_row() {
    check_kind(false);
    check_width(part_.features.size() - row_begin_, "numbers");
    row_begin_ = part_.features.size();
    ++count_x_;
  }
  void take_text(std::string& text) {
    check_kind(true);
    check_width(text.size(), "characters");
    texts_ += text;
    ++count_x_;
  }

  void end_user() {
    if (count_x_ != count_y_)
      throw user_error("{}: user '{}': {} examples in x, but {} labels in y", file_, user_, count_x_,
                       count_y_);
    const std::size_t numbers = part_.labels.size() - first_label_;
    if (count_x_ > 0 && numbers != (part_.is_text ? 0 : count_x_))
      throw user_error(
          "{}: user '{}': {}", file_, user_,
          part_.is_text
              ? "x are texts, so y must be characters; only the next-character task is read of texts"
              : "x are numbers, so y must be whole numbers");
    for (std::size_t i = 0; i < next_.size(); ++i) {
      for (const char c : std::string_view(texts_).substr(i * part_.width, part_.width))
        part_.characters.push_back(alphabet_.number(c));
      part_.characters.push_back(alphabet_.number(next_[i]));
    }
    part_.groups.insert(part_.groups.end(), count_x_, users_.find(user_)->second);
    counts_of_[user_] += count_x_;
  }

  std::string_view json_;
  const std::string& file_;
  LeafUsers& users_;
  LeafPart& part_;
  Alphabet alphabet_ = Alphabet::leaf();

  Place at_ = Place::start;
  std::size_t depth_ = 0;  // of values that are skipped
  std::string key_;
  std::string user_;
  std::size_t count_x_ = 0;
  std::size_t count_y_ = 0;
  std::size_t row_begin_ = 0;
  std::size_t first_label_ = 0;
  std::string texts_;  // of this user, end to end
  std::string next_;   // the character behind each
  bool found_data_ = false;
  std::vector<std::string> listed_;
  std::vector<double> counts_;
  std::map<std::string, std::size_t, std::less<>> counts_of_;
};

}  // namespace

void read_leaf_json(std::string_view json, const std::string& file, LeafUsers& users, LeafPart& part) {
  LeafReader reader(json, file, users, part);
  nlohmann::json::sax_parse(json, &reader);
  reader.finish();
}

}  // namespace fedloom
