#include "fetcher/lock/user_locks.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "fetcher/lock/failed_logins.h"
#include "tests/unit/fetcher/fake_teleport.h"
#include "tests/unit/fetcher/steered_clock.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

constexpr Timestamp kNow{1'795'402'721, 0};  // 2026-11-23T02:58:41Z

TEST(FailedLogins, AreTooManyWithOneMoreThanAllowedWithinThePeriod) {
  FailedLogins failed(3, milliseconds(60'000));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(failed.note("anna", add_seconds(kNow, i * 10)));
  EXPECT_TRUE(failed.note("anna", add_seconds(kNow, 59)));
  EXPECT_FALSE(failed.note("anna", add_seconds(kNow, 70))) << "the first is out of the period";
}

// Teleport's own handler counts by login, which is mostly absent: so one bucket for all.
TEST(FailedLogins, AreCountedForEachUserAlone) {
  FailedLogins failed(1, milliseconds(60'000));
  for (const char* user : {"anna", "bruno", "chiara"}) EXPECT_FALSE(failed.note(user, kNow));
  EXPECT_TRUE(failed.note("bruno", kNow));
}

TEST(FailedLogins, CountInWhateverOrderTheyCome) {
  FailedLogins failed(2, milliseconds(60'000));
  EXPECT_FALSE(failed.note("anna", add_seconds(kNow, 50)));
  EXPECT_FALSE(failed.note("anna", kNow));
  EXPECT_TRUE(failed.note("anna", add_seconds(kNow, 20)));
  EXPECT_FALSE(failed.note("bruno", add_seconds(kNow, 500)));
  EXPECT_FALSE(failed.note("bruno", kNow));
  EXPECT_FALSE(failed.note("bruno", add_seconds(kNow, 20))) << "two here, one there";
}

TEST(FailedLogins, ForgetWhoHasNotFailedForLongest) {
  FailedLogins failed(1, milliseconds(10'000'000));
  EXPECT_FALSE(failed.note("first", kNow));
  EXPECT_FALSE(failed.note("second", add_seconds(kNow, 1)));
  for (std::size_t i = 2; i <= FailedLogins::kUsersMax; ++i) {
    EXPECT_FALSE(failed.note("user " + std::to_string(i), add_seconds(kNow, 2)));
  }
  EXPECT_TRUE(failed.note("second", add_seconds(kNow, 3)));
  EXPECT_FALSE(failed.note("first", add_seconds(kNow, 3)));
}

class UserLocksTest : public ::testing::Test {
 protected:
  UserLocksTest() {
    config_.enabled = true;
    config_.attempts_max = 1;
    config_.period = milliseconds(60'000);
  }
  static Event failure(const std::string& user, Timestamp time, const std::string& login = "") {
    return Event{.id = "e",
                 .type = "user.login",
                 .time = time,
                 .index = 0,
                 .json = "{}",
                 .sid = {},
                 .failed_login = FailedLogin{user, login}};
  }
  // Notes the events, waits until there are so many locks, and then a little for more.
  void note(std::initializer_list<Event> events, std::size_t locks) {
    UserLocks user_locks(config_, &teleport_, clock_);
    for (const Event& event : events) user_locks.note(event);
    for (int i = 0; i < 10'000 && teleport_.locks().size() < locks; ++i) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    std::this_thread::sleep_for(milliseconds(20));
    ASSERT_EQ(teleport_.locks().size(), locks);
  }

  LockConfig config_;
  SteeredClock clock_{kNow};
  FakeTeleport teleport_;
};

TEST_F(UserLocksTest, LockWhoFailsTooOften) {
  config_.duration = milliseconds(3'600'000);
  note({failure("anna", kNow), failure("bruno", kNow), failure("anna", kNow, "root")}, 1);
  const LockRequest lock = teleport_.locks()[0];
  EXPECT_EQ(lock.user, "anna");
  EXPECT_EQ(lock.login, "root");
  EXPECT_EQ(lock.name, "event-handler-auto-lock-anna-root");
  ASSERT_TRUE(lock.expires);
  EXPECT_EQ(*lock.expires, add_seconds(kNow, 3600));
}

TEST_F(UserLocksTest, LastForEverWithoutADuration) {
  note({failure("anna", kNow), failure("anna", kNow)}, 1);
  EXPECT_FALSE(teleport_.locks()[0].expires);
  EXPECT_EQ(teleport_.locks()[0].name, "event-handler-auto-lock-anna");
}

TEST_F(UserLocksTest, LockNobodyForWhatIsLongOver) {
  const Timestamp over = add_seconds(kNow, -(60 + 300) - 1);
  note({failure("anna", over), failure("anna", over)}, 0);
  const Timestamp just = add_seconds(kNow, -(60 + 300));
  note({failure("anna", just), failure("anna", just)}, 1);
}

TEST_F(UserLocksTest, LeaveOtherEventsAlone) {
  Event success = failure("anna", kNow);
  success.failed_login.reset();
  note({success, success, success}, 0);
}

TEST_F(UserLocksTest, AreAskedForAgainWhenTeleportDoesNotAnswer) {
  teleport_.refuse_locks(1, ErrorKind::kUnavailable);
  note({failure("anna", kNow), failure("anna", kNow)}, 1);
}

TEST_F(UserLocksTest, EndWhileTeleportRefuses) {
  teleport_.refuse_locks(1'000'000, ErrorKind::kUnauthorized);
  note({failure("anna", kNow), failure("anna", kNow)}, 0);
}

}  // namespace
}  // namespace sluice::fetcher
