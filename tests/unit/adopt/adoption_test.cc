#include "adopt/adoption.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>

#include "tests/unit/common/temp_folder.h"

namespace sluice::adopt {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class AdoptionTest : public ::testing::Test {
 protected:
  AdoptionTest() {
    // Files can be given away by root only.
    const bool is_root = ::geteuid() == 0;
    fetcher_ = is_root ? 12'345 : ::geteuid();
    shipper_ = is_root ? 12'346 : ::geteuid();
    group_ = is_root ? 12'347 : ::getegid();
    put("/etc/passwd", fmt::format("root:x:{0}:{1}::/:/bin/sh\nsluice-fetcher:x:{2}:{3}::/:/no\n"
                                   "sluice-shipper:x:{4}:{3}::/:/no\n",
                                   ::geteuid(), ::getegid(), fetcher_, group_, shipper_));
    put("/etc/group", fmt::format("sluice:x:{}:\n", group_));
    put("/etc/systemd/system/teleport-event-handler.service",
        "[Service]\nExecStart=/usr/local/bin/teleport-event-handler start "
        "--config=/etc/teleport-event-handler.toml\nWorkingDirectory=/opt/teh\n");
    put("/etc/teleport-event-handler.toml", R"(storage = "./storage"
types = ["user.login"]
[forward.fluentd]
ca = "ca.crt"
cert = "client.crt"
key = "client.key"
url = "https://localhost:8888/events.log"
session-url = "https://localhost:8888/session"
[teleport]
addr = "teleport.example.com:443"
identity = "identity"
)");
    for (const char* name : {"ca.crt", "client.crt", "client.key", "identity"}) {
      put(fmt::format("/opt/teh/{}", name), fmt::format("content of {}", name));
    }
    put("/opt/teh/storage/teleport.example.com_443/start_time", "2026-11-01T00:00:00Z");
    put("/opt/teh/storage/teleport.example.com_443/cursor_v2/2026-11-02/a.chunk", "a1:5");
    fs::create_directories(at("/var/lib/sluice/default"));
    fs::permissions(root_.path(), fs::perms(0755));
  }

  fs::path at(const fs::path& path) const { return root_.path() / path.relative_path(); }
  void put(const fs::path& path, const std::string& content) const {
    fs::create_directories(at(path).parent_path());
    std::ofstream(at(path), std::ios::binary) << content;
  }
  std::string get(const fs::path& path) const {
    std::ifstream file(at(path), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  struct stat look(const fs::path& path) const {
    struct stat status{};
    EXPECT_EQ(::lstat(at(path).c_str(), &status), 0) << path;
    return status;
  }
  // Everything below the root, with what could have been changed.
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(root_.path())) {
      struct stat status{};
      ::lstat(entry.path().c_str(), &status);
      std::string text =
          fmt::format("{:o} {} {} {} {}.{}\n", status.st_mode, status.st_uid, status.st_gid,
                      status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
      if (entry.is_regular_file()) text += get(entry.path().lexically_relative(root_.path()));
      all.emplace(entry.path().native(), std::move(text));
    }
    return all;
  }

  Result<void> run(bool dry_run = false) {
    options_.root = root_.path();
    options_.dry_run = dry_run;
    said_.clear();
    return adopt(
        options_,
        [this](const std::vector<std::string>& arguments) -> Result<int> {
          asked_.push_back(fmt::format("{}", fmt::join(arguments, " ")));
          const bool asks = arguments[1] == "--quiet";
          if (!asks) enabled_ = false;
          return asks && !enabled_ ? 1 : 0;
        },
        [this](const std::string& line) { said_.push_back(line); });
  }

  TempFolder root_;
  uid_t fetcher_ = 0;
  uid_t shipper_ = 0;
  gid_t group_ = 0;
  AdoptionOptions options_;
  bool enabled_ = true;
  std::vector<std::string> asked_;
  std::vector<std::string> said_;
};

TEST_F(AdoptionTest, CopiesWhatIsNeededToItsOwnersAndStopsTheOldUnit) {
  const auto done = run();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(get("/etc/sluice/default/fluentd-client.key"), "content of client.key");
  EXPECT_EQ(look("/etc/sluice/default/fluentd-client.key").st_uid, shipper_);
  EXPECT_EQ(look("/etc/sluice/default/fluentd-client.key").st_mode & 07777, 0400U);
  EXPECT_EQ(get("/etc/sluice/default/teleport-identity"), "content of identity");
  EXPECT_EQ(look("/etc/sluice/default/teleport-identity").st_uid, fetcher_);
  EXPECT_EQ(look("/etc/sluice/default/teleport-identity").st_mode & 07777, 0400U);
  EXPECT_EQ(look("/etc/sluice/default/fluentd-ca.crt").st_gid, group_);
  EXPECT_EQ(look("/etc/sluice/default/fluentd-ca.crt").st_mode & 07777, 0640U);
  EXPECT_EQ(look("/etc/sluice").st_mode & 07777, 0750U);
  EXPECT_EQ(look("/etc/sluice/default.toml").st_mode & 07777, 0640U);
  const std::string config = get("/etc/sluice/default.toml");
  EXPECT_THAT(config, HasSubstr("storage = \"/opt/teh/storage\"\ntypes = [\"user.login\"]\n"));
  EXPECT_THAT(config, HasSubstr("key = \"/etc/sluice/default/fluentd-client.key\"\n"));
  EXPECT_THAT(config, HasSubstr("identity = \"/etc/sluice/default/teleport-identity\"\n"));
  EXPECT_THAT(asked_, Contains(fmt::format("--root={} disable teleport-event-handler.service",
                                           root_.path().native())));
  EXPECT_TRUE(fs::exists(at("/etc/systemd/system/teleport-event-handler.service")));
  EXPECT_THAT(said_.back(), HasSubstr("systemctl enable --now sluice-fetcher sluice-shipper"));
  EXPECT_THAT(said_, Not(Contains(StartsWith("TO DO"))));
}

TEST_F(AdoptionTest, ADryRunPrintsTheSameAndChangesNothing) {
  const auto before = contents();
  ASSERT_TRUE(run(true));
  const auto said = said_;
  EXPECT_EQ(contents(), before);
  EXPECT_TRUE(enabled_);
  ASSERT_TRUE(run());
  EXPECT_EQ(said_, said);
}

TEST_F(AdoptionTest, CanBeRunAgain) {
  ASSERT_TRUE(run());
  const auto before = contents();
  ASSERT_TRUE(run());
  EXPECT_EQ(contents(), before);
  EXPECT_THAT(said_, Not(Contains(StartsWith("do "))));
  EXPECT_THAT(said_, Contains("ok     teleport-event-handler.service is stopped and disabled"));
}

TEST_F(AdoptionTest, LeavesAConfigurationAloneThatSomebodyHasChanged) {
  ASSERT_TRUE(run());
  put("/etc/sluice/default.toml", "mine");
  ASSERT_TRUE(run());
  EXPECT_EQ(get("/etc/sluice/default.toml"), "mine");
  EXPECT_THAT(said_, Contains(HasSubstr("says something else, so it was left alone")));
}

// There may be no other copy of the key of a certificate that was renewed in its new place.
TEST_F(AdoptionTest, LeavesACertificateAloneThatWasRenewedInItsNewPlace) {
  ASSERT_TRUE(run());
  put("/etc/sluice/default/fluentd-client.key", "renewed");
  ASSERT_TRUE(run());
  EXPECT_EQ(get("/etc/sluice/default/fluentd-client.key"), "renewed");
  EXPECT_THAT(said_, Contains("keep   /etc/sluice/default/fluentd-client.key"));
  EXPECT_THAT(said_, Contains(StartsWith("TO DO  /etc/sluice/default/fluentd-client.key is there "
                                         "already and says something else")));
  EXPECT_EQ(get("/etc/sluice/default/fluentd-client.crt"), "content of client.crt");
}

TEST_F(AdoptionTest, MakesAFilesOwnersAndModeRightThatIsThereAlready) {
  ASSERT_TRUE(run());
  fs::permissions(at("/etc/sluice/default/fluentd-client.key"), fs::perms(0644));
  ASSERT_TRUE(run());
  EXPECT_EQ(look("/etc/sluice/default/fluentd-client.key").st_mode & 07777U, 0400U);
}

TEST_F(AdoptionTest, CopiesAStateThatTheFetcherCannotReadWithItsTimes) {
  fs::permissions(at("/opt/teh/storage"), fs::perms(0));
  if (::geteuid() != 0) GTEST_SKIP() << "only root can read such a folder";
  ASSERT_TRUE(run());
  const fs::path copy = "/var/lib/sluice/default/teleport-event-handler";
  EXPECT_THAT(get("/etc/sluice/default.toml"), HasSubstr("storage = \"" + copy.native() + "\""));
  const fs::path file = "teleport.example.com_443/cursor_v2/2026-11-02/a.chunk";
  EXPECT_EQ(get(copy / file), "a1:5");
  EXPECT_EQ(look(copy / file).st_mtim.tv_nsec, look("/opt/teh/storage" / file).st_mtim.tv_nsec);
  EXPECT_EQ(look(copy / file).st_gid, group_);
  EXPECT_EQ(look(copy / file).st_mode & 07777, 0640U);
  EXPECT_EQ(look(copy / file.parent_path()).st_mtim.tv_nsec,
            look("/opt/teh/storage" / file.parent_path()).st_mtim.tv_nsec);
  ASSERT_TRUE(run());
  EXPECT_THAT(said_, Contains("ok     " + copy.native()));
  put("/opt/teh/storage/teleport.example.com_443/id", "later");
  ASSERT_TRUE(run());
  EXPECT_EQ(get(copy / "teleport.example.com_443/id"), "later");
}

TEST_F(AdoptionTest, LeavesAnIdentityWhereItIsRenewed) {
  put("/etc/teleport-event-handler.toml",
      get("/etc/teleport-event-handler.toml") + "refresh.enabled = true\n");
  fs::permissions(at("/opt/teh/identity"), fs::perms(0));
  ASSERT_TRUE(run());
  EXPECT_FALSE(fs::exists(at("/etc/sluice/default/teleport-identity")));
  EXPECT_THAT(get("/etc/sluice/default.toml"), HasSubstr("identity = \"/opt/teh/identity\"\n"));
  EXPECT_THAT(said_, Contains(HasSubstr("sluice-fetcher cannot read it there")));
}

TEST_F(AdoptionTest, SaysWhichSettingsTheUnitHasBesides) {
  put("/etc/systemd/system/teleport-event-handler.service.d/more.conf",
      "[Service]\nEnvironment=FDFWD_BATCH=500\n");
  ASSERT_TRUE(run());
  EXPECT_THAT(said_, Contains(HasSubstr("has FDFWD_BATCH=500: write it into /etc/sluice/default")));
}

TEST_F(AdoptionTest, ChangesNothingWhereSomethingIsMissing) {
  fs::remove(at("/opt/teh/client.key"));
  const auto before = contents();
  const auto refused = run();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(refused.error().message, HasSubstr("/opt/teh/client.key"));
  EXPECT_EQ(contents(), before);
  EXPECT_TRUE(enabled_);
}

TEST_F(AdoptionTest, ChangesNothingWithoutSluicesUsers) {
  put("/etc/passwd", "root:x:0:0::/:/bin/sh\n");
  const auto refused = run();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("there is no user sluice-fetcher"));
  EXPECT_TRUE(enabled_);
}

TEST_F(AdoptionTest, ChangesNothingForAConfigurationThatSluiceDoesNotTake) {
  put("/etc/teleport-event-handler.toml", "storrage = \"/x\"\n");
  const auto refused = run();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConfig);
  EXPECT_THAT(refused.error().message, HasSubstr("did you mean storage?"));
}

TEST_F(AdoptionTest, KnowsAUnitByItsShortName) {
  options_.unit = "teleport-event-handler";
  ASSERT_TRUE(run());
  EXPECT_THAT(said_, Contains("do     stop and disable teleport-event-handler.service"));
}

TEST_F(AdoptionTest, WorksWithoutAUnit) {
  fs::remove(at("/etc/systemd/system/teleport-event-handler.service"));
  EXPECT_EQ(run().error().kind, ErrorKind::kNotFound);
  put("/elsewhere/teh.toml", "[forward.fluentd]\nurl = \"https://localhost:8888/events.log\"\n");
  options_.config = at("/elsewhere/teh.toml");
  ASSERT_TRUE(run());
  EXPECT_TRUE(asked_.empty());
  EXPECT_THAT(said_, Contains(HasSubstr("there is no unit teleport-event-handler.service: stop")));
  EXPECT_THAT(get("/etc/sluice/default.toml"), HasSubstr("events.log"));
}

TEST_F(AdoptionTest, KnowsInstances) {
  options_.instance = "bank";
  ASSERT_TRUE(run());
  EXPECT_THAT(get("/etc/sluice/bank.toml"), HasSubstr("/etc/sluice/bank/fluentd-ca.crt"));
  EXPECT_THAT(said_.back(), HasSubstr("sluice-fetcher@bank sluice-shipper@bank"));
}

}  // namespace
}  // namespace sluice::adopt
