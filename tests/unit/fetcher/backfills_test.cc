#include "fetcher/backfills.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/common/temp_folder.h"
#include "tests/unit/fetcher/fake_teleport.h"
#include "tests/unit/fetcher/steered_clock.h"

namespace sluice::fetcher {
namespace {

constexpr Timestamp kNow{1'795'402'721, 0};
constexpr std::int64_t kDaySeconds = 86'400;

class BackfillsTest : public ::testing::Test {
 protected:
  BackfillsTest() {
    queue::WriterOptions options;
    options.paths.root = folder_.path();
    auto opened = queue::Writer::open(options);
    EXPECT_TRUE(opened) << opened.error().message;
    writer_ = std::move(*opened);
    teleport_.set_export(false);
    teleport_clock_.saw(kNow);
    config_.poll_interval = std::chrono::milliseconds(1);
    config_.backfill = {span_};
  }
  std::unique_ptr<Backfills> load() {
    auto backfills = std::make_unique<Backfills>(parts_, kNow);
    const auto loaded = backfills->load(writer_.get());
    EXPECT_TRUE(loaded) << loaded.error().message;
    return backfills;
  }
  static void wait_until_done(const Backfills& backfills) {
    for (int i = 0; i < 6'000 && backfills.open() > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ASSERT_EQ(backfills.open(), 0U);
  }
  // As the ingest loop does, without the events.
  void append_marks() {
    std::vector<Item> items;
    buffers_.take(TakeLimits{}, std::chrono::milliseconds(0), {}, &items);
    queue::Append append;
    for (const Item& item : items) {
      if (item.cursor && item.cursor->value)
        append.put_state(item.cursor->key, *item.cursor->value);
    }
    ASSERT_TRUE(writer_->append(append));
  }

  TempFolder folder_;
  SteeredClock clock_{kNow};
  TeleportClock teleport_clock_{clock_};
  FakeTeleport teleport_;
  LaneBuffers buffers_{1U << 20};
  FetcherConfig config_;
  const SourceParts parts_{config_, &teleport_, &buffers_, clock_, &teleport_clock_};
  std::unique_ptr<queue::Writer> writer_;
  const TimeRange span_{add_seconds(kNow, -9 * kDaySeconds), add_seconds(kNow, -8 * kDaySeconds)};
};

// A fetcher that ends before begins the span anew, and must know then what it has of it.
TEST_F(BackfillsTest, NeedsItsIdsUntilItIsMarkedAsDoneInTheQueue) {
  teleport_.add_event("a", span_.from);
  const auto backfills = load();
  EXPECT_EQ(backfills->ids_needed_from(writer_.get()).value(), day_of(span_.from));
  backfills->start(AuditApi::kSearch);
  wait_until_done(*backfills);
  EXPECT_EQ(backfills->ids_needed_from(writer_.get()).value(), day_of(span_.from));
  append_marks();
  EXPECT_EQ(backfills->ids_needed_from(writer_.get()).value(), std::nullopt);
}

TEST_F(BackfillsTest, DoesNotFetchASpanAgainThatIsDone) {
  const auto first = load();
  first->start(AuditApi::kSearch);
  wait_until_done(*first);
  append_marks();
  const std::size_t searches = teleport_.searches().size();
  const auto second = load();
  second->start(AuditApi::kSearch);
  EXPECT_EQ(second->open(), 0U);
  EXPECT_TRUE(second->idle());
  EXPECT_EQ(teleport_.searches().size(), searches);
}

TEST_F(BackfillsTest, IsNotIdleBeforeItHasBegun) {
  const auto backfills = load();
  EXPECT_FALSE(backfills->idle());
  config_.backfill.clear();
  EXPECT_TRUE(load()->idle());
}

TEST_F(BackfillsTest, GoesOnInTheSearchWhereItsBulkExportStood) {
  const TimeRange span{add_seconds(kNow, -9 * kDaySeconds), add_seconds(kNow, -5 * kDaySeconds)};
  config_.backfill = {span};
  const Day stood = day_of(span.to);
  queue::Append append;
  append.put_state(BackfillSpan{span}.state_prefix() + "bulk-first-day", format_day(stood));
  ASSERT_TRUE(writer_->append(append));
  const auto backfills = load();
  backfills->start(AuditApi::kSearch);
  wait_until_done(*backfills);
  EXPECT_EQ(teleport_.searches().front().from, start_of_day(stood - 1));
}

TEST_F(BackfillsTest, RefusesAStateThatItHasNotWritten) {
  queue::Append append;
  append.put_state(BackfillSpan{span_}.state_prefix() + "search", "from=never");
  ASSERT_TRUE(writer_->append(append));
  Backfills backfills(parts_, kNow);
  EXPECT_EQ(backfills.load(writer_.get()).error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace sluice::fetcher
