// The IDX format of MNIST (LeCun, Cortes, Burges, "The MNIST database", 1998): two zero bytes, a type, the
// number of dimensions, big-endian sizes, then the values. Bytes only, which is all that is published.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/byte_source.hpp"
#include "datasets/image_examples.hpp"
#include "datasets/kept_rows.hpp"

namespace fedloom {

struct IdxArray {
  std::vector<std::uint32_t> sizes;  // the first counts examples
  std::vector<std::uint8_t> values;  // of the examples kept
};

/// Reads one array and stores the values of the examples in `keep`; the others are read all the same, except
/// that unread() ends behind the header. Throws UserError on a wrong magic, type or number of dimensions (1
/// to 4), sizes of zero or beyond 4 GiB, missing values and bytes behind them.
IdxArray read_idx(ByteSource& source, const KeptRows& keep = KeptRows::all());

/// Files of one part of a set; `groups` (one client id a byte) may be "".
struct IdxFiles {
  std::string images;  // (N, height, width), (N, channels, height, width) or (N, features)
  std::string labels;  // (N)
  std::string groups;
};

/// `classes` 0 means the largest label plus one; `keep` says which images stay in memory; `label_values` are
/// the bytes that stand for class 0, 1 …, or empty where a byte is its class. Throws UserError on every
/// disagreement.
std::shared_ptr<const ImageExamples> load_idx(const IdxFiles& files, std::int64_t classes,
                                              const Normalisation& normalisation,
                                              const KeptRows& keep = KeptRows::all(),
                                              const std::vector<std::uint8_t>& label_values = {});

}  // namespace fedloom
