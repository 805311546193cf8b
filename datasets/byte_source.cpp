// Counting, limits and look-ahead around a decoder.
#include "datasets/byte_source.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/error.hpp"
#include "datasets/decoder.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kChunk = 256 * 1024;
constexpr std::uint64_t kFirstStep = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostStep = std::uint64_t{64} << 20;
// A promise of which this part was kept is believed, and room is made for the rest at once.
constexpr std::uint64_t kTrustedPart = 16;

UserError cut_short(const std::string& name, const char* what, std::uint64_t done, std::uint64_t wanted) {
  return user_error("{}: {} is cut short: {} of {} bytes; fetch or copy the file again", name, what, done,
                    wanted);
}

}  // namespace

struct ByteSource::State {
  RawInput input;
  std::uint64_t limit;
  std::unique_ptr<Decoder> decoder = decoder_for(input.peek());
  std::uint64_t produced = 0;
  std::byte ahead{};
  bool has_ahead = false;

  State(RawInput raw, std::uint64_t most) : input(std::move(raw)), limit(most) {}

  std::size_t pull(std::span<std::byte> out) {
    std::size_t done = 0;
    while (done < out.size()) {
      const std::size_t count = decoder->decode(input, out.subspan(done));
      if (count == 0) break;
      done += count;
      produced += count;
      if (produced > limit)
        throw user_error("{}: unpacks to more than {} bytes, the most that is accepted here", input.name(),
                         limit);
    }
    return done;
  }
};

ByteSource::ByteSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
ByteSource::~ByteSource() = default;
ByteSource::ByteSource(ByteSource&&) noexcept = default;
ByteSource& ByteSource::operator=(ByteSource&&) noexcept = default;

ByteSource ByteSource::open(const std::string& file, std::uint64_t limit) {
  return ByteSource(std::make_unique<State>(RawInput(file), limit));
}

ByteSource ByteSource::over(std::span<const std::byte> bytes, std::string name, std::uint64_t limit) {
  return ByteSource(std::make_unique<State>(RawInput(bytes, std::move(name)), limit));
}

std::size_t ByteSource::read(std::span<std::byte> out) {
  if (out.empty()) return 0;
  std::size_t done = 0;
  if (std::exchange(state_->has_ahead, false)) out[done++] = state_->ahead;
  return done + state_->pull(out.subspan(done));
}

void ByteSource::read_exactly(std::span<std::byte> out, const char* what) {
  const std::size_t count = read(out);
  if (count < out.size()) throw cut_short(name(), what, count, out.size());
}

void ByteSource::append(std::vector<std::uint8_t>& out, std::uint64_t count, const char* what) {
  std::uint64_t done = 0;
  while (done < count) {
    const std::uint64_t step = std::min(std::clamp(done, kFirstStep, kMostStep), count - done);
    const std::size_t start = out.size();
    if (done >= count / kTrustedPart) out.reserve(start + (count - done));
    out.resize(start + step);
    const std::size_t got = read(std::as_writable_bytes(std::span(out)).subspan(start));
    done += got;
    if (got < step) throw cut_short(name(), what, done, count);
  }
}

void ByteSource::pass(std::uint64_t count, const char* what,
                      const std::function<void(std::span<const std::uint8_t>)>& take) {
  std::vector<std::uint8_t> piece(static_cast<std::size_t>(std::min<std::uint64_t>(count, kChunk)));
  for (std::uint64_t done = 0; done < count;) {
    const auto part =
        std::span(piece).first(static_cast<std::size_t>(std::min<std::uint64_t>(count - done, piece.size())));
    const std::size_t got = read(std::as_writable_bytes(part));
    done += got;
    if (got < part.size()) throw cut_short(name(), what, done, count);
    take(part);
  }
}

bool ByteSource::at_end() {
  if (state_->has_ahead) return false;
  state_->has_ahead = state_->pull({&state_->ahead, 1}) == 1;
  return !state_->has_ahead;
}

std::string ByteSource::read_all() {
  std::string text;
  std::vector<char> chunk(kChunk);
  while (const std::size_t count = read(std::as_writable_bytes(std::span(chunk))))
    text.append(chunk.data(), count);
  return text;
}

const std::string& ByteSource::name() const { return state_->input.name(); }
const char* ByteSource::packing() const { return state_->decoder->packing(); }

std::string find_packed(const std::string& stem) {
  std::error_code error;
  for (const char* ending : {"", ".gz", ".xz"})
    if (std::filesystem::is_regular_file(stem + ending, error)) return stem + ending;
  return "";
}

}  // namespace fedloom
