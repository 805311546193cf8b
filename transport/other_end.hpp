// Who is at the other end of a socket, asked of the system: for the limits that hold per host and for the
// people who read of refusals.
#pragma once

#include <cstdint>
#include <string>

namespace fedloom {

struct OtherEnd {
  std::string host;  // whom a limit is for: an address, of IPv6 its network of 64 bits
  std::string name;  // "10.0.0.7:51022", "[fd00::7]:51022", "process 812"; "" for processes of elsewhere
  std::uint64_t cookie = 0;  // the system's mark of this socket, which no other ever has
};

/// Nothing for what is no connected socket. Of a connection that is gone the descriptor may be another's
/// already, and so is the answer.
OtherEnd other_end_of(int descriptor);

}  // namespace fedloom
