#include "queue/disk_forecast.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr DiskPlan kPlan{.max_size = 10'000,
                         .session_max_size = 0,
                         .min_free = 1'000,
                         .wal_bytes_max = 0,
                         .record_buffer_bytes = {},
                         .record_file_bytes = {}};

TEST(DiskForecast, IsOfTheScarcerRoom) {
  EXPECT_EQ(full_in(500, 4'000, 0, {.size = 0, .free = 100'000}, kPlan), milliseconds{12 * kDayMs});
  EXPECT_EQ(full_in(500, 4'000, 0, {.size = 0, .free = 2'000}, kPlan), milliseconds{2 * kDayMs});
  EXPECT_EQ(full_in(500, 20'000, 0, {.size = 0, .free = 100'000}, kPlan), milliseconds{0});
  EXPECT_EQ(full_in(500, 4'000, 1'000, {.size = 0, .free = 100'000}, kPlan),
            milliseconds{14 * kDayMs});
  EXPECT_FALSE(full_in(0, 4'000, 0, {.size = 0, .free = 100'000}, kPlan));
  EXPECT_FALSE(full_in(std::nullopt, 4'000, 0, {.size = 0, .free = 100'000}, kPlan));
}

TEST(DiskForecast, OfAVeryLongTimeIsNotOneOfThePast) {
  DiskPlan plan = kPlan;
  plan.max_size = std::uint64_t{1} << 50;
  EXPECT_GT(full_in(300, 0, 0, {.size = 0, .free = std::uint64_t{1} << 50}, plan),
            milliseconds{10'000 * kDayMs});
}

}  // namespace
}  // namespace sluice::queue
