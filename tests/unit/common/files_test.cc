#include "common/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/unit/common/temp_folder.h"

namespace sluice {
namespace {

TEST(Files, AreReadWholeUpToTheLimit) {
  const TempFolder folder;
  EXPECT_EQ(read_file(folder.write("empty", ""), 10).value(), "");
  EXPECT_EQ(read_file(folder.write("ten", "0123456789"), 10).value(), "0123456789");
  const std::string large(300'000, 'x');
  EXPECT_EQ(read_file(folder.write("large", large), 1 << 20).value(), large);
}

TEST(Files, LongerThanTheLimitAreAnError) {
  const TempFolder folder;
  const auto file = folder.write("eleven", "0123456789a");
  const auto content = read_file(file, 10);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().kind, ErrorKind::kIo);
  EXPECT_EQ(content.error().message,
            "cannot read " + file.native() + ": it is longer than the 10 bytes that are allowed");
}

TEST(Files, AbsentFilesAndFoldersAreErrorsThatNameThem) {
  const TempFolder folder;
  const auto absent = folder.path() / "absent";
  EXPECT_EQ(read_file(absent, 10).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(read_file(absent, 10).error().message,
            "cannot open " + absent.native() + ": No such file or directory");
  EXPECT_EQ(check_readable(absent).error().message,
            "cannot open " + absent.native() + ": No such file or directory");
  EXPECT_EQ(read_file(folder.path(), 10).error().message,
            "cannot read " + folder.path().native() + ": it is a directory");
  EXPECT_EQ(check_readable(folder.path()).error().message,
            "cannot read " + folder.path().native() + ": it is a directory");
}

TEST(Files, CheckingAPipeDoesNotWaitForItsWriter) {
  const TempFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(check_readable(pipe));
}

}  // namespace
}  // namespace sluice
