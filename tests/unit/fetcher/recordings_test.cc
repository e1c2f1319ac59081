#include "fetcher/source/recordings.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/unit/fetcher/source_fixture.h"

namespace sluice::fetcher {
namespace {

using ::testing::ElementsAre;

// Counts how often it was asked what time it is.
class CountingClock final : public Clock {
 public:
  explicit CountingClock(const Clock& real) : real_(real) {}
  Timestamp now() const override {
    ++asked_;
    return real_.now();
  }
  std::chrono::milliseconds monotonic() const override { return real_.monotonic(); }
  int asked() const { return asked_; }

 private:
  const Clock& real_;
  mutable std::atomic<int> asked_ = 0;
};

class RecordingsTest : public SourceFixture {
 protected:
  RecordingsTest() { announced_.announced_at_ms = to_unix_ms(kNow); }

  Recordings& start() {
    recordings_ = std::make_unique<Recordings>(options_, &teleport_, &buffers_, counting_clock_);
    return *recordings_;
  }
  // Moves the clock on meanwhile, so that waits end.
  void run_until(const std::function<bool()>& done) {
    collect_until([&] {
      clock_.advance(std::chrono::minutes(1));
      return done();
    });
  }
  static std::string event(std::int64_t index, const std::string& id = "") {
    return event_bytes(id.empty() ? fmt::format("uid-{}", index) : id, kNow, "print", index);
  }
  std::vector<std::string> bodies() const {
    std::vector<std::string> uids;
    for (const Item& item : items_) {
      const auto* held = std::get_if<Event>(&item.content);
      if (held == nullptr) continue;
      const std::size_t at = held->json.find("\"uid\":\"") + 7;
      uids.push_back(held->json.substr(at, held->json.find('"', at) - at));
    }
    return uids;
  }

  CountingClock counting_clock_{clock_};
  RecordingsOptions options_;
  RecordingState announced_;
  std::unique_ptr<Recordings> recordings_;
};

TEST_F(RecordingsTest, StreamsARecordingIntoTheSessionLaneAndErasesItsState) {
  teleport_.add_recording("s1", {event(0), event(1), event(2)});
  state_["recording/s1"] = encode_recording_state(announced_);
  start().add("s1", announced_);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_THAT(ids(), ElementsAre("s1:1", "s1:2", "s1:3"));
  for (const Item& item : items_) {
    EXPECT_EQ(item.lane, queue::Lane::kSession);
    if (std::holds_alternative<Event>(item.content)) {
      EXPECT_EQ(item.route, "s1");
    }
  }
  EXPECT_EQ(state("recording/s1"), std::nullopt);
  EXPECT_EQ(state("recording-done/s1"), format_rfc3339(kNow));
  EXPECT_EQ(recordings_->pending(), 0U);
}

TEST_F(RecordingsTest, ResumesBehindTheEventsThatShareTheLastIndex) {
  teleport_.add_recording("s1",
                          {event(0), event(1, "1a"), event(1, "1b"), event(1, "1c"), event(2)});
  RecordingState saved = announced_;
  for (const std::int64_t index : {0, 1, 1}) saved.take(index);
  start().add("s1", saved);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_THAT(bodies(), ElementsAre("1c", "uid-2"));
  EXPECT_THAT(ids(), ElementsAre("s1:4", "s1:5"));
  EXPECT_THAT(teleport_.starts_of("s1"), ElementsAre(1));
}

TEST_F(RecordingsTest, GoesOnWhereAnotherHandlerHadStopped) {
  teleport_.add_recording("s1",
                          {event(0), event(1), event(2, "2a"), event(2, "2b"), event(3), event(4)});
  teleport_.fail_recording("s1", 5, ErrorKind::kUnavailable);
  RecordingState begun = announced_;
  begun.sent_below = 2;
  begun = decode_recording_state(encode_recording_state(begun)).value();
  start().add("s1", begun);
  run_until([this] { return recordings_->idle(); });
  EXPECT_THAT(bodies(), ElementsAre("2a", "2b", "uid-3", "uid-4"));
  EXPECT_THAT(ids(), ElementsAre("s1:3", "s1:4", "s1:5", "s1:6"));
  EXPECT_THAT(teleport_.starts_of("s1"), ElementsAre(0, 3));
}

TEST_F(RecordingsTest, LeavesOutNothingBehindAnotherHandlersPlaceWhereIndexesGoDown) {
  teleport_.add_recording("s1", {event(0, "a"), event(2, "b"), event(1, "c"), event(3, "d")});
  RecordingState begun = announced_;
  begun.sent_below = 2;
  start().add("s1", begun);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_THAT(bodies(), ElementsAre("b", "c", "d"));
}

TEST_F(RecordingsTest, IsDoneWithARecordingOfWhichAnotherHandlerHadSentAll) {
  teleport_.add_recording("s1", {event(0), event(1)});
  RecordingState begun = announced_;
  begun.sent_below = 5;
  start().add("s1", begun);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_THAT(ids(), ElementsAre());
  EXPECT_EQ(state("recording-done/s1"), format_rfc3339(kNow));
}

TEST_F(RecordingsTest, ResumesByCountWhenIndexesWentDown) {
  teleport_.add_recording("s1", {event(5, "a"), event(3, "b"), event(3, "c"), event(4, "d")});
  teleport_.fail_recording("s1", 2, ErrorKind::kUnavailable);
  start().add("s1", announced_);
  run_until([this] { return recordings_->idle(); });
  EXPECT_THAT(bodies(), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(teleport_.starts_of("s1"), ElementsAre(0, 0));
}

TEST_F(RecordingsTest, IsNotIdleWhileABrokenStreamMayBeResumedSoon) {
  teleport_.add_recording("s1", {event(0), event(1)});
  teleport_.fail_recording("s1", 1, ErrorKind::kUnavailable);
  start().add("s1", announced_);
  run_until([this] { return recordings_->idle(); });
  EXPECT_THAT(ids(), ElementsAre("s1:1", "s1:2"));
}

TEST_F(RecordingsTest, EveryPrefixResumesWithoutLossOrRepetition) {
  const std::vector<std::int64_t> indexes = {0, 0, 1, 2, 2, 2, 3};
  for (std::size_t taken = 0; taken <= indexes.size(); ++taken) {
    items_.clear();
    std::vector<std::string> events;
    RecordingState saved = announced_;
    for (std::size_t i = 0; i < indexes.size(); ++i) {
      events.push_back(event(indexes[i], fmt::format("{}", i)));
      if (i < taken) saved.take(indexes[i]);
    }
    const std::string sid = fmt::format("s{}", taken);
    teleport_.add_recording(sid, events);
    start().add(sid, decode_recording_state(encode_recording_state(saved)).value());
    collect_until([this] { return recordings_->idle(); });
    ASSERT_EQ(bodies().size(), indexes.size() - taken);
    if (taken < indexes.size()) {
      EXPECT_EQ(bodies().front(), fmt::format("{}", taken));
    }
  }
}

TEST_F(RecordingsTest, PutsAsideARecordingThatIsNotThereYet) {
  start().add("later", announced_);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_EQ(recordings_->pending(), 1U);
  EXPECT_EQ(decode_recording_state(state("recording/later").value())->tries, 1U);
  teleport_.add_recording("later", {event(0)});
  run_until([this] { return recordings_->pending() == 0; });
  EXPECT_THAT(ids(), ElementsAre("later:1"));
}

TEST_F(RecordingsTest, GivesUpARecordingThatNeverComesAndSaysSoInItsState) {
  options_.retry_max = std::chrono::minutes(3);  // The test shall not take as long as the real one.
  state_["recording/never"] = encode_recording_state(announced_);
  start().add("never", announced_);
  run_until([this] { return recordings_->pending() == 0; });
  EXPECT_EQ(state("recording/never"), std::nullopt);
  ASSERT_TRUE(state("recording-lost/never"));
  EXPECT_NE(state("recording-lost/never")->find("no such recording"), std::string::npos);
  EXPECT_EQ(teleport_.starts_of("never").size(), Recordings::kTriesMax);
}

TEST_F(RecordingsTest, BeginsAnewARecordingThatIsAnnouncedWhileItIsGivenUp) {
  RecordingState last_try = announced_;
  last_try.tries = Recordings::kTriesMax - 1;
  // A full lane holds the last mark back.
  ASSERT_TRUE(buffers_.push(mark_of(queue::Lane::kSession, "x", std::string(1U << 20, 'x')), {}));
  start().add("s1", last_try);
  while (counting_clock_.asked() < 2) std::this_thread::yield();  // the failed try, the note of it
  teleport_.add_recording("s1", {event(0)});
  recordings_->add("s1", announced_);
  collect_until([this] { return recordings_->pending() == 0; });
  EXPECT_THAT(ids(), ElementsAre("s1:1"));
}

TEST_F(RecordingsTest, TriesAnOldRecordingAgainWhoseFirstTryFailed) {
  teleport_.add_recording("s1", {event(0)});
  teleport_.fail_recording("s1", 0, ErrorKind::kUnavailable);
  RecordingState old = announced_;
  old.announced_at_ms -= 2 * Recordings::kPatience.count();
  start().add("s1", old);
  run_until([this] { return recordings_->pending() == 0; });
  EXPECT_THAT(ids(), ElementsAre("s1:1"));
  EXPECT_EQ(state("recording-lost/s1"), std::nullopt);
}

TEST_F(RecordingsTest, CountsItsPatienceFromTheFirstFailedTryAndOverRestarts) {
  options_.retry_max = options_.retry_min;
  start().add("never", announced_);
  collect_until([this] { return recordings_->idle(); });
  // Nothing is tried for a long time: one more failed try is not enough.
  recordings_.reset();
  clock_.advance(2 * Recordings::kPatience);
  start().add("never", decode_recording_state(state("recording/never").value()).value());
  run_until([this] { return recordings_->pending() == 0; });
  EXPECT_EQ(teleport_.starts_of("never").size(), Recordings::kTriesMin);
  EXPECT_TRUE(state("recording-lost/never"));
}

TEST_F(RecordingsTest, UsesUpNoPatienceByTriesThatRestartsBringForward) {
  RecordingState saved = announced_;
  for (std::uint32_t i = 0; i < 3 * Recordings::kTriesMax; ++i) {
    start().add("later", saved);
    collect_until([this] { return recordings_->idle(); });
    const auto kept = state("recording/later");
    ASSERT_TRUE(kept) << "given up after " << i + 1 << " restarts";
    saved = decode_recording_state(*kept).value();
    clock_.advance(std::chrono::seconds(3));
  }
  teleport_.add_recording("later", {event(0)});
  start().add("later", saved);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_THAT(ids(), ElementsAre("later:1"));
}

TEST(RecordingState, IsReadAsAnEarlierReleaseWroteIt) {
  const auto state = decode_recording_state(
      "announced-at-ms=5\nby-count=0\nlast-index=7\ntaken=3\ntaken-at-index=1\ntries=2\n");
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->tries, 2U);
  EXPECT_EQ(state->failing_since_ms, 0);
}

TEST_F(RecordingsTest, DoesNotCountAnOutageAgainstARecording) {
  teleport_.add_recording("s1", {event(0)});
  teleport_.set_reachable(false);
  RecordingState old = announced_;
  old.announced_at_ms = 0;  // Longer ago than any patience.
  start().add("s1", old);
  run_until([this] { return teleport_.starts_of("s1").size() > 3; });
  EXPECT_FALSE(recordings_->idle());
  EXPECT_EQ(recordings_->pending(), 1U);
  teleport_.set_reachable(true);
  run_until([this] { return recordings_->pending() == 0; });
  EXPECT_THAT(ids(), ElementsAre("s1:1"));
}

TEST_F(RecordingsTest, SaysThatARecordingIsRefusedUntilItIsNot) {
  teleport_.add_recording("s1", {event(0)});
  teleport_.fail_recording("s1", 0, ErrorKind::kUnauthorized);
  start().add("s1", announced_);
  collect_until([this] { return recordings_->idle(); });
  ASSERT_TRUE(recordings_->refusal());
  EXPECT_EQ(recordings_->refusal()->kind, ErrorKind::kUnauthorized);
  run_until([this] { return recordings_->pending() == 0; });
  EXPECT_FALSE(recordings_->refusal());
  EXPECT_THAT(ids(), ElementsAre("s1:1"));
}

TEST_F(RecordingsTest, KeepsWhatCannotBeDecodedAsARejectOfTheSession) {
  teleport_.add_recording("s1", {event(0), "\x0A\x7F nonsense", event(1)});
  start().add("s1", announced_);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_THAT(ids(), ElementsAre("s1:1", "s1:3"));
  ASSERT_EQ(rejects().size(), 1U);
  EXPECT_EQ(rejects()[0].id, "s1:2");
}

TEST_F(RecordingsTest, OneThatFailsDoesNotHoldUpAnother) {
  options_.concurrency = 1;
  teleport_.add_recording("good", {event(0)});
  start().add("missing", announced_);
  recordings_->add("good", announced_);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_THAT(ids(), ElementsAre("good:1"));
}

TEST(UsableSid, IsWhatTeleportMakes) {
  EXPECT_TRUE(is_usable_sid("44c6cea8-362f-11ea-83aa-125400432324"));
  for (const char* sid : {"", "a/b", "a b", "a\nb", "\xC3\xA9"}) EXPECT_FALSE(is_usable_sid(sid));
  EXPECT_FALSE(is_usable_sid(std::string(129, 'a')));
}

TEST_F(RecordingsTest, AsksNoMoreForARecordingThatCameLateOnceItHasIt) {
  start().add("late", announced_);
  collect_until([this] { return recordings_->idle(); });
  teleport_.add_recording("late", {event(0), event(1)});
  run_until([this] { return recordings_->pending() == 0; });
  EXPECT_EQ(state("recording/late"), std::nullopt);
  const std::size_t asked = teleport_.starts_of("late").size();
  // As after a restart, and long after every wait.
  for (const auto& [key, value] : states("recording/")) {
    recordings_->add(key.substr(10), decode_recording_state(value).value());
  }
  for (int i = 0; i < 20; ++i) run_until([] { return true; });
  EXPECT_EQ(teleport_.starts_of("late").size(), asked);
  EXPECT_THAT(ids(), ElementsAre("late:1", "late:2"));
}

TEST_F(RecordingsTest, ManyThatAreMissingHoldUpNoneThatIsThere) {
  options_.concurrency = 1;
  start();
  for (int i = 0; i < 200; ++i) recordings_->add(fmt::format("missing-{}", i), announced_);
  teleport_.add_recording("s1", {event(0)});
  recordings_->add("s1", announced_);
  collect_until([this] { return recordings_->idle(); });
  EXPECT_THAT(ids(), ElementsAre("s1:1"));
  EXPECT_EQ(recordings_->pending(), 200U);
}

TEST_F(RecordingsTest, LeavesNoStreamOpenWhenItEndsInTheMiddleOfOne) {
  std::vector<std::string> events;
  for (int i = 0; i < 5000; ++i) events.push_back(event(i, std::string(1000, 'x')));
  teleport_.add_recording("s1", events);
  start().add("s1", announced_);
  // The buffer holds a part of it, so that its stream waits.
  while (teleport_.open_session_streams() == 0) std::this_thread::yield();
  recordings_.reset();
  EXPECT_EQ(teleport_.open_session_streams(), 0);
}

}  // namespace
}  // namespace sluice::fetcher
