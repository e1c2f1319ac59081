#include "queue/disk_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "queue/ballast.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice::queue {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::uint64_t kGiB = 1U << 30;

DiskPlan small_plan() {
  DiskLimits limits;
  limits.max_size = 64 * kMiB;
  limits.min_free = 10 * kMiB;
  return plan_disk(limits, kGiB);
}

DiskUsage usage(std::uint64_t used_mib, std::uint64_t session_mib = 0,
                std::uint64_t free_mib = 100) {
  DiskUsage now;
  now.used = used_mib * kMiB;
  now.lane[Lane::kSession] = session_mib * kMiB;
  now.free = free_mib * kMiB;
  return now;
}

TEST(DiskPlan, HasDefaultsThatFollowTheFileSystem) {
  const DiskPlan large = plan_disk({}, 1000 * kGiB);
  EXPECT_EQ(large.max_size, 500 * kGiB);
  EXPECT_EQ(large.session_max_size, 250 * kGiB);
  EXPECT_EQ(large.min_free, 2 * kGiB);
  EXPECT_EQ(large.wal_bytes_max, 256 * kMiB);
  const DiskPlan small = plan_disk({}, 100 * kMiB);
  EXPECT_EQ(small.max_size, 50 * kMiB);
  EXPECT_EQ(small.min_free, 5 * kMiB);
  EXPECT_LE(small.wal_bytes_max, small.max_size / 8);
}

TEST(RoomGauge, StopsBothLanesAtMaxSizeAndLetsThemGoOnBelowIt) {
  RoomGauge gauge(small_plan());
  EXPECT_EQ(gauge.update(usage(63)), FullLanes());
  const FullLanes full = gauge.update(usage(64));
  for (const Lane lane : kLanes) {
    ASSERT_TRUE(full[lane]);
    EXPECT_THAT(*full[lane], HasSubstr("takes 64.0 MiB, max-size is 64.0 MiB"));
  }
  EXPECT_EQ(gauge.update(usage(63)), full);
  EXPECT_EQ(gauge.update(usage(59)), FullLanes());
}

TEST(RoomGauge, StopsOnlyRecordingsAtTheirOwnLimit) {
  RoomGauge gauge(small_plan());
  const FullLanes full = gauge.update(usage(40, 32));
  EXPECT_FALSE(full[Lane::kAudit]);
  ASSERT_TRUE(full[Lane::kSession]);
  EXPECT_THAT(*full[Lane::kSession], HasSubstr("session-max-size is 32.0 MiB"));
  EXPECT_EQ(gauge.update(usage(40, 29)), FullLanes());
}

TEST(RoomGauge, StopsBothLanesBelowTheFreeSpaceThatIsToStay) {
  RoomGauge gauge(small_plan());
  EXPECT_EQ(gauge.update(usage(1, 0, 10)), FullLanes());
  const FullLanes full = gauge.update(usage(1, 0, 9));
  EXPECT_THAT(full[Lane::kAudit].value_or(""), HasSubstr("has 9.0 MiB free"));
  EXPECT_TRUE(full[Lane::kSession]);
  EXPECT_EQ(gauge.update(usage(1, 0, 11)), full);
  EXPECT_EQ(gauge.update(usage(1, 0, 12)), FullLanes());
}

TEST(FolderBytes, CountsBlocksOfAllFilesBelow) {
  const TempFolder folder;
  const std::uint64_t empty = folder_bytes(folder.path());
  std::filesystem::create_directory(folder.path() / "db");
  std::ofstream(folder.path() / "db" / "a") << std::string(kMiB, 'x');
  EXPECT_GE(folder_bytes(folder.path()), empty + kMiB);
  EXPECT_LE(folder_bytes(folder.path()), empty + kMiB + 65'536);
  EXPECT_EQ(folder_bytes(folder.path() / "none"), 0U);
}

TEST(Ballast, TakesRoomUntilItIsReleased) {
  const TempFolder folder;
  Ballast ballast(folder.path() / "ballast", kMiB);
  EXPECT_FALSE(ballast.release());
  ballast.make(0);
  EXPECT_TRUE(ballast.exists());
  EXPECT_GE(folder_bytes(folder.path()), kMiB);
  EXPECT_TRUE(ballast.release());
  EXPECT_FALSE(ballast.exists());
}

TEST(Ballast, IsNotMadeOnAFileSystemWithoutRoomForIt) {
  const TempFolder folder;
  Ballast ballast(folder.path() / "ballast", kMiB);
  ballast.make(file_system_space(folder.path())->free);
  EXPECT_FALSE(ballast.exists());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "ballast"));
}

TEST(Ballast, IsMadeAnewInAnotherSize) {
  const TempFolder folder;
  Ballast(folder.path() / "ballast", kMiB).make(0);
  Ballast smaller(folder.path() / "ballast", 65'536);
  EXPECT_FALSE(smaller.exists());
  smaller.make(0);
  EXPECT_EQ(std::filesystem::file_size(folder.path() / "ballast"), 65'536U);
}

}  // namespace
}  // namespace sluice::queue
