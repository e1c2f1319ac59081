#include "fetcher/source/bulk_export.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "tests/unit/fetcher/forwarding_teleport.h"
#include "tests/unit/fetcher/source_fixture.h"

namespace sluice::fetcher {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// A clock whose wall time a test sets apart from the time that passes.
class WrongClock final : public Clock {
 public:
  explicit WrongClock(const Clock& right) : right_(right) {}
  Timestamp now() const override { return add_seconds(right_.now(), ahead_days * 86'400); }
  std::chrono::milliseconds monotonic() const override { return right_.monotonic(); }

  std::atomic<std::int64_t> ahead_days = 0;

 private:
  const Clock& right_;
};

// A Teleport whose listings a test can look at and change.
class WatchedTeleport final : public ForwardingTeleport {
 public:
  using Listing = Result<std::vector<std::string>>;
  using ForwardingTeleport::ForwardingTeleport;

  // Called with what Teleport would answer; gives what it answers. To be set before the start.
  std::function<Listing(Day, Listing)> on_list = [](Day, Listing listing) { return listing; };

  Listing list_chunks(Day day, std::stop_token stop) override {
    return on_list(day, ForwardingTeleport::list_chunks(day, stop));
  }
};

class BulkExportTest : public SourceFixture {
 protected:
  BulkExportTest() {
    options_.start_time = kNow;
    options_.poll_interval = std::chrono::milliseconds(2);
    options_.backoff_min = std::chrono::milliseconds(1);
    options_.backoff_max = std::chrono::milliseconds(1);
  }

  // Starts from the state that earlier runs have left.
  BulkExport& start() {
    const auto saved =
        decode_bulk_state(state("bulk-first-day"), states("bulk/"), states("bulk-closed/"));
    EXPECT_TRUE(saved) << saved.error().message;
    source_ = std::make_unique<BulkExport>(options_, *saved, &watched_, &buffers_, wrong_clock_,
                                           &teleport_clock_);
    thread_ = std::jthread([this](const std::stop_token& stop) { end_ = source_->run(stop); });
    return *source_;
  }
  void stop() {
    thread_.request_stop();
    thread_.join();
  }
  void run_until_idle() {
    start();
    collect_until([this] { return source_->idle(); });
    stop();
  }
  static std::string event(const std::string& id) { return event_bytes(id, kNow); }

  // Goes on until the day was asked for and all of it read.
  void collect_until_idle_with(const std::string& id) {
    collect_until([&] {
      const auto found = ids();
      return std::find(found.begin(), found.end(), id) != found.end() && source_->idle();
    });
  }

  const Day today_ = day_of(kNow);
  WrongClock wrong_clock_{clock_};
  WatchedTeleport watched_{&teleport_};
  std::atomic<bool> idle_once_ = false;
  BulkExportOptions options_;
  std::unique_ptr<BulkExport> source_;
  SourceEnd end_ = SourceEnd::kStopped;
  std::jthread thread_;
};

TEST_F(BulkExportTest, NeverListsADayThatAnotherHandlerHadClosedAndForgetsThatWithTheDay) {
  const Day first = today_ - 5;
  options_.start_time = start_of_day(first);
  for (Day day = first; day <= today_; ++day) {
    teleport_.add_chunk(day, fmt::format("c{}", today_ - day),
                        {event(fmt::format("e{}", today_ - day))});
  }
  state_["bulk-first-day"] = format_day(first);
  state_[closed_day_key(first + 1)] = "";
  state_[closed_day_key(first + 2)] = "";
  std::atomic<bool> listed_closed = false;
  watched_.on_list = [&](Day day, WatchedTeleport::Listing listing) {
    if (day == first + 1 || day == first + 2) listed_closed = true;
    return listing;
  };
  run_until_idle();
  EXPECT_THAT(ids(), UnorderedElementsAre("e5", "e2", "e1", "e0"));
  EXPECT_FALSE(listed_closed);
  EXPECT_EQ(state("bulk-first-day"), format_day(first + 3));
  EXPECT_TRUE(states("bulk-closed/").empty());
}

TEST_F(BulkExportTest, ReadsEveryChunkFromTheDayOfTheStartTimeOn) {
  options_.start_time = add_seconds(kNow, -86'400);
  teleport_.add_chunk(today_ - 2, "before", {event("no")});
  teleport_.add_chunk(today_ - 1, "a", {event("a1"), event("a2")});
  teleport_.add_chunk(today_, "b", {event("b1")});
  teleport_.add_chunk(today_, "c", {});
  run_until_idle();
  EXPECT_THAT(ids(), UnorderedElementsAre("a1", "a2", "b1"));
  EXPECT_EQ(state(chunk_key(today_ - 1, "a")), "done");
  EXPECT_EQ(state(chunk_key(today_, "b")), "done");
  EXPECT_EQ(state(chunk_key(today_, "c")), "done");
}

TEST_F(BulkExportTest, SendsEachCursorWithItsEventAndTheEndBehindTheLast) {
  teleport_.add_chunk(today_, "a", {event("a1"), event("a2")});
  run_until_idle();
  std::vector<std::string> values;
  for (const Item& item : items_) {
    if (item.cursor && item.cursor->key == chunk_key(today_, "a")) {
      const auto* held = std::get_if<Event>(&item.content);
      values.push_back((held != nullptr ? held->id : "mark") + "=" + item.cursor->value.value());
    }
  }
  EXPECT_THAT(values, ElementsAre("a1=at a@1", "a2=at a@2", "mark=done"));
}

TEST_F(BulkExportTest, FindsLateChunksOfRecentDays) {
  options_.start_time = add_seconds(kNow, -2 * 86'400);
  start();
  collect_until([this] { return source_->idle(); });
  teleport_.add_chunk(today_ - 2, "late", {event("late")});
  collect_until([this] { return ids().size() == 1 && source_->idle(); });
  stop();
  EXPECT_THAT(ids(), ElementsAre("late"));
}

TEST_F(BulkExportTest, DoesNotReadAgainWhatIsDoneAfterARestart) {
  teleport_.add_chunk(today_, "a", {event("a1")});
  run_until_idle();
  // The start time lies in the middle of its day, whose saved state must count all the same.
  teleport_.add_chunk(today_, "b", {event("b1")});
  run_until_idle();
  EXPECT_THAT(ids(), ElementsAre("a1", "b1"));
  EXPECT_EQ(teleport_.exports_of("a"), 1U);
}

TEST_F(BulkExportTest, ResumesAChunkAtItsSavedCursor) {
  teleport_.add_chunk(today_, "a", {event("a1"), event("a2"), event("a3")});
  state_["bulk-first-day"] = format_day(today_);
  state_[chunk_key(today_, "a")] = encode_chunk_cursor("a@2");
  run_until_idle();
  EXPECT_THAT(ids(), ElementsAre("a3"));
}

TEST_F(BulkExportTest, GoesOnBehindTheLastEventAfterABrokenStream) {
  teleport_.add_chunk(today_, "a", {event("a1"), event("a2"), event("a3")});
  teleport_.fail_chunk("a", 2, ErrorKind::kUnavailable);
  start();
  collect_until([this] {
    clock_.advance(std::chrono::milliseconds(10));
    return source_->idle();
  });
  stop();
  EXPECT_THAT(ids(), ElementsAre("a1", "a2", "a3"));
  EXPECT_THAT(teleport_.cursors_asked_for("a"), ElementsAre("", "a@2"));
}

TEST_F(BulkExportTest, ReadsAChunkFromItsStartWhenTeleportRefusesTheCursor) {
  teleport_.add_chunk(today_, "a", {event("a1"), event("a2")});
  state_["bulk-first-day"] = format_day(today_);
  state_[chunk_key(today_, "a")] = encode_chunk_cursor("of another storage");
  start();
  collect_until([this] {
    clock_.advance(std::chrono::milliseconds(10));
    return source_->idle();
  });
  stop();
  EXPECT_THAT(ids(), ElementsAre("a1", "a2"));
}

TEST_F(BulkExportTest, TurnsAnEventThatCannotBeDecodedIntoARejectAndGoesOn) {
  teleport_.add_chunk(today_, "a", {event("a1"), "\x0A\x7F nonsense", event("a3")});
  run_until_idle();
  EXPECT_THAT(ids(), ElementsAre("a1", "a3"));
  ASSERT_EQ(rejects().size(), 1U);
  EXPECT_EQ(day_of(rejects()[0].time), today_) << "a reject without a time has its chunk's day";
  EXPECT_EQ(state(chunk_key(today_, "a")), "done");
}

TEST_F(BulkExportTest, GivesARejectWithoutATimeNoneThatIsBeforeTheStartTime) {
  ASSERT_GT(kNow, start_of_day(today_));
  teleport_.add_chunk(today_, "a", {"\x0A\x7F nonsense"});
  teleport_.add_chunk(today_ + 1, "b", {"\x0A\x7F nonsense"});
  clock_.advance(std::chrono::days(1));
  run_until_idle();
  std::vector<Timestamp> times;
  for (const Reject& reject : rejects()) times.push_back(reject.time);
  EXPECT_THAT(times, UnorderedElementsAre(kNow, start_of_day(today_ + 1)));
}

TEST_F(BulkExportTest, GivesUpAChunkThatIsNeitherFoundNorListedAfterSeveralTries) {
  teleport_.add_chunk(today_, "gone", {event("x")});
  teleport_.remove_chunk(today_, "gone");
  teleport_.add_chunk(today_, "here", {event("y")});
  watched_.on_list = [this](Day, WatchedTeleport::Listing listing) {
    if (listing && teleport_.exports_of("gone") > 0) std::erase(*listing, "gone");
    return listing;
  };
  start();
  collect_until([this] {
    clock_.advance(std::chrono::milliseconds(10));
    return source_->idle();
  });
  stop();
  EXPECT_THAT(ids(), ElementsAre("y"));
  EXPECT_EQ(state(chunk_key(today_, "gone")), "lost");
  EXPECT_EQ(teleport_.exports_of("gone"), BulkExport::kNotFoundMax);
}

TEST_F(BulkExportTest, TriesAChunkThatIsListedButNotFoundForADayWhileOthersAreRead) {
  options_.concurrency = 1;
  teleport_.add_chunk(today_, "gone", {event("x")});
  teleport_.remove_chunk(today_, "gone");
  teleport_.add_chunk(today_, "here", {event("y")});
  start();
  bool idle = false;
  collect_until([&] {
    clock_.advance(std::chrono::milliseconds(10));
    idle = idle || source_->idle();
    return teleport_.exports_of("gone") > 2 * BulkExport::kNotFoundMax;
  });
  EXPECT_THAT(ids(), ElementsAre("y"));
  EXPECT_FALSE(idle);
  EXPECT_EQ(state(chunk_key(today_, "gone")), std::nullopt);
  clock_.advance(BulkExport::kNotFoundPatience);
  collect_until([&] {
    clock_.advance(std::chrono::milliseconds(10));
    return source_->idle();
  });
  stop();
  EXPECT_EQ(state(chunk_key(today_, "gone")), "lost");
}

TEST_F(BulkExportTest, ClosesDaysThatAreNotListedAgain) {
  options_.start_time = add_seconds(kNow, -5 * 86'400);
  for (Day day = today_ - 5; day <= today_; ++day) {
    teleport_.add_chunk(day, format_day(day), {event(format_day(day))});
  }
  start();
  collect_until(
      [this] { return source_->idle() && state("bulk-first-day") == format_day(today_ - 2); });
  stop();
  EXPECT_EQ(ids().size(), 6U);
  EXPECT_EQ(states("bulk/").size(), 3U) << "the state of closed days goes";
  std::optional<Day> forget;
  for (const Item& item : items_) {
    if (item.forget_ids_before) forget = item.forget_ids_before;
  }
  EXPECT_EQ(forget, today_ - 4) << "ids stay for the days that are still read, and one before";
}

// A suspended machine: no time to list between the last poll of a day and the moment when the day
// is already too old.
TEST_F(BulkExportTest, ListsADayAgainThatWasListedBeforeItHadEnded) {
  for (const std::uint32_t late_days : {0U, 2U}) {
    items_.clear();
    state_.clear();
    options_.late_days = late_days;
    options_.poll_interval = std::chrono::milliseconds(50);
    const Day friday = day_of(clock_.now());
    options_.start_time = start_of_day(friday);
    teleport_.add_chunk(friday, "morning", {event("morning")});
    start();
    collect_until_idle_with("morning");
    teleport_.add_chunk(friday, "evening", {event("evening")});
    teleport_.add_chunk(friday + 4, "new", {event("new")});
    clock_.advance(std::chrono::days(4));
    collect_until_idle_with("new");
    collect_until([&] { return state("bulk-first-day") > format_day(friday); });
    stop();
    EXPECT_THAT(ids(), UnorderedElementsAre("morning", "evening", "new"));
    clock_.advance(std::chrono::days(4));
  }
}

TEST_F(BulkExportTest, ClosesNoDayOnTheWordOfAClockThatIsAhead) {
  teleport_.add_chunk(today_, "a", {event("a")});
  wrong_clock_.ahead_days = 30;
  start();
  collect_until_idle_with("a");
  wrong_clock_.ahead_days = 0;
  teleport_.add_chunk(today_, "b", {event("b")});
  collect_until_idle_with("b");
  stop();
  EXPECT_EQ(state("bulk-first-day"), format_day(today_));
  EXPECT_EQ(state(chunk_key(today_, "a")), "done");
}

TEST_F(BulkExportTest, ComesBackFromASavedFirstDayInTheFuture) {
  options_.start_time = add_seconds(kNow, -10 * 86'400);
  state_["bulk-first-day"] = format_day(today_ + 28);
  teleport_.add_chunk(today_ - 2, "a", {event("a")});
  teleport_.add_chunk(today_, "b", {event("b")});
  run_until_idle();
  EXPECT_THAT(ids(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(state("bulk-first-day"), format_day(today_ - 2));
}

TEST_F(BulkExportTest, KeepsASavedFirstDayThatTeleportsChunksAgreeWithWhileItsClockIsBehind) {
  options_.start_time = add_seconds(kNow, -400 * 86'400);
  teleport_.add_chunk(today_ - 100, "closed long ago", {event("no")});
  teleport_.add_chunk(today_, "a", {event("a")});
  state_["bulk-first-day"] = format_day(today_ - 2);
  state_[chunk_key(today_ - 1, "known")] = "done";
  wrong_clock_.ahead_days = -365;
  start();
  collect_until([this] { return source_->idle(); });
  wrong_clock_.ahead_days = 0;
  collect_until_idle_with("a");
  stop();
  EXPECT_THAT(ids(), ElementsAre("a"));
  EXPECT_EQ(state("bulk-first-day"), format_day(today_ - 2));
}

TEST_F(BulkExportTest, ListsLaterDaysWhileOneCannotBeListed) {
  options_.start_time = start_of_day(today_ - 1);
  teleport_.add_chunk(today_ - 1, "a", {event("a")});
  teleport_.add_chunk(today_, "b", {event("b")});
  std::atomic<bool> fails = true;
  std::atomic<int> failures = 0;
  watched_.on_list = [&](Day day, WatchedTeleport::Listing listing) -> WatchedTeleport::Listing {
    if (day != today_ - 1 || !fails) return listing;
    ++failures;
    return fail(ErrorKind::kUnavailable, "made to fail");
  };
  start();
  bool idle = false;
  collect_until([&] {
    if (source_->idle()) idle = true;
    return failures > 5 && !ids().empty();
  });
  EXPECT_THAT(ids(), ElementsAre("b"));
  EXPECT_FALSE(idle) << "a day that could not be listed is not done";
  fails = false;
  collect_until_idle_with("a");
  stop();
}

TEST_F(BulkExportTest, ReadsNoChunkAgainWhenClosingOvertakesTheListing) {
  options_.start_time = start_of_day(today_ - 2);
  for (Day day = today_ - 2; day <= today_ + 7; ++day) {
    teleport_.add_chunk(day, format_day(day), {event(format_day(day))});
  }
  int listings = 0;
  watched_.on_list = [&](Day day, WatchedTeleport::Listing listing) {
    if (day == today_ - 2 && idle_once_ && ++listings == 1) clock_.advance(std::chrono::days(7));
    return listing;
  };
  start();
  collect_until_idle_with(format_day(today_));
  idle_once_ = true;
  collect_until(
      [this] { return source_->idle() && state("bulk-first-day") == format_day(today_ + 5); });
  stop();
  for (Day day = today_ - 2; day <= today_ + 7; ++day) {
    EXPECT_EQ(teleport_.exports_of(format_day(day)), 1U) << format_day(day);
  }
}

TEST_F(BulkExportTest, ListsOldDaysOfAQuietClusterEachQuietIntervalOnly) {
  options_.start_time = start_of_day(today_ - 3);
  start();
  collect_until([this] { return source_->idle(); });
  teleport_.add_chunk(today_ - 3, "late", {event("late")});
  teleport_.add_chunk(today_ - 2, "a", {event("a")});
  collect_until_idle_with("a");
  clock_.advance(BulkExport::kQuietInterval);
  collect_until_idle_with("late");
  stop();
  EXPECT_THAT(ids(), ElementsAre("a", "late"));
}

TEST_F(BulkExportTest, SaysWhenTeleportNoLongerHasTheExport) {
  start();
  collect_until([this] { return source_->idle(); });
  teleport_.set_export(false);
  thread_.join();
  EXPECT_EQ(end_, SourceEnd::kChooseAgain);
}

TEST_F(BulkExportTest, HasReadUpToTheDelayBeforeTheTimeThatTheNewestEventProves) {
  teleport_.add_chunk(today_, "a", {event_bytes("a1", add_seconds(kNow, -10))});
  start();
  collect_until([this] { return read_up_to_.has_value(); });
  stop();
  EXPECT_EQ(read_up_to_, add_seconds(kNow, -10 - 300));
}

TEST_F(BulkExportTest, HasReadUpToTheFirstDayWithAnUnreadChunk) {
  options_.start_time = add_seconds(kNow, -2 * 86'400);
  teleport_.add_chunk(today_ - 1, "stuck", {event("s1"), event("s2")});
  teleport_.add_chunk(today_, "b", {event("b1")});
  teleport_.fail_chunk("stuck", 1, ErrorKind::kUnavailable);
  options_.backoff_min = options_.backoff_max = std::chrono::hours(1);
  start();
  collect_until([this] { return read_up_to_.has_value() && ids().size() == 2; });
  EXPECT_EQ(read_up_to_, start_of_day(today_ - 1));
  clock_.advance(std::chrono::hours(2));
  collect_until([this] { return read_up_to_ > start_of_day(today_) && ids().size() == 3; });
  stop();
}

TEST_F(BulkExportTest, HasReadUpToTheFirstDayThatCannotBeListed) {
  options_.start_time = add_seconds(kNow, -2 * 86'400);
  teleport_.add_chunk(today_, "b", {event("b1")});
  watched_.on_list = [this](Day day, WatchedTeleport::Listing listing) {
    if (day == today_ - 1) return WatchedTeleport::Listing(fail(ErrorKind::kUnavailable, "no"));
    return listing;
  };
  start();
  collect_until([this] { return read_up_to_.has_value(); });
  stop();
  EXPECT_EQ(read_up_to_, start_of_day(today_ - 1));
}

// What was said of that day before could not know of it.
TEST_F(BulkExportTest, TakesADayBackUntilItsLateChunkIsRead) {
  options_.start_time = add_seconds(kNow, -2 * 86'400);
  teleport_.add_chunk(today_, "b", {event("b1")});
  start();
  collect_until([this] { return read_up_to_ == add_seconds(kNow, -300); });
  teleport_.fail_chunk("late", 0, ErrorKind::kUnavailable);
  teleport_.add_chunk(today_ - 1, "late", {event("l1")});
  collect_until([this] { return read_up_to_ == start_of_day(today_ - 1); });
  collect_until([this] {
    clock_.advance(std::chrono::milliseconds(10));
    return ids().size() == 2 && read_up_to_ >= add_seconds(kNow, -300);
  });
  stop();
}

TEST_F(BulkExportTest, ABackfillBringsTheEventsOfItsSpanAndEndsWhenNoChunkIsExpectedAnyMore) {
  const auto at = [this](const std::string& id, Day day, int hour) {
    return event_bytes(id, add_seconds(start_of_day(day), hour * 3'600));
  };
  options_.backfill = BackfillSpan{
      {add_seconds(start_of_day(today_ - 9), 6 * 3'600), add_seconds(start_of_day(today_ - 7), 0)}};
  options_.start_time = options_.backfill->range.from;
  teleport_.add_chunk(today_ - 10, "x", {at("x", today_ - 10, 23)});
  teleport_.add_chunk(today_ - 9, "a", {at("a1", today_ - 9, 5), at("a2", today_ - 9, 6)});
  teleport_.add_chunk(today_ - 8, "b", {at("b1", today_ - 8, 23)});
  teleport_.add_chunk(today_ - 7, "c", {at("c1", today_ - 7, 0)});
  teleport_.add_chunk(today_, "d", {at("d1", today_, 0)});
  start();
  thread_.join();
  collect_until([] { return true; });
  EXPECT_EQ(end_, SourceEnd::kFinished);
  EXPECT_THAT(ids(), UnorderedElementsAre("a2", "b1"));
  EXPECT_EQ(state("bulk-first-day"), std::nullopt);
  EXPECT_TRUE(states(options_.backfill->state_prefix() + "bulk/").empty());
  EXPECT_TRUE(teleport_.cursors_asked_for("c").empty());
}

TEST_F(BulkExportTest, PutsARejectInPlaceOfWhatIsTooLargeToBeReceivedAndGoesOnWithOtherChunks) {
  teleport_.add_chunk(today_, "a", {event("a1"), event("a2"), event("a3")});
  teleport_.add_chunk(today_, "b", {event("b1")});
  teleport_.fail_chunk("a", 1, ErrorKind::kTooLarge);
  run_until_idle();
  EXPECT_THAT(ids(), UnorderedElementsAre("a1", "b1"));
  ASSERT_EQ(rejects().size(), 1U);
  EXPECT_NE(rejects()[0].reason.find("the rest of chunk 2026-11-23/a"), std::string::npos);
  EXPECT_EQ(state(chunk_key(today_, "a")), "lost");
  EXPECT_EQ(teleport_.exports_of("a"), 1U);
}

TEST_F(BulkExportTest, TakesTheOnlyEventOfAChunkAndTheLastOfEach) {
  teleport_.add_chunk(today_, "one", {event("only")});
  teleport_.add_chunk(today_, "three", {event("a"), event("b"), event("last")});
  run_until_idle();
  EXPECT_THAT(ids(), UnorderedElementsAre("only", "a", "b", "last"));
}

TEST_F(BulkExportTest, FindsAChunkThatComesAsManyDaysLateAsConfigured) {
  options_.late_days = 5;
  options_.start_time = add_seconds(kNow, -9 * 86'400);
  teleport_.add_chunk(today_, "new", {event("new")});
  run_until_idle();
  teleport_.add_chunk(today_ - 5, "late", {event("late")});
  start();
  collect_until_idle_with("late");
  stop();
  EXPECT_THAT(ids(), UnorderedElementsAre("new", "late"));
}

}  // namespace
}  // namespace sluice::fetcher
