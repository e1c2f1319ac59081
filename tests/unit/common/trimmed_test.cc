#include "common/trimmed.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Trimmed, LosesTheBlanksAtBothEndsAndNoneBetween) {
  EXPECT_EQ(trimmed("a"), "a");
  EXPECT_EQ(trimmed(" \t a \t b\r"), "a \t b");
  EXPECT_EQ(trimmed("a\n "), "a\n");
}

TEST(Trimmed, OfNothingButBlanksIsEmpty) {
  EXPECT_EQ(trimmed(""), "");
  EXPECT_EQ(trimmed(" \t\r "), "");
}

}  // namespace
}  // namespace sluice
