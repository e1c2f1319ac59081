#include "queue/format_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

class FormatFileTest : public QueueFixture {};

// Limits the size of files that this process writes, as a full disk would.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_{};
};

TEST_F(FormatFileTest, AWriteThatTakesAPartIsNotTakenForSomethingElse) {
  errno = ENOENT;  // left over from another call
  Result<void> written;
  {
    const FileSizeLimit limit(5);
    written = write_format(paths_.root, kQueueFormat);
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::kIo) << written.error().message;
  EXPECT_NE(written.error().message.find("File too large"), std::string::npos)
      << written.error().message;
  EXPECT_FALSE(std::filesystem::exists(paths_.root / "FORMAT"));
}

TEST_F(FormatFileTest, AFailureToReadIsNoDamage) {
  std::filesystem::create_directory(paths_.root / "FORMAT");  // which can be opened, and not read
  const auto version = check_format(paths_.root, kQueueFormat);
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().kind, ErrorKind::kIo) << version.error().message;
}

}  // namespace
}  // namespace sluice::queue
