#include "queue/folder_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "queue/format_file.h"
#include "queue/instance.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice::queue {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class FolderChecksTest : public testing::Test {
 protected:
  FolderChecksTest() {
    config_.queue_path = folder_.path();
    config_.instance = "bank";
  }

  void make(const std::filesystem::path& path, unsigned mode) {
    ASSERT_TRUE(prepare_directory(path, mode));
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
  }
  void make_all() {
    make(paths_.queue(), 02750);
    make(paths_.delivery(), 0700);
    make(paths_.sink(), 0700);
    make(paths_.shipper(), 02750);
  }
  Findings folders(Program program, bool is_daemon_user = true) {
    Findings findings;
    check_folders(program, context(is_daemon_user), &findings);
    return findings;
  }
  Findings store(Program program) {
    Findings findings;
    check_store(program, context(true), &findings);
    return findings;
  }
  Findings disk() {
    Findings findings;
    check_disk(context(true), &findings);
    return findings;
  }
  CheckContext context(bool is_daemon_user) {
    return {.config = config_,
            .clock = system_clock(),
            .offline = true,
            .is_daemon_user = is_daemon_user,
            .as_daemon = "sudo check",
            .stop = {}};
  }

  const TempFolder folder_;
  const InstancePaths paths_{folder_.path()};
  Config config_;
};

TEST_F(FolderChecksTest, AreFineBeforeTheFirstStartAndAfterIt) {
  EXPECT_EQ(folders(Program::kFetcher).at(0).level, FindingLevel::kOk);
  make_all();
  for (const Program program : {Program::kFetcher, Program::kShipper}) {
    const auto found = folders(program);
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].level, FindingLevel::kOk) << found[0].text;
    EXPECT_THAT(found[0].text, HasSubstr("queue 2750"));
  }
}

TEST_F(FolderChecksTest, FailWithoutTheInstancesFolder) {
  config_.queue_path = folder_.path() / "none";
  const auto found = folders(Program::kFetcher);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].level, FindingLevel::kFail);
  EXPECT_EQ(found[0].kind, ErrorKind::kCannotCreate);
}

TEST_F(FolderChecksTest, WarnOfAQueueThatOthersCanWriteTo) {
  make_all();
  make(paths_.queue(), 02770);
  const auto found = folders(Program::kFetcher);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].level, FindingLevel::kWarn);
  EXPECT_EQ(found[0].what_to_do, "chmod 2750 " + paths_.queue().string());
}

TEST_F(FolderChecksTest, WarnOfDeadLettersThatOthersCanRead) {
  make_all();
  make(paths_.delivery(), 0750);
  const auto found = folders(Program::kShipper);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].level, FindingLevel::kWarn);
  EXPECT_THAT(found[0].text, HasSubstr("dead letters"));
}

TEST_F(FolderChecksTest, FailForAFileInPlaceOfAFolder) {
  folder_.write("queue", "");
  const auto found = folders(Program::kFetcher);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].what_to_do, "move it away");
}

TEST_F(FolderChecksTest, KnowTheFormatsOfAStore) {
  EXPECT_THAT(store(Program::kFetcher).at(0).text, HasSubstr("no queue yet"));
  make_all();
  ASSERT_TRUE(write_format(paths_.queue(), kQueueFormat));
  EXPECT_EQ(store(Program::kFetcher).at(0).level, FindingLevel::kOk);
  folder_.write("queue/FORMAT", "sluice-queue 1\n");
  EXPECT_EQ(store(Program::kFetcher).at(0).kind, ErrorKind::kFormat);
  folder_.write("queue/FORMAT", "sluice-queue 999\n");
  EXPECT_EQ(store(Program::kFetcher).at(0).kind, ErrorKind::kFormat);
  folder_.write("queue/FORMAT", "what\n");
  EXPECT_EQ(store(Program::kFetcher).at(0).kind, ErrorKind::kCorrupt);
}

TEST_F(FolderChecksTest, FailForADiskWithLessRoomThanIsToBeLeft) {
  make_all();
  config_.queue.min_free_disk = 0;
  EXPECT_EQ(disk().at(0).level, FindingLevel::kOk);
  config_.queue.min_free_disk = 1ULL << 50;
  EXPECT_EQ(disk().at(0).level, FindingLevel::kFail);
  EXPECT_EQ(disk().at(0).kind, ErrorKind::kNoSpace);
}

TEST_F(FolderChecksTest, AreNotJudgedByWhoeverLooks) {
  make_all();
  EXPECT_EQ(folders(Program::kFetcher, false).at(0).level, FindingLevel::kOk);
}

}  // namespace
}  // namespace sluice::queue
