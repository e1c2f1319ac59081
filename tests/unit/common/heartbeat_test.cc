#include "common/heartbeat.h"

#include <gtest/gtest.h>

#include <optional>

namespace sluice {
namespace {

using std::chrono::milliseconds;

class StillClock final : public Clock {
 public:
  Timestamp now() const override { return {}; }
  milliseconds monotonic() const override { return time; }
  milliseconds time{1000};
};

TEST(Heartbeat, WithoutALoopNobodyIsMissed) {
  const StillClock clock;
  const HeartbeatList all(clock);
  EXPECT_FALSE(all.oldest());
}

TEST(Heartbeat, TheLoopThatBeatLongestAgoIsNamed) {
  StillClock clock;
  HeartbeatList all(clock);
  Heartbeat first("first", &all);
  Heartbeat second("second", &all);
  clock.time += milliseconds{300};
  second.beat();
  ASSERT_TRUE(all.oldest());
  EXPECT_EQ(all.oldest()->name, "first");
  EXPECT_EQ(all.oldest()->age, milliseconds{300});
  clock.time += milliseconds{100};
  first.beat();
  EXPECT_EQ(all.oldest()->name, "second");
  EXPECT_EQ(all.oldest()->age, milliseconds{100});
}

TEST(Heartbeat, ALoopThatIsOverIsNotMissed) {
  StillClock clock;
  HeartbeatList all(clock);
  {
    const Heartbeat ends("ends", &all);
    clock.time += milliseconds{300};
    EXPECT_EQ(all.oldest()->age, milliseconds{300});
  }
  EXPECT_FALSE(all.oldest());
}

}  // namespace
}  // namespace sluice
