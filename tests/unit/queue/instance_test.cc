#include "queue/instance.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

class PrepareDirectory : public QueueFixture {
 protected:
  static unsigned mode_of(const std::filesystem::path& path) {
    struct stat info{};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }
};

TEST_F(PrepareDirectory, GivesANewFolderItsModeWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  ASSERT_TRUE(prepare_directory(paths_.queue(), 02750));
  ::umask(before);
  EXPECT_EQ(mode_of(paths_.queue()), 02750u);
}

// Found by killing the fetcher at its second file call: the folder kept a mode that shut the
// shipper out.
TEST_F(PrepareDirectory, FinishesAFolderWhoseMakerWasKilledBeforeItHadItsMode) {
  ASSERT_EQ(::mkdir(paths_.queue().c_str(), 0), 0);
  ASSERT_TRUE(prepare_directory(paths_.queue(), 02750));
  EXPECT_EQ(mode_of(paths_.queue()), 02750u);
}

TEST_F(PrepareDirectory, LeavesTheModeThatAnAdministratorChose) {
  std::filesystem::create_directory(paths_.queue());
  ::chmod(paths_.queue().c_str(), 0700);
  ASSERT_TRUE(prepare_directory(paths_.queue(), 02750));
  EXPECT_EQ(mode_of(paths_.queue()), 0700u);
}

TEST_F(PrepareDirectory, RefusesAFileInTheFoldersPlace) {
  EXPECT_EQ(prepare_directory("/dev/null", 0700).error().message,
            "/dev/null is not a directory: move it away");
}

}  // namespace
}  // namespace sluice::queue
