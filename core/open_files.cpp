// The soft limit is for connections, what lies between it and the hard limit for files. Both are the
// process's, so that between raising and lowering a stranger may get one of the places; the next call goes
// further.
#include "core/open_files.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/resource.h>

namespace fedloom {

namespace {

constexpr rlim_t kMost = 16384;
constexpr rlim_t kForFiles = 256;
constexpr std::uint32_t kOfPosix = 20;  // what every system allows
// At a time, as strangers may be quicker to take what one is given.
constexpr rlim_t kStep = 8;

rlim_t for_connections(rlim_t hard) {
  return std::min(kMost, hard > 2 * kForFiles ? hard - kForFiles : hard / 2);
}

}  // namespace

std::uint32_t claim_open_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kOfPosix;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = for_connections(limit.rlim_max);
  return static_cast<std::uint32_t>(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before);
}

int open_file(const char* path, int flags, unsigned mode) {
  int descriptor = ::open(path, flags | O_CLOEXEC, mode);
  rlimit before{};
  if (descriptor >= 0 || errno != EMFILE || getrlimit(RLIMIT_NOFILE, &before) != 0) return descriptor;
  for (rlimit more = before; descriptor < 0 && errno == EMFILE && more.rlim_cur < more.rlim_max;) {
    more.rlim_cur = std::min(more.rlim_max, more.rlim_cur + kStep);
    if (setrlimit(RLIMIT_NOFILE, &more) != 0) break;
    descriptor = ::open(path, flags | O_CLOEXEC, mode);
  }
  const int error = errno;
  (void)setrlimit(RLIMIT_NOFILE, &before);
  errno = error;
  return descriptor;
}

}  // namespace fedloom
