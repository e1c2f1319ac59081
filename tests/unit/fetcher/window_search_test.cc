#include "fetcher/source/window_search.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/unit/fetcher/forwarding_teleport.h"
#include "tests/unit/fetcher/source_fixture.h"

namespace sluice::fetcher {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::UnorderedElementsAreArray;

constexpr std::int64_t kDaySeconds = 86'400;

// A Teleport in which something happens before each page of a search but the first.
class BusyTeleport final : public ForwardingTeleport {
 public:
  BusyTeleport(EventApi* real, std::function<void(int)> before_page)
      : ForwardingTeleport(real), before_page_(std::move(before_page)) {}
  Result<SearchPage> search(const SearchRequest& request, std::stop_token stop) override {
    if (!request.start_key.empty()) before_page_(++page_);
    return ForwardingTeleport::search(request, stop);
  }

 private:
  std::function<void(int)> before_page_;
  int page_ = 0;
};

class WindowSearchTest : public SourceFixture {
 protected:
  WindowSearchTest() {
    teleport_.set_export(false);
    options_.poll_interval = std::chrono::milliseconds(1);
    options_.backoff_min = std::chrono::milliseconds(1);
    options_.backoff_max = std::chrono::milliseconds(1);
    start_.from = add_seconds(kNow, -10 * kDaySeconds);
  }

  void start() {
    SearchState saved = start_;
    if (const auto text = state("search")) saved = decode_search_state(*text).value();
    source_ = std::make_unique<WindowSearch>(options_, saved, &teleport_, &buffers_, clock_,
                                             &teleport_clock_);
    thread_ = std::jthread([this](const std::stop_token& stop) { end_ = source_->run(stop); });
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
  // Until `count` events have come and a later search brought nothing newer.
  void run_until(std::size_t count) {
    start();
    collect_until([&] { return ids().size() >= count && source_->idle(); });
    stop();
  }
  // Two more, of which the second was begun after the call.
  void search_again() {
    const std::size_t before = teleport_.searches().size();
    collect_until([&] { return teleport_.searches().size() >= before + 3; });
  }
  Timestamp searched_from() const { return teleport_.searches().back().from; }
  std::string add_event(std::int64_t seconds_ago) {
    const std::string id = fmt::format("e{}", ++count_);
    teleport_.add_event(id, add_seconds(kNow, -seconds_ago));
    return id;
  }

  WindowSearchOptions options_;
  SearchState start_;
  int count_ = 0;
  std::unique_ptr<WindowSearch> source_;
  std::atomic<SourceEnd> end_ = SourceEnd::kStopped;
  std::jthread thread_;
};

TEST_F(WindowSearchTest, BringsEveryEventOnceAndInOrder) {
  options_.page_size = 7;
  std::vector<std::string> expected;
  for (std::int64_t hours = 230; hours > 0; --hours) expected.push_back(add_event(hours * 3600));
  run_until_idle();
  EXPECT_THAT(ids(), ElementsAreArray(expected));
}

TEST_F(WindowSearchTest, AsksForSmallerPagesWhereTheyAreTooLargeToBeReceived) {
  options_.page_size = 64;
  teleport_.set_page_max(5);
  std::vector<std::string> expected;
  for (std::int64_t minutes = 200; minutes > 0; --minutes)
    expected.push_back(add_event(minutes * 60));
  run_until_idle();
  EXPECT_THAT(ids(), ElementsAreArray(expected));
}

TEST_F(WindowSearchTest, UsesNoPageKeyInAnotherWindowThanItsOwn) {
  options_.page_size = 3;
  for (std::int64_t hours = 100; hours > 0; --hours) add_event(hours * 3600);
  run_until_idle();
  for (const SearchRequest& request : teleport_.searches()) {
    if (request.start_key.empty()) continue;
    EXPECT_TRUE(request.start_key.starts_with(format_rfc3339(request.from) + "/" +
                                              format_rfc3339(request.to)));
  }
}

// Its state is saved then, so that the bulk export begins where it ends.
TEST_F(WindowSearchTest, EndsWhenTeleportHasGainedABulkExport) {
  options_.page_size = 3;
  options_.probe_interval = std::chrono::milliseconds(1);
  std::vector<std::string> expected;
  for (std::int64_t hours = 30; hours > 0; --hours) expected.push_back(add_event(hours * 3600));
  start();
  collect_until([this] { return source_->idle(); });
  teleport_.set_export(true);
  clock_.advance(std::chrono::milliseconds(2));
  collect_until([this] { return end_ == SourceEnd::kChooseAgain; });
  stop();
  EXPECT_THAT(ids(), ElementsAreArray(expected));
  ASSERT_TRUE(state("search"));
  EXPECT_TRUE(decode_search_state(*state("search"))->page_key.empty());
}

TEST_F(WindowSearchTest, DoesNotAskForABulkExportAllTheTime) {
  options_.probe_interval = std::chrono::hours(1);
  add_event(3600);
  start();
  collect_until([this] { return source_->idle(); });
  teleport_.set_export(true);
  search_again();
  stop();
  EXPECT_EQ(end_, SourceEnd::kStopped);
}

TEST_F(WindowSearchTest, CrossesYearsOfSilenceInFewCalls) {
  start_.from = add_seconds(kNow, -3000 * kDaySeconds);
  const std::string id = add_event(kDaySeconds);
  run_until_idle();
  EXPECT_THAT(ids(), ElementsAre(id));
  // Twelve windows, each twice as long as the one before, are more than 3000 days; then come those
  // from the event on.
  std::size_t before_tail = 0;
  for (const SearchRequest& request : teleport_.searches()) {
    if (request.to < kNow) ++before_tail;
  }
  EXPECT_LE(before_tail, 15U);
}

TEST_F(WindowSearchTest, GoesOnPastABurstThatFillsManyPagesWithinTheOverlap) {
  options_.page_size = 10;
  std::vector<std::string> expected;
  for (int i = 0; i < 95; ++i) expected.push_back(add_event(9 * kDaySeconds));
  expected.push_back(add_event(kDaySeconds));
  run_until_idle();
  EXPECT_THAT(ids(), UnorderedElementsAreArray(expected));
}

TEST_F(WindowSearchTest, DoesNotSkipWhatLiesBeforeAnEventFromTheFuture) {
  start_.from = add_seconds(kNow, -3600);
  const std::string future = add_event(-5 * 3600);
  start();
  collect_until([this] { return source_->idle(); });
  clock_.advance(std::chrono::minutes(30));
  const std::string later = add_event(-20 * 60);
  collect_until([this] { return ids().size() == 2; });
  stop();
  EXPECT_THAT(ids(), ElementsAre(future, later));
}

TEST_F(WindowSearchTest, FindsAnEventThatIsStoredLateWithinTheOverlap) {
  const std::string first = add_event(600);
  start();
  collect_until([this] { return source_->idle(); });
  const std::string late = add_event(600 + 100);
  collect_until([this] { return ids().size() == 2; });
  stop();
  EXPECT_THAT(ids(), ElementsAre(first, late));
}

// Reading a window takes longer than the overlap, and an event is stored behind the page that is
// being read: late by 65 s, which the overlap of 120 s is there for.
TEST_F(WindowSearchTest, FindsAnEventThatIsStoredLateWhileASlowWindowIsRead) {
  options_.page_size = 10;
  for (int seconds_ago = 30; seconds_ago > 0; --seconds_ago) add_event(seconds_ago);
  BusyTeleport busy(&teleport_, [this](int page) {
    if (page == 2) {
      clock_.advance(std::chrono::seconds(50));
      teleport_.add_event("late", add_seconds(kNow, -15));
      for (int later = 1; later <= 50; ++later) add_event(-later);
    } else if (page == 3) {
      clock_.advance(std::chrono::seconds(100));
      for (int later = 51; later <= 150; ++later) add_event(-later);
    }
  });
  start_.from = add_seconds(kNow, -700);
  source_ =
      std::make_unique<WindowSearch>(options_, start_, &busy, &buffers_, clock_, &teleport_clock_);
  thread_ = std::jthread([this](const std::stop_token& stop) { end_ = source_->run(stop); });
  collect_until([this] { return ids().size() >= 180 && teleport_.searches().size() > 40; });
  stop();
  EXPECT_THAT(ids(), ::testing::Contains("late"));
}

TEST_F(WindowSearchTest, DoesNotCloseAnEmptyWindowThatReachesThePresent) {
  start();
  collect_until([this] { return source_->idle(); });
  const std::string old = add_event(5 * kDaySeconds);
  collect_until([this] { return ids().size() == 1; });
  stop();
  EXPECT_THAT(ids(), ElementsAre(old));
}

TEST_F(WindowSearchTest, NeedsNoClockThatIsRight) {
  SteeredClock wrong(Timestamp{0, 0});
  std::vector<std::string> expected;
  for (std::int64_t hours = 200; hours > 0; hours -= 10)
    expected.push_back(add_event(hours * 3600));
  TeleportClock teleport_clock(wrong);
  WindowSearch source(options_, start_, &teleport_, &buffers_, wrong, &teleport_clock);
  std::jthread thread([&](const std::stop_token& stop) { source.run(stop); });
  collect_until([&] { return ids().size() == expected.size(); });
  thread.request_stop();
  thread.join();
  EXPECT_THAT(ids(), ElementsAreArray(expected));
}

TEST_F(WindowSearchTest, ResumesInTheMiddleOfAWindow) {
  options_.page_size = 5;
  std::vector<std::string> expected;
  for (std::int64_t i = 0; i < 20; ++i) expected.push_back(add_event(9 * kDaySeconds - i * 60));
  // The first two pages were taken by an earlier run.
  FakeTeleport& teleport = teleport_;
  SearchRequest request{.from = start_.from,
                        .to = add_seconds(start_.from, 2 * kDaySeconds),
                        .types = {},
                        .limit = 10,
                        .start_key = ""};
  SearchState saved = start_;
  saved.to = request.to;
  saved.page_key = teleport.search(request, {}).value().last_key;
  ASSERT_NE(saved.page_key, "");
  saved.opened = add_seconds(kNow, -60);
  state_["search"] = encode_search_state(saved);
  run_until(10);
  EXPECT_THAT(ids(), ElementsAreArray(std::vector(expected.begin() + 10, expected.end())));
}

// What was stored behind the pages that the earlier run has read would be passed over.
TEST_F(WindowSearchTest, ReadsAWindowAgainThatAnEarlierRunOpenedAtATimeThatIsNotKnown) {
  options_.page_size = 5;
  const auto first = add_event(9 * kDaySeconds);
  for (std::int64_t i = 1; i < 10; ++i) add_event(9 * kDaySeconds - i * 60);
  SearchState saved = start_;
  saved.to = add_seconds(start_.from, 2 * kDaySeconds);
  const SearchRequest request{
      .from = saved.from, .to = saved.to, .types = {}, .limit = 5, .start_key = ""};
  saved.page_key = teleport_.search(request, {}).value().last_key;
  state_["search"] = encode_search_state(saved);
  run_until(10);
  EXPECT_THAT(ids(), ::testing::Contains(first));
}

TEST_F(WindowSearchTest, SearchesTheWindowAgainWhenItsPageKeyIsRefused) {
  std::vector<std::string> expected;
  for (std::int64_t i = 0; i < 20; ++i) expected.push_back(add_event(9 * kDaySeconds - i * 60));
  SearchState saved = start_;
  saved.to = add_seconds(start_.from, 2 * kDaySeconds);
  saved.page_key = "a key of another storage";
  state_["search"] = encode_search_state(saved);
  run_until_idle();
  EXPECT_THAT(ids(), ElementsAreArray(expected));
}

TEST_F(WindowSearchTest, SearchesTheWindowAgainWhenItsPageKeyFailsAgainAndAgain) {
  const std::string only = add_event(9 * kDaySeconds);
  SearchState saved = start_;
  saved.to = add_seconds(start_.from, 2 * kDaySeconds);
  saved.page_key = "a key of another storage";
  state_["search"] = encode_search_state(saved);
  teleport_.refuse_keys(true, ErrorKind::kUnavailable);
  run_until(1);
  EXPECT_THAT(ids(), ElementsAre(only));
}

TEST_F(WindowSearchTest, DropsAPageKeyThatWasGivenForOtherTypes) {
  SearchState saved = start_;
  saved.to = add_seconds(start_.from, 2 * kDaySeconds);
  saved.page_key = "a key";
  saved.types = "user.login,session.start";
  state_["search"] = encode_search_state(saved);
  options_.types = {"user.login"};
  run_until_idle();
  for (const SearchRequest& request : teleport_.searches()) {
    EXPECT_EQ(request.start_key, "");
    EXPECT_THAT(request.types, ElementsAre("user.login"));
  }
}

TEST_F(WindowSearchTest, SavesNothingWhileNothingComes) {
  add_event(600);
  start();
  collect_until([this] { return source_->idle(); });
  const std::size_t pushed = items_.size();
  const std::size_t searched = teleport_.searches().size();
  collect_until([&] { return teleport_.searches().size() > searched + 5; });
  stop();
  EXPECT_EQ(items_.size(), pushed);
}

TEST_F(WindowSearchTest, FindsAnEventThatIsStoredLateInSpiteOfOneFromTheFuture) {
  start_.from = add_seconds(kNow, -3600);
  const std::string future = add_event(-3600);
  start();
  collect_until([this] { return ids().size() == 1; });
  clock_.advance(std::chrono::minutes(5));
  search_again();
  EXPECT_EQ(searched_from(), start_.from);
  const std::string late = add_event(0);
  if (searched_from() == start_.from) collect_until([this] { return ids().size() == 2; });
  stop();
  EXPECT_THAT(ids(), ElementsAre(future, late));
}

TEST_F(WindowSearchTest, KeepsItsStartWhenTheClockIsSetBack) {
  start_.from = add_seconds(kNow, -600);
  add_event(1);
  add_event(-12 * 3600);
  start();
  collect_until([this] { return ids().size() == 2; });
  search_again();
  clock_.advance(-std::chrono::minutes(10));
  search_again();
  clock_.advance(std::chrono::minutes(11));
  search_again();
  stop();
  EXPECT_EQ(searched_from(), add_seconds(kNow, -1 - 120));
}

TEST_F(WindowSearchTest, MovesItsStartWhenTheClockReachesAnEventThatWasAheadOfIt) {
  start_.from = add_seconds(kNow, -600);
  add_event(-60);
  start();
  collect_until([this] { return ids().size() == 1; });
  search_again();
  EXPECT_EQ(searched_from(), start_.from);
  clock_.advance(std::chrono::seconds(60));
  collect_until([this] { return searched_from() == add_seconds(kNow, 60 - 120); });
  stop();
  EXPECT_EQ(ids().size(), 1U);
}

TEST_F(WindowSearchTest, CrossesDecadesOfSilence) {
  for (const char* begin : {"1970-01-01T00:00:00Z", "2006-01-01T00:00:00Z"}) {
    items_.clear();
    state_.clear();
    start_.from = parse_rfc3339(begin).value();
    const std::size_t before = teleport_.searches().size();
    const std::string id = add_event(kDaySeconds);
    run_until(1);
    EXPECT_EQ(ids().back(), id) << begin;
    EXPECT_LE(teleport_.searches().size() - before, 40U) << begin;
  }
}

TEST_F(WindowSearchTest, WaitsBetweenSearchesWhenAnEventLiesBeyondItsWindow) {
  options_.window_size = std::chrono::hours(1);
  options_.poll_interval = std::chrono::hours(1);
  start_.from = add_seconds(kNow, -600);
  start_.newest = add_seconds(kNow, 5 * 3600);
  add_event(-5 * 3600);
  start();
  collect_until([this] { return teleport_.searches().size() >= 1 && state("search"); });
  stop();
  EXPECT_THAT(ids(), ElementsAre("e1"));
  EXPECT_EQ(teleport_.searches().size(), 1U);
}

TEST_F(WindowSearchTest, IsIdleAndStaysWhereItIsWhileTheNewestEventIsAheadOfTheClock) {
  start_.from = add_seconds(kNow, -600);
  add_event(-3600);
  start();
  collect_until([this] { return ids().size() == 1; });
  search_again();
  const auto saved = state("search");
  for (int i = 0; i < 5; ++i) {
    clock_.advance(std::chrono::seconds(1));
    search_again();
    EXPECT_TRUE(source_->idle());
  }
  stop();
  EXPECT_EQ(state("search"), saved);
}

TEST_F(WindowSearchTest, WaitsWhenTeleportRefusesThePageKeyThatItJustGave) {
  options_.page_size = 3;
  options_.backoff_min = std::chrono::hours(1);
  options_.backoff_max = std::chrono::hours(1);
  for (int i = 0; i < 10; ++i) add_event(3600);
  teleport_.refuse_keys(true);
  start_.from = add_seconds(kNow, -2 * 3600);
  start();
  collect_until([this] { return teleport_.searches().size() >= 2 && ids().size() == 3; });
  stop();
  EXPECT_EQ(teleport_.searches().size(), 2U);
}

TEST_F(WindowSearchTest, SavesAReadableStateAfterAnEventOfYear10000) {
  const Timestamp year_10000{253'402'300'800, 0};
  add_event(600);
  teleport_.add_event("far", add_seconds(year_10000, 86'400));
  FakeTeleport& teleport = teleport_;
  SearchState saved = start_;
  SearchRequest request{.from = saved.from,
                        .to = add_seconds(year_10000, 2 * 86'400),
                        .types = {},
                        .limit = 1,
                        .start_key = ""};
  saved.page_key = teleport.search(request, {}).value().last_key;
  ASSERT_NE(saved.page_key, "");
  saved.to = request.to;
  source_ = std::make_unique<WindowSearch>(options_, saved, &teleport_, &buffers_, clock_,
                                           &teleport_clock_);
  thread_ = std::jthread([this](const std::stop_token& token) { source_->run(token); });
  collect_until([this] { return source_->idle(); });
  stop();
  ASSERT_EQ(rejects().size(), 1U);
  EXPECT_EQ(rejects()[0].id, "far");
  const auto state_after = decode_search_state(state("search").value());
  ASSERT_TRUE(state_after) << state_after.error().message;
  EXPECT_EQ(state_after->newest, add_seconds(kNow, -600));
}

// What Teleport stores late by no more than the overlap is found by then.
TEST_F(WindowSearchTest, HasReadUpToTheOverlapBeforeTheTimeThatTheNewestEventProves) {
  add_event(3600);
  add_event(10);
  run_until_idle();
  EXPECT_EQ(read_up_to_, add_seconds(kNow, -10 - 120));
}

TEST_F(WindowSearchTest, HasReadFurtherWithEachSearchOfASilentCluster) {
  add_event(10);
  start();
  collect_until([this] { return source_->idle(); });
  clock_.advance(std::chrono::seconds(600));
  search_again();
  stop();
  EXPECT_EQ(read_up_to_, add_seconds(kNow, 600 - 10 - 120));
}

TEST_F(WindowSearchTest, HasNotReadWhatIsStillToHappenWhereTheClockIsAhead) {
  clock_.advance(std::chrono::hours(5));
  add_event(10);
  run_until_idle();
  EXPECT_EQ(read_up_to_, add_seconds(kNow, -10 - 120));
}

TEST_F(WindowSearchTest, AnEventFromTheFutureDoesNotMoveTheTimeUpToWhichAllIsRead) {
  add_event(-3600);
  run_until_idle();
  EXPECT_EQ(read_up_to_, add_seconds(kNow, -120));
}

TEST_F(WindowSearchTest, SaysNothingOfHowFarItHasReadBeforeTheFirstEvent) {
  run_until_idle();
  EXPECT_EQ(read_up_to_, std::nullopt);
}

// In the middle of a window nobody knows what its later pages bring.
TEST_F(WindowSearchTest, HasReadNothingMoreWhileItCannotTurnThePages) {
  options_.page_size = 3;
  for (int i = 0; i < 10; ++i) add_event(3600 + i);
  teleport_.refuse_keys(true);
  start();
  collect_until([this] { return ids().size() == 3; });
  search_again();
  stop();
  EXPECT_EQ(read_up_to_, std::nullopt);
}

TEST_F(WindowSearchTest, ReachesOverYearsByTheWindowsThatItHasRead) {
  start_.from = add_seconds(kNow, -100 * kDaySeconds);
  add_event(99 * kDaySeconds);
  add_event(10);
  std::vector<Timestamp> reached;
  start();
  collect_until([&] {
    if (read_up_to_ && (reached.empty() || reached.back() != *read_up_to_)) {
      reached.push_back(*read_up_to_);
    }
    return source_->idle();
  });
  stop();
  EXPECT_TRUE(std::ranges::is_sorted(reached));
  EXPECT_EQ(read_up_to_, add_seconds(kNow, -10 - 120));
}

TEST_F(WindowSearchTest, NeverTakesBackWhatItHasReadAfterARestart) {
  add_event(3600);
  options_.read_up_to = queue::ReadUpTo{.time_ms = to_unix_ms(add_seconds(kNow, -60)),
                                        .looked_at_ms = to_unix_ms(kNow)};
  read_up_to_ = from_unix_ms(options_.read_up_to->time_ms);
  run_until_idle();
  EXPECT_EQ(read_up_to_, add_seconds(kNow, -60));
}

TEST_F(WindowSearchTest, ABackfillBringsTheEventsOfItsSpanAndEnds) {
  const auto before = add_event(8 * kDaySeconds + 1);
  const auto first = add_event(8 * kDaySeconds);
  const auto last = add_event(5 * kDaySeconds + 1);
  const auto behind = add_event(5 * kDaySeconds);
  options_.backfill =
      BackfillSpan{{add_seconds(kNow, -8 * kDaySeconds), add_seconds(kNow, -5 * kDaySeconds)}};
  start_.from = options_.backfill->range.from;
  teleport_clock_.saw(kNow);
  start();
  collect_until([this] { return end_ == SourceEnd::kFinished; });
  stop();
  EXPECT_THAT(ids(), ElementsAre(first, last));
  for (const Item& item : items_) {
    EXPECT_FALSE(item.forget_ids_before);
    EXPECT_TRUE(std::holds_alternative<Mark>(item.content) || item.is_backfill);
  }
  EXPECT_EQ(state("search"), std::nullopt);
}

// Teleport may still store events of the span.
TEST_F(WindowSearchTest, ABackfillUpToThePresentEndsOnlyWhenTeleportsClockIsPastIt) {
  add_event(10);
  options_.backfill = BackfillSpan{{add_seconds(kNow, -kDaySeconds), kNow}};
  start_.from = options_.backfill->range.from;
  start();
  collect_until([this] { return source_->idle(); });
  const auto late = add_event(5);
  collect_until([this] { return ids().size() == 2; });
  EXPECT_EQ(end_, SourceEnd::kStopped);
  clock_.advance(std::chrono::minutes(5));
  collect_until([this] { return end_ == SourceEnd::kFinished; });
  stop();
  EXPECT_EQ(ids().back(), late);
}

}  // namespace
}  // namespace sluice::fetcher
