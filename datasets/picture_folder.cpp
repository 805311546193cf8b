// Files by name and class first, for all; then the pixels of those that are kept.
#include "datasets/picture_folder.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/ranges.h>

#include "core/error.hpp"
#include "core/file.hpp"
#include "datasets/picture.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

std::string ending_of(const fs::path& file) {
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

// Other pictures are not passed over in silence.
bool is_other_picture(const std::string& ending) {
  static constexpr std::array kOthers{".jpg",  ".jpeg", ".gif", ".bmp",  ".webp", ".tif",
                                      ".tiff", ".ppm",  ".pgm", ".heic", ".avif"};
  return std::find(kOthers.begin(), kOthers.end(), ending) != kOthers.end();
}

std::vector<std::string> pictures_in(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.front() == '.' || !entry.is_regular_file()) continue;
    const std::string ending = ending_of(entry.path());
    if (is_other_picture(ending))
      throw user_error("{}: pictures must be PNG files; convert it (ImageMagick: mogrify -format png FILE)",
                       entry.path().string());
    if (ending == ".png") files.push_back(entry.path().string());
  }
  if (error) throw user_error("{}: cannot be read as a folder: {}", folder.string(), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::uint32_t> rows_of(const KeptRows& keep, std::size_t count) {
  if (!keep.is_all()) return keep.listed();
  std::vector<std::uint32_t> rows(count);
  for (std::size_t i = 0; i < count; ++i) rows[i] = static_cast<std::uint32_t>(i);
  return rows;
}

}  // namespace

std::vector<std::string> class_folders(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory() && entry.path().filename().string().front() != '.')
      names.push_back(entry.path().filename().string());
  if (error) throw user_error("{}: cannot be read as a folder: {}", folder, error.message());
  if (names.empty())
    throw user_error("{}: there are no folders in it; each class is one, with its pictures", folder);
  std::sort(names.begin(), names.end());
  return names;
}

std::shared_ptr<const ImageExamples> load_picture_folder(const std::string& folder,
                                                         const std::vector<std::string>& classes,
                                                         const std::vector<std::size_t>& shape,
                                                         const Normalisation& normalisation,
                                                         const KeptRows& keep) {
  for (const std::string& name : class_folders(folder))
    if (std::find(classes.begin(), classes.end(), name) == classes.end())
      throw user_error("{}/{}: no such class among labels: {}", folder, name, fmt::join(classes, ", "));
  std::vector<std::string> files;
  std::vector<std::uint8_t> labels;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    if (!fs::is_directory(fs::path(folder) / classes[k])) continue;
    for (std::string& file : pictures_in(fs::path(folder) / classes[k])) {
      files.push_back(std::move(file));
      labels.push_back(static_cast<std::uint8_t>(k));
    }
  }
  if (files.empty()) throw user_error("{}: there are no PNG files in the folders of its classes", folder);
  KeptPixels kept{files.size(), keep, {}};
  const std::vector<std::uint32_t> rows = rows_of(keep, files.size());
  kept.pixels.reserve(rows.size() * shape[0] * shape[1] * shape[2]);
  for (const std::uint32_t row : rows) {
    if (row >= files.size())
      throw user_error("{}: has {} pictures, and number {} is asked for", folder, files.size(), row);
    const std::string bytes = read_file(files[row]);
    const Picture picture =
        decode_png({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, shape[0], files[row]);
    const auto pixels = planes(picture, shape[1], shape[2]);
    kept.pixels.insert(kept.pixels.end(), pixels.begin(), pixels.end());
  }
  const std::vector<std::int64_t> form(shape.begin(), shape.end());
  return std::make_shared<ImageExamples>(DataSpec{form, static_cast<std::int64_t>(classes.size()), 0},
                                         std::move(kept), std::move(labels), std::vector<std::uint8_t>{},
                                         normalisation, folder);
}

}  // namespace fedloom
