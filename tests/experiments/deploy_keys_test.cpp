// The list of clients: slips are named with file and line, changes are taken up while it is in use, and a
// federation that others can reach is not run without.
#include "experiments/deploy_keys.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "edge/key_files.hpp"
#include "tests/support/temp_folder.hpp"
#include "wiring/experiment.hpp"

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

TEST(ClientKeys, KnowWhoMayBeWhom) {
  const TempFolder folder;
  const std::string kitchen = make_key_pair().public_key;
  const std::string garage = make_key_pair().public_key;
  ClientKeys keys(
      folder.write("list", "# our clients\n\n" + kitchen + " 0 the kitchen\n" + garage + "  3\r\n"));
  EXPECT_EQ(keys.name_of(kitchen), "client 0 (the kitchen)");
  EXPECT_EQ(keys.name_of(garage), "client 3");
  EXPECT_EQ(keys.name_of(make_key_pair().public_key), std::nullopt);
  EXPECT_TRUE(keys.may_be(garage, 3));
  EXPECT_FALSE(keys.may_be(garage, 0));
  EXPECT_FALSE(keys.may_be("", 0));
}

TEST(ClientKeys, SlipsAreNamedWithFileAndLine) {
  const TempFolder folder;
  const std::string key = make_key_pair().public_key;
  const auto told = [&](const std::string& text) {
    return error_of([&] { ClientKeys keys(folder.write("list", text)); });
  };
  EXPECT_THAT(told("# a\nshort 0\n"), HasSubstr("list:2: 'short' is no key"));
  EXPECT_THAT(told(key + "\n"), HasSubstr("list:1: '' is no client's index"));
  EXPECT_THAT(told(key + " -1\n"), HasSubstr("'-1' is no client's index"));
  EXPECT_THAT(told(key + " 3x\n"), HasSubstr("'3x' is no client's index"));
  EXPECT_THAT(told(key + " 0\n" + key + " 1\n"), HasSubstr("list:2: this key stands in the list twice"));
}

// Another file under the name, as editors and `mv` leave it.
TEST(ClientKeys, ChangesAreTakenUp) {
  const TempFolder folder;
  const std::string first = make_key_pair().public_key;
  const std::string second = make_key_pair().public_key;
  const std::string file = folder.write("list", first + " 0\n");
  ClientKeys keys(file);
  const auto replace = [&](const std::string& text) {
    std::filesystem::rename(folder.write("next", text), file);
  };
  replace(second + " 1\n");
  EXPECT_EQ(keys.name_of(first), std::nullopt);
  EXPECT_TRUE(keys.may_be(second, 1));
  replace("a slip\n");
  EXPECT_TRUE(keys.may_be(second, 1)) << "a list that does not parse changes nothing";
  std::filesystem::remove(file);
  EXPECT_TRUE(keys.may_be(second, 1)) << "nor one that is gone";
}

TEST(DeployKeys, OpenEndpointsNeedThem) {
  const TempFolder folder;
  DeployConfig deploy;
  for (const char* local : {"tcp://127.0.0.1:8470", "tcp://localhost:0", "tcp://[::1]:80", "ipc:///tmp/x"}) {
    deploy.listen = local;
    EXPECT_EQ(server_keys(deploy, false).security, nullptr);
  }
  for (const char* open :
       {"tcp://0.0.0.0:8470", "tcp://*:8470", "tcp://192.168.1.5:8470", "tcp://[::]:8470"}) {
    deploy.listen = open;
    EXPECT_THAT(error_of([&] { server_keys(deploy, false); }), HasSubstr("--insecure")) << open;
    EXPECT_EQ(server_keys(deploy, true).security, nullptr);
  }
}

TEST(DeployKeys, HalvesOfThemAreRefused) {
  const TempFolder folder;
  const KeyPair pair = make_key_pair();
  const std::string file = folder / "own.key";
  write_key_file(file, pair);
  DeployConfig deploy;
  deploy.key = file;
  EXPECT_THAT(error_of([&] { server_keys(deploy, true); }), HasSubstr("deploy.clients"));
  deploy.key.clear();
  deploy.clients = folder.write("list", pair.public_key + " 0\n");
  EXPECT_THAT(error_of([&] { server_keys(deploy, true); }), HasSubstr("the server has none"));
  deploy.key = file;
  const ServerKeys keys = server_keys(deploy, false);
  ASSERT_NE(keys.security, nullptr);
  EXPECT_EQ(keys.security->own.secret_key, pair.secret_key);
  EXPECT_EQ(keys.security->admits(pair.public_key), "client 0");
  EXPECT_TRUE(keys.may_be(pair.public_key, 0));
}

}  // namespace
}  // namespace fedloom::testing
