#include "fetcher/source/audit_sources.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/unit/common/temp_folder.h"
#include "tests/unit/fetcher/source_fixture.h"

namespace sluice::fetcher {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;

class AuditSourcesTest : public SourceFixture {
 protected:
  AuditSourcesTest() {
    queue::WriterOptions options;
    options.paths.root = folder_.path();
    auto opened = queue::Writer::open(options);
    EXPECT_TRUE(opened) << opened.error().message;
    writer_ = std::move(*opened);
    teleport_clock_.saw(kNow);
    config_.poll_interval = std::chrono::milliseconds(1);
  }

  static Timestamp days_ago(std::int64_t days) { return add_seconds(kNow, -days * kDaySeconds); }
  std::string key(std::string_view name) const { return state_key(backfill_, name); }
  // As an earlier run has left it.
  void save(const std::string& key, const std::string& value) {
    apply(StateChange{key, value});
    queue::Append append;
    append.put_state(key, value);
    ASSERT_TRUE(writer_->append(append));
  }
  SourceState load() {
    const auto loaded = load_source_state(backfill_, writer_.get());
    EXPECT_TRUE(loaded) << loaded.error().message;
    return loaded ? *loaded : SourceState();
  }
  // Until it has nothing to do, or has ended.
  void run(AuditApi audit_api) {
    SourceStart start;
    start.time = days_ago(9);
    start.backfill = backfill_;
    start.saved = load();
    const auto source = make_source(
        audit_api, {config_, &teleport_, &buffers_, clock_, &teleport_clock_}, std::move(start));
    std::atomic<bool> ended = false;
    std::jthread thread([&](const std::stop_token& stop) {
      end_ = source->run(stop);
      ended = true;
    });
    collect_until([&] { return ended || source->idle(); });
    thread.request_stop();
    thread.join();
  }

  TempFolder folder_;
  std::unique_ptr<queue::Writer> writer_;
  FetcherConfig config_;
  std::optional<BackfillSpan> backfill_;  // nothing: the present
  std::atomic<SourceEnd> end_ = SourceEnd::kStopped;
};

// What holds for the present and for a span of the past.
class TakeoverTest : public AuditSourcesTest, public ::testing::WithParamInterface<bool> {
 protected:
  TakeoverTest() {
    if (GetParam()) backfill_ = BackfillSpan{{days_ago(9), days_ago(4)}};
  }
};

INSTANTIATE_TEST_SUITE_P(AuditSources, TakeoverTest, ::testing::Bool(),
                         [](const auto& api) { return api.param ? "OfASpan" : "OfThePresent"; });

TEST_P(TakeoverTest, TheSearchGoesOnADayBeforeTheFirstThatTheBulkExportHasNotClosed) {
  const Day first_day = day_of(days_ago(7));
  save(key("bulk-first-day"), format_day(first_day));
  save(key(chunk_key(first_day, "read")), "done");
  save(key(chunk_key(first_day + 1, "begun")), "at begun@1");
  run(AuditApi::kSearch);
  EXPECT_EQ(teleport_.searches().front().from, start_of_day(first_day - 1));
  EXPECT_TRUE(states(key("bulk")).empty());
  EXPECT_TRUE(state(key("search")));
}

TEST_P(TakeoverTest, TheBulkExportGoesOnAtTheFirstDayOfWhichChunksMayComeLate) {
  SearchState stood;
  stood.from = days_ago(6);
  save(key("search"), encode_search_state(stood));
  teleport_.add_chunk(day_of(days_ago(9)), "before", {event_bytes("before", days_ago(9))});
  teleport_.add_chunk(day_of(days_ago(8)), "late", {event_bytes("late", days_ago(8))});
  run(AuditApi::kBulkExport);
  EXPECT_EQ(teleport_.exports_of("before"), 0U);
  EXPECT_EQ(ids(), std::vector<std::string>{"late"});
  EXPECT_FALSE(state(key("search")));
}

// An event's own day may be the one before that of its chunk.
TEST_P(TakeoverTest, TheSearchFindsAnEventOfTheDayBeforeItsUnreadChunk) {
  const Day first_day = day_of(days_ago(7));
  save(key("bulk-first-day"), format_day(first_day));
  save(key(chunk_key(first_day, "unread")), "at ");
  teleport_.add_event("at-midnight", add_seconds(start_of_day(first_day), -1));
  teleport_.add_event("later", days_ago(6));
  run(AuditApi::kSearch);
  EXPECT_EQ(ids(), (std::vector<std::string>{"at-midnight", "later"}));
}

TEST_P(TakeoverTest, WhatReadsAsBeforeGoesOnWhereItStood) {
  SearchState stood;
  stood.from = days_ago(6);
  save(key("search"), encode_search_state(stood));
  run(AuditApi::kSearch);
  EXPECT_EQ(teleport_.searches().front().from, stood.from);
}

TEST_F(AuditSourcesTest, TheBulkExportOfThePresentListsNoDayAgainOfWhichIdsMayBeForgotten) {
  SearchState stood;
  stood.from = days_ago(6);
  save("search", encode_search_state(stood));
  save("ids-from", format_day(day_of(days_ago(8))));
  for (const int age : {8, 7}) {
    const std::string id = std::to_string(age);
    teleport_.add_chunk(day_of(days_ago(age)), id, {event_bytes(id, days_ago(age))});
  }
  run(AuditApi::kBulkExport);
  EXPECT_EQ(ids(), std::vector<std::string>{"7"});
}

// Whatever the present's source has forgotten.
TEST_F(AuditSourcesTest, TheBulkExportOfASpanListsItsDaysAgainForWhatComesLate) {
  backfill_ = BackfillSpan{{days_ago(9), days_ago(4)}};
  SearchState stood;
  stood.from = days_ago(6);
  save(key("search"), encode_search_state(stood));
  save("ids-from", format_day(day_of(days_ago(1))));
  teleport_.add_chunk(day_of(days_ago(8)), "late", {event_bytes("late", days_ago(8))});
  run(AuditApi::kBulkExport);
  EXPECT_EQ(ids(), std::vector<std::string>{"late"});
}

TEST_P(TakeoverTest, TheSearchDoesNotGoBackBeforeTheStart) {
  save(key("bulk-first-day"), format_day(day_of(days_ago(9))));
  run(AuditApi::kSearch);
  EXPECT_EQ(teleport_.searches().front().from, days_ago(9));
}

// A kill can come after the last day was closed, and before the span was marked as done.
TEST_F(AuditSourcesTest, ASearchThatTakesOverASpanWithoutAnOpenDayAsksForNothingBeyondItsEnd) {
  const TimeRange range{days_ago(9), days_ago(4)};
  backfill_ = BackfillSpan{range};
  save(key("bulk-first-day"), format_day(backfill_->last_day() + 1));
  run(AuditApi::kSearch);
  EXPECT_EQ(end_, SourceEnd::kFinished);
  for (const SearchRequest& search : teleport_.searches()) {
    EXPECT_EQ(search.from, start_of_day(backfill_->last_day()));
    EXPECT_EQ(search.to, range.to);
  }
}

TEST_F(AuditSourcesTest, ASearchThatTakesOverASpanDoesNotBeginPastItsEndWhateverWasSaved) {
  backfill_ = BackfillSpan{{days_ago(9), days_ago(4)}};
  save(key("bulk-first-day"), format_day(day_of(kNow)));
  run(AuditApi::kSearch);
  EXPECT_EQ(end_, SourceEnd::kFinished);
  EXPECT_EQ(teleport_.searches().front().from, days_ago(4));
}

TEST_F(AuditSourcesTest, TheStatesOfThePresentAndOfASpanAreApart) {
  save("bulk-first-day", format_day(day_of(days_ago(1))));
  save(chunk_key(day_of(days_ago(1)), "c"), "done");
  EXPECT_TRUE(load().has_begun());
  backfill_ = BackfillSpan{{days_ago(9), days_ago(4)}};
  EXPECT_FALSE(load().has_begun());
  save(key(chunk_key(day_of(days_ago(8)), "d")), "done");
  save(key("bulk-first-day"), format_day(day_of(days_ago(8))));
  const SourceState state = load();
  EXPECT_EQ(state.bulk.first_day, day_of(days_ago(8)));
  ASSERT_EQ(state.bulk.days.size(), 1U);
  EXPECT_TRUE(state.bulk.days.begin()->second.contains("d"));
}

}  // namespace
}  // namespace sluice::fetcher
