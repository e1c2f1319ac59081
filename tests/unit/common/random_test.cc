#include "common/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <span>

namespace sluice {
namespace {

TEST(Random, FillsAllBytesAndNoneBesideThem) {
  std::array<std::uint8_t, 10> bytes{};
  std::array<bool, 10> changed{};
  // That a byte stays 0 each of these times happens once in 2^160.
  for (int i = 0; i < 20; ++i) {
    fill_random(std::span(bytes).subspan(1, 8));
    for (std::size_t at = 0; at < bytes.size(); ++at) changed[at] |= bytes[at] != 0;
  }
  EXPECT_EQ(std::ranges::count(changed, true), 8);
  EXPECT_FALSE(changed.front());
  EXPECT_FALSE(changed.back());
}

TEST(Random, NumbersDoNotComeTwice) {
  std::set<std::uint64_t> numbers;
  for (int i = 0; i < 1'000; ++i) numbers.insert(random_u64());
  EXPECT_EQ(numbers.size(), 1'000u);
}

}  // namespace
}  // namespace sluice
