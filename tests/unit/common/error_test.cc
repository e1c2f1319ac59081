#include "common/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

namespace sluice {
namespace {

Result<std::unique_ptr<int>> make(bool works) {
  if (!works) return fail(ErrorKind::kBusy, "the queue is in use: stop the other fetcher");
  return std::make_unique<int>(7);
}

Result<int> use(bool works) {
  SLUICE_TRY(make(works));
  SLUICE_ASSIGN(const std::unique_ptr<int> value, make(works));
  return *value;
}

TEST(Errors, TravelUpUnchanged) {
  EXPECT_EQ(use(true).value(), 7);
  const auto result = use(false);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kBusy);
  EXPECT_EQ(result.error().message, "the queue is in use: stop the other fetcher");
}

TEST(Errors, OfTheSystemNameOperationObjectAndReason) {
  errno = ENOENT;
  EXPECT_EQ(errno_error("open", "/x").message, "cannot open /x: No such file or directory");
  errno = ENOENT;
  EXPECT_EQ(errno_error("open", "/x").kind, ErrorKind::kNotFound);
  errno = EROFS;
  EXPECT_EQ(errno_error("write", "/x").kind, ErrorKind::kCannotCreate);
  errno = EIO;
  EXPECT_EQ(errno_error("read", "/x").kind, ErrorKind::kIo);
}

}  // namespace
}  // namespace sluice
