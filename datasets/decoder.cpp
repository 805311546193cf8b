// Reading of raw chunks and the three decoders.
#include "datasets/decoder.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>

#include <lzma.h>
#include <zlib.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kChunk = 256 * 1024;
// What one xz stream may ask for its dictionary; `xz -9` needs 65 MiB.
constexpr std::uint64_t kXzMemory = std::uint64_t{256} << 20;

class PlainDecoder final : public Decoder {
 public:
  std::size_t decode(RawInput& input, std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const auto view = input.peek();
      if (view.empty()) break;
      const std::size_t count = std::min(view.size(), out.size() - done);
      std::memcpy(out.data() + done, view.data(), count);
      input.consume(count);
      done += count;
    }
    return done;
  }
  const char* packing() const override { return "plain"; }
};

UserError truncated(const std::string& name, const char* packing) {
  return user_error("{}: the {} stream is cut short; fetch or copy the file again", name, packing);
}

class GzipDecoder final : public Decoder {
 public:
  GzipDecoder() { FEDLOOM_CHECK(inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK, "zlib refused to start"); }
  ~GzipDecoder() override { inflateEnd(&stream_); }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  std::size_t decode(RawInput& input, std::span<std::byte> out) override {
    out = out.first(std::min<std::size_t>(out.size(), std::size_t{1} << 30));
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out > 0 && !finished_) {
      const auto view = input.peek();
      if (view.empty()) throw truncated(input.name(), "gzip");
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(view.data()));
      stream_.avail_in = static_cast<uInt>(view.size());
      const int result = inflate(&stream_, Z_NO_FLUSH);
      input.consume(view.size() - stream_.avail_in);
      if (result == Z_STREAM_END) {
        end_member(input);
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        throw user_error("{}: the gzip stream is corrupt ({}); fetch or copy the file again", input.name(),
                         stream_.msg != nullptr ? stream_.msg : "bad data");
      }
    }
    return out.size() - stream_.avail_out;
  }
  const char* packing() const override { return "gzip"; }

 private:
  // A gzip file is one or more members; anything else behind a member is refused.
  void end_member(RawInput& input) {
    const auto rest = input.peek();
    if (rest.empty()) {
      finished_ = true;
    } else if (rest.front() == std::byte{0x1f}) {
      inflateReset(&stream_);
    } else {
      throw user_error("{}: there are bytes after the end of the gzip stream; fetch or copy the file again",
                       input.name());
    }
  }

  z_stream stream_{};
  bool finished_ = false;
};

class XzDecoder final : public Decoder {
 public:
  XzDecoder() {
    FEDLOOM_CHECK(lzma_stream_decoder(&stream_, kXzMemory, LZMA_CONCATENATED) == LZMA_OK,
                  "liblzma refused to start");
  }
  ~XzDecoder() override { lzma_end(&stream_); }
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;

  std::size_t decode(RawInput& input, std::span<std::byte> out) override {
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    while (stream_.avail_out > 0 && !finished_) {
      const auto view = input.peek();
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(view.data());
      stream_.avail_in = view.size();
      const lzma_ret result = lzma_code(&stream_, view.empty() ? LZMA_FINISH : LZMA_RUN);
      input.consume(view.size() - stream_.avail_in);
      if (result == LZMA_STREAM_END)
        finished_ = true;
      else if (result == LZMA_BUF_ERROR || (result == LZMA_OK && view.empty() && stream_.avail_out > 0))
        throw truncated(input.name(), "xz");
      else if (result != LZMA_OK)
        refuse(input.name(), result);
    }
    return out.size() - stream_.avail_out;
  }
  const char* packing() const override { return "xz"; }

 private:
  [[noreturn]] static void refuse(const std::string& name, lzma_ret result) {
    if (result == LZMA_MEMLIMIT_ERROR)
      throw user_error("{}: unpacking wants more than {} MiB of memory; pack it with `xz -9` or less", name,
                       kXzMemory >> 20);
    throw user_error("{}: the xz stream is corrupt (liblzma code {}); fetch or copy the file again", name,
                     static_cast<int>(result));
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool finished_ = false;
};

}  // namespace

RawInput::RawInput(const std::string& file) : name_(file), buffer_(kChunk) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error))
    throw user_error("{}: is a folder; give the path of a file", file);
  file_.reset(std::fopen(file.c_str(), "rb"));
  if (!file_) throw user_error("{}: cannot be opened: {}; check the path", file, std::strerror(errno));
  std::setvbuf(file_.get(), nullptr, _IONBF, 0);
}

RawInput::RawInput(std::span<const std::byte> bytes, std::string name)
    : name_(std::move(name)), view_(bytes) {}

std::span<const std::byte> RawInput::peek() {
  if (view_.empty() && file_) {
    const std::size_t count = std::fread(buffer_.data(), 1, buffer_.size(), file_.get());
    if (count < buffer_.size() && std::ferror(file_.get()) != 0)
      throw user_error("{}: cannot be read: {}", name_, std::strerror(errno));
    view_ = {buffer_.data(), count};
  }
  return view_;
}

std::unique_ptr<Decoder> decoder_for(std::span<const std::byte> head) {
  constexpr std::array<unsigned char, 2> kGzip{0x1f, 0x8b};
  constexpr std::array<unsigned char, 6> kXz{0xfd, '7', 'z', 'X', 'Z', 0x00};
  const auto starts_with = [&](const auto& magic) {
    return head.size() >= magic.size() && std::memcmp(head.data(), magic.data(), magic.size()) == 0;
  };
  if (starts_with(kGzip)) return std::make_unique<GzipDecoder>();
  if (starts_with(kXz)) return std::make_unique<XzDecoder>();
  return std::make_unique<PlainDecoder>();
}

}  // namespace fedloom
