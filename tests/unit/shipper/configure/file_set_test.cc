#include "shipper/configure/file_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <set>

#include "common/files.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice::shipper::configure {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr Timestamp kNow{.seconds = 1'800'000'000, .nanos = 5};

class FileSet : public testing::Test {
 protected:
  Result<fs::path> place(const std::string& text, bool replace = false) {
    const std::array<NewFile, 2> files = {NewFile{.name = "a", .content = text},
                                          NewFile{.name = "b", .content = "b" + text}};
    return place_files(out(), files, replace, kNow);
  }
  fs::path out() const { return folder_.path() / "out"; }
  static std::string text(const fs::path& path) { return read_file(path, 1000).value_or("none"); }
  std::set<std::string> names() const { return names(folder_.path()); }
  static std::set<std::string> names(const fs::path& folder) {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder)) found.insert(entry.path().filename());
    return found;
  }
  static mode_t mode(const fs::path& path) {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  TempFolder folder_;
};

TEST_F(FileSet, MakesTheFolderWithAllFiles) {
  const auto aside = place("1");
  ASSERT_TRUE(aside) << aside.error().message;
  EXPECT_TRUE(aside->empty());
  EXPECT_EQ(names(), std::set<std::string>{"out"});
  EXPECT_EQ(names(out()), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(text(out() / "a"), "1");
  EXPECT_EQ(text(out() / "b"), "b1");
}

TEST_F(FileSet, NobodyElseCanReadThemWhateverTheUmask) {
  for (const mode_t mask : {0000U, 0777U}) {
    const mode_t before = ::umask(mask);
    const auto done = place("1", true);
    ::umask(before);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(mode(out()), 0700U);
    EXPECT_EQ(mode(out() / "a"), 0600U);
    EXPECT_EQ(mode(out() / "b"), 0600U);
  }
}

TEST_F(FileSet, AnEmptyFolderIsTakenAndBecomesPrivate) {
  fs::create_directory(out());
  ::chmod(out().c_str(), 0755);
  ASSERT_TRUE(place("1"));
  EXPECT_EQ(text(out() / "a"), "1");
  EXPECT_EQ(mode(out()), 0700U);
}

TEST_F(FileSet, WhatIsThereIsNotTouchedAndNothingElseIsWritten) {
  fs::create_directory(out());
  folder_.write("out/unrelated", "mine");
  const auto done = place("1");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kCannotCreate);
  EXPECT_THAT(done.error().message, HasSubstr("not empty; nothing was written"));
  EXPECT_EQ(names(), std::set<std::string>{"out"});
  EXPECT_EQ(names(out()), std::set<std::string>{"unrelated"});
}

TEST_F(FileSet, ReplacingMovesWhatWasThereAside) {
  ASSERT_TRUE(place("1"));
  folder_.write("out/identity", "mine");
  const auto aside = place("2", true);
  ASSERT_TRUE(aside) << aside.error().message;
  EXPECT_EQ(*aside, folder_.path() / "out.before-20270115T080000Z");
  EXPECT_EQ(text(out() / "a"), "2");
  EXPECT_EQ(names(out()), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(text(*aside / "a"), "1");
  EXPECT_EQ(text(*aside / "identity"), "mine");
  EXPECT_EQ(*place("3", true), folder_.path() / "out.before-20270115T080000Z-2");
  EXPECT_EQ(names().size(), 3);
}

TEST_F(FileSet, AFileOrALackingParentIsTold) {
  folder_.write("out", "a file");
  EXPECT_THAT(place("1", true).error().message, HasSubstr("is no folder"));
  EXPECT_EQ(text(out()), "a file");
  const auto done = place_files(folder_.path() / "none" / "out", {}, false, kNow);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kCannotCreate);
  EXPECT_EQ(names(), std::set<std::string>{"out"});
}

TEST_F(FileSet, TheFolderThatWeAreInIsNotExchangedUnderUs) {
  fs::create_directory(out());
  const fs::path before = fs::current_path();
  fs::current_path(out());
  const auto done = place("1", true);
  fs::current_path(before);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(done.error().message, HasSubstr("out/sluice"));
  EXPECT_TRUE(names(out()).empty());
}

TEST_F(FileSet, AFailureLeavesNothingBehind) {
  const std::array<NewFile, 2> files = {NewFile{.name = "a", .content = "1"},
                                        NewFile{.name = "no/such/folder", .content = "1"}};
  EXPECT_FALSE(place_files(out(), files, false, kNow));
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace sluice::shipper::configure
