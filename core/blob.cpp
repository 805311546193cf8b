// Where the memory of blobs comes from.
#include "core/blob.hpp"

#include <cstring>
#include <new>

#include <sys/mman.h>

namespace fedloom {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20U;

std::align_val_t alignment_of(std::size_t size) {
  return std::align_val_t{size >= kHugePage ? kHugePage : Blob::kAlignment};
}

}  // namespace

std::byte* allocate_bytes(std::size_t size) {
  void* data = ::operator new(size, alignment_of(size));
  // A hint only: where the kernel has no huge pages to give, ordinary ones do.
  if (size >= kHugePage) madvise(data, size / kHugePage * kHugePage, MADV_HUGEPAGE);
  return static_cast<std::byte*>(data);
}

void free_bytes(std::byte* data, std::size_t size) noexcept { ::operator delete(data, alignment_of(size)); }

Blob Blob::allocate(std::size_t size) {
  if (size == 0) return {};
  std::byte* data = allocate_bytes(size);
  Blob blob;
  blob.owner_ = std::shared_ptr<const void>(data, [data, size](const void*) { free_bytes(data, size); });
  blob.data_ = data;
  blob.size_ = size;
  blob.writable_ = true;
  return blob;
}

Blob Blob::copy_of(std::span<const std::byte> bytes) {
  Blob blob = allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(blob.writable().data(), bytes.data(), bytes.size());
  return blob;
}

Blob Blob::from(FloatBuffer values) {
  auto owner = std::make_shared<const FloatBuffer>(std::move(values));
  return view(owner, *owner);
}

std::span<std::byte> Blob::writable() {
  if (size_ == 0) return {};
  FEDLOOM_CHECK(writable_ && owner_.use_count() == 1, "a blob of {} bytes is written to while {} hold it{}",
                size_, owner_.use_count(), writable_ ? "" : " and it only views the memory of another");
  return {const_cast<std::byte*>(data_), size_};  // NOLINT: allocate() made it as writable memory
}

Blob Blob::slice(std::size_t offset, std::size_t size) const {
  FEDLOOM_CHECK(offset <= size_ && size <= size_ - offset, "slice [{}, +{}) of a blob of {} bytes", offset,
                size, size_);
  return Blob(owner_, bytes().subspan(offset, size));
}

}  // namespace fedloom
