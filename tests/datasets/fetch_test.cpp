// The catalogue, its verified store and its routes, with stand-ins for the programs that would go out.
#include "datasets/fetch.hpp"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/hash.hpp"
#include "datasets/picture_sheet.hpp"
#include "datasets/subprocess.hpp"
#include "datasets/tar.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

namespace fs = std::filesystem;
using samples::Bytes;
using samples::error_of;
using samples::Folder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CatalogueFile file_of(const std::string& name, const Bytes& content) {
  return {name, content.size(), sha256_hex(samples::view(content))};
}

const Bytes kOne = samples::bytes("first content");
const Bytes kTwo = samples::bytes("second content");

CatalogueEntry toy(std::vector<Route> routes) {
  return {"toy", "a toy", "none", 100, true, {file_of("one", kOne), file_of("two", kTwo)}, std::move(routes)};
}

/// Runs fetch into folder/data and returns the lines it noted; the error, if any, is the last.
std::vector<std::string> run(const CatalogueEntry& entry, const Folder& folder,
                             const std::string& from = "") {
  std::vector<std::string> lines;
  FetchOptions options;
  options.data_dir = folder.path() + "/data";
  options.from = from;
  options.note = [&](const std::string& line) { lines.push_back(line); };
  const std::string error = error_of([&] { fetch(entry, options); });
  if (error != "no error") lines.push_back(error);
  return lines;
}

/// Puts a program of our own before all others on PATH, for the life of this object.
class StandIn {
 public:
  StandIn(const Folder& folder, const std::string& name, const std::string& script)
      : before_(std::getenv("PATH")) {
    const std::string file = folder.write(name, "#!/bin/sh\n" + script);
    fs::permissions(file, fs::perms::owner_all);
    setenv("PATH", (folder.path() + ":" + before_).c_str(), 1);
  }
  ~StandIn() { setenv("PATH", before_.c_str(), 1); }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

 private:
  std::string before_;
};

TEST(Catalogue, EntriesAreComplete) {
  std::vector<std::string> names;
  for (const CatalogueEntry& entry : catalogue()) {
    names.push_back(entry.name);
    for (const CatalogueFile& file : entry.files) EXPECT_EQ(file.sha256.size(), 64U) << file.name;
    for (const Route& route : entry.routes) EXPECT_FALSE(describe(route).empty());
  }
  EXPECT_THAT(names, ElementsAre("mnist", "fashion-mnist", "cifar-10", "usps", "pacs", "sst2", "trec",
                                 "20newsgroups", "shakespeare"));
  EXPECT_THAT(error_of([] { catalogue_entry("minst"); }), HasSubstr("did you mean 'mnist'?"));
}

TEST(Catalogue, SaysWhereToPutWhatNobodyServes) {
  const Folder folder;
  const CatalogueEntry pacs = catalogue_entry("pacs");
  EXPECT_EQ(pacs.folder("data"), "data/pacs-32x32");
  EXPECT_EQ(catalogue_entry("usps").file_names(),
            "usps-train-images-idx3-ubyte, usps-train-labels-idx1-ubyte, usps-test-images-idx3-ubyte and "
            "usps-test-labels-idx1-ubyte (plain, .gz or .xz)");
  EXPECT_THAT(run(pacs, folder),
              ElementsAre(HasSubstr("so put pacs_32x32.bin (plain, .gz or .xz) into " + folder.path() +
                                    "/data/pacs-32x32, or name a folder that has them with --from")));
  EXPECT_THAT(error_of([&] { stored_file("pacs", folder.path(), "pacs_32x32.bin"); }),
              HasSubstr("put it there, or let FEDLOOM_DATA name a folder with pacs-32x32/pacs_32x32.bin"));
  EXPECT_THAT(error_of([&] { stored_file("mnist", folder.path(), "t10k-labels-idx1-ubyte"); }),
              HasSubstr("run `fedloom data get mnist`, or let FEDLOOM_DATA name a folder with mnist/t10k"));
  const std::string there = folder.write("labels.gz", "packed");
  EXPECT_EQ(stored_file("mnist", folder.path(), "labels"), there);
}

TEST(Fetch, TakesAUsersFolderPlainOrPacked) {
  const Folder folder;
  const Folder own;
  own.write("one", kOne);
  own.write("two.xz", samples::xz(kTwo));
  EXPECT_THAT(run(toy({}), folder, own.path()),
              ElementsAre("toy: folder " + own.path() + ": complete, verified"));
  EXPECT_TRUE(is_stored(toy({}), folder.path() + "/data"));
  EXPECT_TRUE(fs::exists(folder.path() + "/data/toy/one.gz"));
  EXPECT_THAT(run(toy({}), folder), ElementsAre("toy: in " + folder.path() + "/data/toy, verified"));
  for (const StoredFile& file : stored_files(toy({}), folder.path() + "/data", true))
    EXPECT_EQ(file.state, FileState::good);
}

TEST(Fetch, ReplacesDamagedFilesAndKeepsGoodOnes) {
  const Folder folder;
  const Folder own;
  own.write("one", kOne);
  own.write("two", kTwo);
  run(toy({}), folder, own.path());
  folder.write("data/toy/one", "First content");  // found before the good one.gz
  const auto lines = run(toy({}), folder, own.path());
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr("toy/one is not the published content"));
  EXPECT_FALSE(fs::exists(folder.path() + "/data/toy/one"));
  EXPECT_TRUE(fs::exists(folder.path() + "/data/toy/one.gz"));
}

TEST(Fetch, RefusesOtherContent) {
  const Folder folder;
  const Folder own;
  own.write("one", "First content");
  EXPECT_THAT(run(toy({}), folder, own.path())[0], HasSubstr("one has SHA-256"));
  own.write("one", "first content and more");
  EXPECT_THAT(run(toy({}), folder, own.path())[0], HasSubstr("unpacks to more than 13 bytes"));
  own.write("one", "first");
  const auto lines = run(toy({}), folder, own.path());
  EXPECT_THAT(lines[0], HasSubstr("cut short"));
  EXPECT_THAT(lines.back(), HasSubstr("no source could give 2 of its 2 files"));
  // Nothing is left behind: neither parts nor temporary folders.
  for (const auto& entry : fs::recursive_directory_iterator(folder.path() + "/data"))
    EXPECT_TRUE(entry.is_directory() && entry.path().filename() == "toy") << entry.path();
}

TEST(Fetch, TriesRoutesInOrderWithALineEach) {
  const Folder folder;
  const Folder programs;
  const Bytes archive = gzip(
      samples::joined({samples::tar_member("package/data/one", kOne), samples::tar_member("package/x", kOne),
                       samples::tar_member("package/data/two", kTwo), Bytes(1024, 0)}));
  programs.write("toy.tgz", archive);
  const StandIn curl(programs, "curl", "echo 'curl: (6) Could not resolve host: nowhere' >&2; exit 6\n");
  const StandIn npm(programs, "npm", "cp " + programs.path() + "/toy.tgz ./toy-1.0.tgz\n");
  const auto lines = run(toy({MirrorRoute{"https://nowhere/"}, ArchiveRoute{"https://nowhere/a.tar.gz", "a/"},
                              NpmRoute{"toy@1.0", "package/data/"}, MirrorRoute{"https://never-asked/"}}),
                         folder);
  EXPECT_THAT(lines, ElementsAre("toy: https://nowhere/: curl: (6) Could not resolve host: nowhere",
                                 "toy: https://nowhere/a.tar.gz: curl: (6) Could not resolve host: nowhere",
                                 "toy: npm package toy@1.0: complete, verified"));
}

TEST(Fetch, DownloadsWhatIsMissingFromAMirror) {
  const Folder folder;
  const Folder programs;
  programs.write("one.gz", gzip(kOne));
  programs.write("two.gz", gzip(kTwo));
  // The last argument is the address, the one after --output the file.
  const StandIn curl(programs, "curl",
                     "while [ $# -gt 1 ]; do [ \"$1\" = --output ] && out=$2; shift; done\n"
                     "cp " +
                         programs.path() + "/${1##*/} \"$out\"\n");
  EXPECT_THAT(run(toy({MirrorRoute{"https://mirror/toy/"}}), folder),
              ElementsAre("toy: https://mirror/toy/: complete, verified"));
}

TEST(Fetch, MissingProgramsAreNamed) {
  const Folder folder;
  const Folder nothing;
  const std::string before = std::getenv("PATH");
  setenv("PATH", nothing.path().c_str(), 1);
  const auto lines =
      run(toy({MirrorRoute{"https://nowhere/"}, NpmRoute{"toy@1.0", ""}, DebianRoute{"toy", "/nowhere/toy"}}),
          folder);
  setenv("PATH", before.c_str(), 1);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_THAT(lines[0], HasSubstr("curl: the program is not installed"));
  EXPECT_THAT(lines[1], HasSubstr("npm: the program is not installed"));
  EXPECT_THAT(lines[2], HasSubstr("apt-get: the program is not installed"));
  EXPECT_THAT(lines[3], HasSubstr("as root: apt-get install toy"));
}

TEST(Fetch, AnInstalledDebianPackageIsJustAFolder) {
  const Folder folder;
  const Folder installed;
  installed.write("one.gz", gzip(kOne));
  installed.write("two.gz", gzip(kTwo));
  EXPECT_THAT(run(toy({DebianRoute{"toy", installed.path()}}), folder),
              ElementsAre("toy: Debian package toy: complete, verified"));
}

TEST(Fetch, ADataFolderThatCannotBeMadeIsSaid) {
  const Folder folder;
  const std::string file = folder.write("data", "a file where the folder should be");
  EXPECT_THAT(run(toy({MirrorRoute{"https://nowhere/"}}), folder)[0], HasSubstr("the folder cannot be made"));
}

TEST(WriteAtomically, ReplacesAndLeavesNothingOnFailure) {
  const Folder folder;
  const std::string path = folder.path() + "/a";
  write_atomically(path, kOne);
  write_atomically(path, kTwo);
  EXPECT_EQ(fs::file_size(path), kTwo.size());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  EXPECT_THAT(error_of([&] { write_atomically(folder.path() + "/no/such/folder", kOne); }),
              HasSubstr("cannot be written"));
}

TEST(RunProgram, ReportsHowItEnded) {
  const ProgramResult good = run_program({"sh", "-c", "pwd; echo done >&2"}, "/", 60);
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(good.output, "/\ndone\n");
  const ProgramResult bad = run_program({"sh", "-c", "echo one; echo 'sh: two'; exit 3"}, "/", 60);
  EXPECT_EQ(bad.exit_code, 3);
  EXPECT_EQ(bad.complaint(), "two");
  EXPECT_EQ(run_program({"sh", "-c", "exit 4"}, "/", 60).complaint(), "it ended with code 4");
  EXPECT_FALSE(run_program({"no-such-program-anywhere"}, "/", 60).found);
  const ProgramResult stuck = run_program({"sleep", "60"}, "/", 0);
  EXPECT_TRUE(stuck.stopped);
  EXPECT_EQ(stuck.complaint(), "it took too long");
}

std::vector<std::string> tar_names(const Bytes& archive) {
  std::vector<std::string> names;
  ByteSource source = ByteSource::over(samples::view(archive), "a.tar");
  for_each_tar_file(
      source, [](const std::string&) { return true; },
      [&](const std::string& name, const Bytes&) { names.push_back(name); });
  return names;
}

TEST(Tar, PassesOverWhatIsNoFile) {
  EXPECT_THAT(tar_names(samples::joined({samples::tar_member("folder/", {}, '5'),
                                         samples::tar_member("link", {}, '2'),
                                         samples::tar_member("pax", samples::bytes("11 path=x\n"), 'x'),
                                         samples::tar_member("../../file", kOne)})),
              ElementsAre("../../file"));
  EXPECT_THAT(tar_names({}), IsEmpty());
}

TEST(Tar, RefusesDamage) {
  const Bytes good = samples::tar_member("one", Bytes(600, 1));
  const auto refusal = [](const Bytes& archive) { return error_of([&] { tar_names(archive); }); };
  for (const std::size_t size : {100U, 512U, 900U, 1535U})
    EXPECT_THAT(refusal(Bytes(good.begin(), good.begin() + size)), HasSubstr("cut short")) << size;
  for (std::size_t i = 0; i < 512; ++i) {
    if (i == 155) continue;  // behind the end of the checksum's text
    Bytes bad = good;
    bad[i] ^= 0x04;
    EXPECT_THAT(refusal(bad), HasSubstr("a.tar: ")) << i;
  }
  EXPECT_THAT(refusal(Bytes(2048, 'x')), HasSubstr("is not a tar archive"));
}

TEST(PictureSheet, TurnsRowsIntoRecords) {
  // Two pictures of two pixels: (1 2 3)(4 5 6) and (7 8 9)(10 11 12), labels 3 and 5.
  const Bytes png = samples::png_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2, 2);
  const Bytes labels{3, 5};
  EXPECT_THAT(sheet_to_records(png, labels, 2, "sheet"),
              ElementsAre(3, 1, 4, 2, 5, 3, 6, 5, 7, 10, 8, 11, 9, 12));
}

TEST(PictureSheet, RefusesOtherSizesAndDamage) {
  const Bytes png = samples::png_of(Bytes(12, 100), 2, 2);
  EXPECT_THAT(error_of([&] { sheet_to_records(png, Bytes{1}, 2, "sheet"); }),
              HasSubstr("sheet: the picture is 2 x 2, expected 2 x 1"));
  EXPECT_THAT(error_of([&] { sheet_to_records(kOne, Bytes{1}, 2, "sheet"); }),
              HasSubstr("is not a readable PNG"));
  Bytes cut(png.begin(), png.end() - 20);
  EXPECT_THAT(error_of([&] { sheet_to_records(cut, Bytes{1, 2}, 2, "sheet"); }), HasSubstr("PNG"));
}

}  // namespace
}  // namespace fedloom
