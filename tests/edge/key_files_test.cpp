// Key files: what is written is read back, and whoever goes to another machine has one.
#include "edge/key_files.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(KeyFile, IsReadBackAndItsOwnersAlone) {
  const TempFolder folder;
  const KeyPair pair = make_key_pair();
  const std::string file = folder / "keys/server.key";
  write_key_file(file, pair);
  EXPECT_EQ(read_key_file(file).public_key, pair.public_key);
  EXPECT_EQ(read_key_file(file).secret_key, pair.secret_key);
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(file).permissions() & perms::all, perms::owner_read | perms::owner_write);
  EXPECT_THAT(error_of([&] { write_key_file(file, make_key_pair()); }), HasSubstr("exists already"));
  EXPECT_EQ(read_key_file(file).secret_key, pair.secret_key) << "an old key is never overwritten";
}

TEST(KeyFile, SaysWhatIsWrong) {
  const TempFolder folder;
  const KeyPair pair = make_key_pair();
  EXPECT_THAT(error_of([&] { read_key_file(folder / "none"); }), HasSubstr("none"));
  EXPECT_THAT(error_of([&] { read_key_file(folder.write("a", "hello\n")); }), HasSubstr("fedloom keygen"));
  const std::string mixed = "public " + make_key_pair().public_key + "\nsecret " + pair.secret_key + "\n";
  EXPECT_THAT(error_of([&] { read_key_file(folder.write("b", mixed)); }),
              HasSubstr("not that of the secret key"));
}

TEST(IsLocal, GoesByTheAddressAndNotByHowItBegins) {
  for (const char* local : {"tcp://127.0.0.1:8470", "tcp://127.1.2.3:1", "tcp://localhost:0",
                            "tcp://[::1]:80", "tcp://[0:0:0:0:0:0:0:1]:80", "ipc:///tmp/x", "inproc://x"})
    EXPECT_TRUE(is_local(local)) << local;
  for (const char* far :
       {"tcp://127.evil.example:8470", "tcp://127.0.0.1.example:8470", "tcp://localhost.example:1",
        "tcp://127.0.0.1:0;far.example:8470", "tcp://128.0.0.1:1", "tcp://0.0.0.0:1", "tcp://*:1",
        "tcp://[::]:1", "tcp://[::1].example:1", "tcp://[fe80::1]:1", "tcp://:1", "tcp://"})
    EXPECT_FALSE(is_local(far)) << far;
}

TEST(ClientSecurity, OtherMachinesNeedKeys) {
  EXPECT_THAT(error_of([&] { client_security("", "tcp://127.evil.example:1", "", false); }),
              HasSubstr("--key"));
  for (const char* local : {"tcp://127.0.0.1:8470", "tcp://localhost:0", "tcp://[::1]:80", "ipc:///tmp/x"})
    EXPECT_EQ(client_security("", local, "", false), nullptr);
  EXPECT_THAT(error_of([&] { client_security("", "tcp://far.example:1", "", false); }), HasSubstr("--key"));
  EXPECT_EQ(client_security("", "tcp://far.example:1", "", true), nullptr);
}

TEST(ClientSecurity, HalvesAreRefused) {
  const TempFolder folder;
  const KeyPair pair = make_key_pair();
  const std::string file = folder / "own.key";
  write_key_file(file, pair);
  EXPECT_THAT(error_of([&] { client_security("", "tcp://h:1", file, false); }), HasSubstr("is missing"));
  EXPECT_THAT(error_of([&] { client_security("short", "tcp://h:1", file, false); }), HasSubstr("is 'short'"));
  EXPECT_THAT(error_of([&] { client_security("short", "tcp://h:1", "", false); }),
              HasSubstr("give its file"));
  EXPECT_EQ(client_security(pair.public_key, "tcp://h:1", file, false)->server_key, pair.public_key);
}

}  // namespace
}  // namespace fedloom::testing
