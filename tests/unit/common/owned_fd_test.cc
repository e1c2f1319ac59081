#include "common/owned_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace sluice {
namespace {

OwnedFd open_some() { return OwnedFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool is_open_here(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(OwnedFds, AreClosedAtTheEnd) {
  int fd = -1;
  {
    const OwnedFd owned = open_some();
    fd = owned.get();
    EXPECT_TRUE(owned.is_open());
    EXPECT_TRUE(is_open_here(fd));
  }
  EXPECT_FALSE(is_open_here(fd));
}

TEST(OwnedFds, BelongToTheOneTheyWereMovedTo) {
  OwnedFd from = open_some();
  const int fd = from.get();
  const OwnedFd to = std::move(from);
  EXPECT_EQ(to.get(), fd);
  EXPECT_TRUE(is_open_here(fd));
}

TEST(OwnedFds, AreClosedAsSoonAsAnotherTakesTheirPlace) {
  OwnedFd owned = open_some();
  OwnedFd next = open_some();
  const int old_fd = owned.get();
  const int next_fd = next.get();
  owned = std::move(next);
  EXPECT_FALSE(is_open_here(old_fd));
  EXPECT_EQ(owned.get(), next_fd);
  owned = OwnedFd();
  EXPECT_FALSE(owned.is_open());
  EXPECT_FALSE(is_open_here(next_fd));
}

TEST(OwnedFds, AreNotClosedOnceTheyAreGivenAway) {
  int fd = -1;
  {
    OwnedFd owned = open_some();
    fd = owned.release();
    EXPECT_FALSE(owned.is_open());
  }
  EXPECT_TRUE(is_open_here(fd));
  const OwnedFd closes_it(fd);
}

}  // namespace
}  // namespace sluice
