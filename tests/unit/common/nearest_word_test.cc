#include "common/nearest_word.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace sluice {
namespace {

constexpr std::array<std::string_view, 5> kKnown = {"batch", "timeout", "teleport.addr",
                                                    "teleport.ca", "fluentd.ca"};

TEST(NearestWord, ForgivesOneMistakeInThreeLetters) {
  EXPECT_EQ(nearest_word("bacth", kKnown), "batch");
  EXPECT_EQ(nearest_word("timeuot", kKnown), "timeout");
  EXPECT_EQ(nearest_word("time-out", kKnown), "timeout");
  EXPECT_EQ(nearest_word("Timeout", kKnown), "timeout");
  EXPECT_EQ(nearest_word("teleport.address", kKnown), "teleport.addr");
}

TEST(NearestWord, TakesTheOnlyKeyWithTheSameLastPart) {
  EXPECT_EQ(nearest_word("addr", kKnown), "teleport.addr");
  EXPECT_EQ(nearest_word("ca", kKnown), std::nullopt) << "two keys end with it";
}

TEST(NearestWord, SuggestsNothingForWordsWithoutLikeness) {
  EXPECT_EQ(nearest_word("", kKnown), std::nullopt);
  EXPECT_EQ(nearest_word("zzzzz", kKnown), std::nullopt);
  EXPECT_EQ(nearest_word(std::string(100'000, 'b'), kKnown), std::nullopt);
}

}  // namespace
}  // namespace sluice
