// One suite for every client store, and what is particular to the one on disk: it is shared between workers,
// and damaged or missing files are refused.
#include "client/client_store.hpp"

#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/transport/channel_world.hpp"

namespace fedloom::testing {
namespace {

TensorMap slots(float value) {
  TensorMap map;
  map["control"] = Tensor{{2, 2}, FloatBuffer{value, 2, 3, -0.0F}};
  map["model"] = Tensor::vector({value});
  return map;
}

class EveryStore : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "memory")
      store = std::make_unique<MemoryClientStore>();
    else
      store = std::make_unique<DiskClientStore>(folder.file("state"));
  }
  TemporaryFolder folder;
  std::unique_ptr<ClientStore> store;
};

TEST_P(EveryStore, VersionZeroIsEmpty) { EXPECT_TRUE(store->load(7, 0).empty()); }

TEST_P(EveryStore, ReturnsWhatWasProposedVersionByVersion) {
  store->propose(7, 1, slots(1));
  store->propose(7, 4, slots(4));
  store->propose(263, 1, slots(9));  // the same subfolder as client 7 on disk
  EXPECT_EQ(store->load(7, 1), slots(1));
  EXPECT_EQ(store->load(7, 4), slots(4));
  EXPECT_EQ(store->load(263, 1), slots(9));
}

TEST_P(EveryStore, ALaterProposalOfTheSameVersionReplaces) {
  store->propose(7, 1, slots(1));
  store->propose(7, 1, slots(2));
  EXPECT_EQ(store->load(7, 1), slots(2));
}

TEST_P(EveryStore, DropsOneVersionAndIgnoresUnknownOnes) {
  store->propose(7, 1, slots(1));
  store->propose(7, 2, slots(2));
  store->drop(7, 1);
  store->drop(7, 1);
  store->drop(8, 9);
  EXPECT_THROW(store->load(7, 1), UserError);
  EXPECT_EQ(store->load(7, 2), slots(2));
}

TEST_P(EveryStore, AMissingVersionIsRefused) { EXPECT_THROW(store->load(3, 5), UserError); }

TEST_P(EveryStore, KeepsEmptyStatesAndLargeIds) {
  store->propose(~ClientId{0}, ~std::uint32_t{0}, {});
  EXPECT_TRUE(store->load(~ClientId{0}, ~std::uint32_t{0}).empty());
}

TEST_P(EveryStore, ServesThreads) {
  std::vector<std::jthread> threads;
  for (ClientId client = 0; client < 4; ++client)
    threads.emplace_back([this, client] {
      for (std::uint32_t version = 1; version <= 50; ++version) {
        store->propose(client, version, slots(static_cast<float>(version)));
        if (version > 2) store->drop(client, version - 2);
        EXPECT_EQ(store->load(client, version), slots(static_cast<float>(version)));
      }
    });
  threads.clear();
  for (ClientId client = 0; client < 4; ++client) EXPECT_EQ(store->load(client, 49), slots(49));
}

INSTANTIATE_TEST_SUITE_P(Stores, EveryStore, ::testing::Values("memory", "disk"),
                         [](const auto& name) { return name.param; });

TEST(DiskClientStore, AnotherWorkerReadsIt) {
  const TemporaryFolder folder;
  DiskClientStore writer(folder.file("state"));
  DiskClientStore reader(folder.file("state"));
  writer.propose(12, 3, slots(5));
  EXPECT_EQ(reader.load(12, 3), slots(5));
  reader.drop(12, 3);
  EXPECT_THROW(writer.load(12, 3), UserError);
}

TEST(DiskClientStore, RefusesDamagedFilesNamingThem) {
  const TemporaryFolder folder;
  DiskClientStore store(folder.file("state"));
  store.propose(12, 3, slots(5));
  std::string file;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.file("state")))
    if (entry.is_regular_file()) file = entry.path().string();
  const std::string bytes = read_file(file);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    write_file_atomically(file, damaged, false);
    EXPECT_THROW(store.load(12, 3), UserError) << "byte " << i;
    write_file_atomically(file, bytes.substr(0, i), false);
    EXPECT_THROW(store.load(12, 3), UserError) << "cut to " << i;
  }
  try {
    store.load(12, 3);
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
  }
  write_file_atomically(file, bytes, false);
  EXPECT_EQ(store.load(12, 3), slots(5));
}

TEST(DiskClientStore, RefusesAPlaceThatIsAFile) {
  const TemporaryFolder folder;
  write_file_atomically(folder.file("plain"), "x", false);
  EXPECT_THROW(DiskClientStore(folder.file("plain")), UserError);
}

}  // namespace
}  // namespace fedloom::testing
