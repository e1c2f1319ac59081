#include "common/printable.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Printable, LeavesTextAsItIs) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("user.login \u00e4\u00a0\u20ac"), "user.login \u00e4\u00a0\u20ac");
}

TEST(Printable, LetsNoControlCharacterThrough) {
  EXPECT_EQ(printable("a\x1b[2J\nb\x7f"), "a?[2J?b?");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "2Jb"),
            "a?2Jb");
  EXPECT_EQ(printable(std::string_view("\0\xc2", 2)), "?\xc2");
}

}  // namespace
}  // namespace sluice
