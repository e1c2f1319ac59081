#include "fetcher/generation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/backoff.h"
#include "fetcher/source/search_state.h"
#include "queue/control_page.h"
#include "queue/reader.h"
#include "tests/unit/common/temp_folder.h"
#include "tests/unit/fetcher/fake_teleport.h"
#include "tests/unit/queue/faulty_env.h"

namespace sluice::fetcher {
namespace {

using queue::Lane;
using ::testing::UnorderedElementsAreArray;

class GenerationTest : public ::testing::Test {
 protected:
  GenerationTest() : env_(queue::make_faulty_env(&faults_)), now_(system_clock().now()) {
    config_.fetcher.exit_on_last_event = true;
    config_.fetcher.poll_interval = std::chrono::milliseconds(5);
    config_.fetcher.skip_session_types.clear();
    start_.time = add_seconds(now_, -3 * 86'400);
  }

  // One generation on a newly opened queue, as after a start.
  Result<Generation::End> run(std::stop_token stop = {}) {
    queue::WriterOptions options;
    options.paths.root = folder_.path();
    options.env = env_.get();
    options.limits = limits_;
    SLUICE_ASSIGN(const auto writer, queue::Writer::open(options));
    SLUICE_ASSIGN(const auto generation,
                  Generation::create(config_, start_, &teleport_, writer.get(), system_clock()));
    return generation->run(std::move(stop));
  }

  // Events of three days: in chunks, and for the search.
  void fill(int count) {
    std::map<Day, std::vector<std::string>> chunks;
    for (int i = 0; i < count; ++i) {
      const Timestamp time = add_seconds(now_, -(count - i) * 2 * 86'400 / count);
      const std::string id = fmt::format("e{}", i);
      const bool ends_session = i % 50 == 0;
      const std::string sid = ends_session ? fmt::format("sid-{}", i) : "";
      chunks[day_of(time)].push_back(
          event_bytes(id, time, ends_session ? "session.upload" : "user.login", 0, sid));
      teleport_.add_event(id, time);
      expected_.push_back(id);
      if (!ends_session) continue;
      teleport_.add_recording(
          sid, {event_bytes("r0", time, "print", 0), event_bytes("r1", time, "print", 1)});
      expected_recordings_.push_back(sid + ":1");
      expected_recordings_.push_back(sid + ":2");
    }
    for (auto& [day, events] : chunks) {
      teleport_.add_chunk(day, fmt::format("chunk-{}", day), std::move(events));
    }
  }

  // An event's own day may be the one before that of its chunk. The events' times, by id.
  std::map<std::string, Timestamp> fill_chunks_of_nine_days() {
    std::map<std::string, Timestamp> times;
    start_.time = add_seconds(now_, -10 * 86'400);
    for (int age = 8; age >= 0; --age) {
      const Timestamp time = add_seconds(now_, -age * 86'400);
      const Timestamp day_before = add_seconds(start_of_day(day_of(time)), -1);
      const std::string id = fmt::format("e{}", age);
      teleport_.add_chunk(day_of(time), "of-" + id,
                          {event_bytes("before-" + id, day_before), event_bytes(id, time)});
      times.insert({{"before-" + id, day_before}, {id, time}});
    }
    for (const auto& [id, time] : times) expected_.push_back(id);
    return times;
  }

  std::vector<std::string> ids(Lane lane) {
    const auto reader = queue::Reader::open(
        {.paths = queue::InstancePaths{folder_.path()}, .scratch = folder_.path() / "scratch"});
    EXPECT_TRUE(reader) << reader.error().message;
    std::vector<std::string> found;
    queue::Seq next = 1;
    while (true) {
      const auto batch = (*reader)->read(lane, next, {});
      EXPECT_TRUE(batch) << batch.error().message;
      if (!batch || batch->empty()) return found;
      for (const queue::StoredRecord& stored : batch->records()) {
        found.emplace_back(stored.record.id);
      }
      next = batch->records().back().seq + 1;
    }
  }

  TempFolder folder_;
  queue::DiskLimits limits_;
  queue::Faults faults_;
  std::unique_ptr<rocksdb::Env> env_;
  const Timestamp now_;
  StartTime start_;
  Config config_;
  FakeTeleport teleport_;
  std::vector<std::string> expected_;
  std::vector<std::string> expected_recordings_;
};

TEST_F(GenerationTest, EndsWhenEverythingOfTheBulkExportIsInTheQueue) {
  fill(1000);
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
  EXPECT_THAT(ids(Lane::kSession), UnorderedElementsAreArray(expected_recordings_));
}

// As of teleport-event-handler, which had sent the first `sent` of the events of fill().
class TakenOverTest : public GenerationTest {
 protected:
  void take_over(const std::string& sent_id, const std::string& sent_key = "") {
    teleport_.set_export(false);
    SearchState search;
    search.from = add_seconds(now_, -3 * 86'400);
    search.sent_id = sent_id;
    search.sent_key = sent_key;
    queue::WriterOptions options;
    options.paths.root = folder_.path();
    const auto writer = queue::Writer::open(options);
    queue::Append append;
    append.put_state(std::string(kSearchKey), encode_search_state(search));
    ASSERT_TRUE((*writer)->append(append));
  }
  std::vector<std::string> expected_from(std::size_t first) const {
    return {expected_.begin() + static_cast<std::ptrdiff_t>(first), expected_.end()};
  }
};

TEST_F(TakenOverTest, GoesOnBehindTheLastEventThatTheHandlerSent) {
  fill(1000);  // an event each 173 seconds
  take_over("e700");
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_from(700)));
}

TEST_F(TakenOverTest, FindsThatEventAlsoWhereItsPageIsNotTaken) {
  fill(1000);
  take_over("e700", "a key of another window");
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_from(700)));
}

// A storage that cannot read the key of another one may say no more than that something failed.
TEST_F(TakenOverTest, IsNotHeldUpByAPageThatFails) {
  fill(1000);
  take_over("e700", "a key of another storage");
  teleport_.refuse_keys(true, ErrorKind::kUnavailable);
  std::stop_source stop;
  std::jthread patience([&](const std::stop_token& done) {
    if (sleep_for(done, std::chrono::seconds(15))) stop.request_stop();
  });
  EXPECT_EQ(run(stop.get_token()).value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_from(700)));
}

TEST_F(TakenOverTest, FetchesEverythingAgainWhereThatEventIsGone) {
  fill(1000);
  take_over("e-gone");
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

TEST_F(TakenOverTest, BelievesNoEventFromTheFuture) {
  fill(1000);
  teleport_.add_event("e-ahead", add_seconds(now_, 3'600));
  expected_.push_back("e-ahead");
  take_over("e-ahead");
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

TEST_F(TakenOverTest, BeginsTheBulkExportWithTheDayOfThatEvent) {
  fill(1000);
  take_over("e700");
  teleport_.set_export(true);
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  const Day day = day_of(add_seconds(now_, -300 * 2 * 86'400 / 1000));
  std::size_t first = 0;
  while (day_of(add_seconds(now_, -(1000 - static_cast<std::int64_t>(first)) * 2 * 86'400 / 1000)) <
         day) {
    ++first;
  }
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_from(first)));
}

TEST_F(GenerationTest, LeavesALaneWithoutRoomToTeleportAndGoesOnWithTheOther) {
  fill(1000);
  limits_.session_max_size = 1;
  std::stop_source stop;
  std::jthread stopper([&] {
    const queue::InstancePaths paths{folder_.path()};
    queue::PageReader page(paths.fetcher_page(), queue::PageRole::kFetcher);
    for (int i = 0; i < 6000; ++i) {
      const auto payload = page.read();
      const auto values = payload ? queue::decode_fetcher_page(*payload) : std::nullopt;
      if (values && values->durable[Lane::kAudit] == expected_.size()) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    stop.request_stop();
  });
  EXPECT_EQ(run(stop.get_token()).value(), Generation::End::kStopped);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
  EXPECT_TRUE(ids(Lane::kSession).empty());
  limits_.session_max_size.reset();
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
  EXPECT_THAT(ids(Lane::kSession), UnorderedElementsAreArray(expected_recordings_));
}

TEST_F(GenerationTest, FetchesNothingWhileTheDiskIsToKeepMoreFree) {
  fill(100);
  limits_.min_free = std::uint64_t{1} << 60;
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    stop.request_stop();
  });
  EXPECT_EQ(run(stop.get_token()).value(), Generation::End::kStopped);
  EXPECT_TRUE(ids(Lane::kAudit).empty());
  limits_.min_free = 0;
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

TEST_F(GenerationTest, EndsWithTheRefusalOfARecordingThatItMayNotHave) {
  fill(100);
  teleport_.fail_recording("sid-50", 0, ErrorKind::kUnauthorized);
  const auto end = run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kUnauthorized);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

TEST_F(GenerationTest, EndsWhenTheSearchBringsNothingMore) {
  teleport_.set_export(false);
  fill(1000);
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

TEST_F(GenerationTest, GoesOnInTheSearchWithoutLossOrRepetitionWhenTheExportGoesAway) {
  fill(1000);
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  teleport_.set_export(false);
  teleport_.add_event("later", now_);
  expected_.push_back("later");
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
  teleport_.set_export(true);
  teleport_.add_chunk(day_of(now_), "last", {event_bytes("last", now_)});
  expected_.push_back("last");
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

// The search has not moved from where it took over, which is before all that may come late.
TEST_F(GenerationTest, RepeatsNothingWhenTheExportComesBackBeforeTheSearchHasMovedOn) {
  fill_chunks_of_nine_days();
  for (const bool exported : {true, false, true, false, true}) {
    teleport_.set_export(exported);
    ASSERT_EQ(run().value(), Generation::End::kFinished);
    EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
  }
}

// A closed day among it, of which an unread chunk may have had events.
TEST_F(GenerationTest, RepeatsNothingOfWhatTheSearchReadsAgainWhenTheExportGoesAway) {
  const auto times = fill_chunks_of_nine_days();
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  for (const auto& [id, time] : times) teleport_.add_event(id, time);
  teleport_.set_export(false);
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

// Writes fail at random moments, each time in another way; what the failed batch leaves on disk is
// unknown to the generation, and the next one must go on from what is there.
TEST_F(GenerationTest, LosesAndRepeatsNothingOverFailedWrites) {
  fill(3000);
  bool finished = false;
  for (int round = 0; round < 40 && !finished; ++round) {
    std::jthread fault([&](const std::stop_token& stop) {
      for (int i = 0; i < 3 + round && !stop.stop_requested(); ++i) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(5 + round * 2));
      (round % 2 == 0 ? faults_.fail_sync : faults_.fail_append) = true;
    });
    const auto end = run();
    fault.request_stop();
    fault.join();
    faults_.fail_sync = false;
    faults_.fail_append = false;
    finished = end && *end == Generation::End::kFinished;
  }
  if (!finished) {
    EXPECT_EQ(run().value(), Generation::End::kFinished);
  }
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
  EXPECT_THAT(ids(Lane::kSession), UnorderedElementsAreArray(expected_recordings_));
}

// Answers nothing but that it may not.
class RefusingTeleport final : public EventApi {
 public:
  Result<std::string> ping(std::stop_token) override { return "fake.example.com"; }
  Result<std::vector<std::string>> list_chunks(Day, std::stop_token) override {
    return fail(ErrorKind::kUnauthorized, "access denied to perform action list on event");
  }
  std::unique_ptr<ExportStream> export_chunk(Day, const std::string&, const std::string&,
                                             std::stop_token) override {
    return nullptr;
  }
  Result<SearchPage> search(const SearchRequest&, std::stop_token) override {
    return fail(ErrorKind::kUnauthorized, "access denied to perform action list on event");
  }
  std::unique_ptr<SessionStream> stream_session(const std::string&, std::int32_t,
                                                std::stop_token) override {
    return nullptr;
  }
  Result<void> lock(const LockRequest&, std::stop_token) override {
    return fail(ErrorKind::kUnauthorized, "access denied to perform action create on lock");
  }
};

TEST_F(GenerationTest, EndsWithTheRefusalOfTeleportWhenItIsToEndByItself) {
  queue::WriterOptions options;
  options.paths.root = folder_.path();
  const auto writer = queue::Writer::open(options);
  ASSERT_TRUE(writer) << writer.error().message;
  RefusingTeleport teleport;
  const auto generation =
      Generation::create(config_, start_, &teleport, writer->get(), system_clock());
  ASSERT_TRUE(generation) << generation.error().message;
  const auto end = (*generation)->run({});
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kUnauthorized);
}

TEST_F(GenerationTest, SaysWhenTheSourceMustBeChosenAgain) {
  fill(10);
  config_.fetcher.exit_on_last_event = false;
  std::jthread change([&] {
    while (teleport_.exports_of(fmt::format("chunk-{}", day_of(now_))) == 0 &&
           teleport_.exports_of(fmt::format("chunk-{}", day_of(now_) - 1)) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    teleport_.set_export(false);
  });
  EXPECT_EQ(run().value(), Generation::End::kChooseAgain);
}

// What both ways of reading must do with a span of the past.
class BackfillTest : public GenerationTest, public ::testing::WithParamInterface<bool> {
 protected:
  BackfillTest() { teleport_.set_export(GetParam()); }
  // Those of expected_ that lie in the span, or are not before the start time.
  std::vector<std::string> wanted(const TimeRange& span, int count) const {
    std::vector<std::string> found;
    for (int i = 0; i < count; ++i) {
      const Timestamp time = add_seconds(now_, -(count - i) * 2 * 86'400 / count);
      if (span.contains(time) || time >= start_.time) found.push_back(fmt::format("e{}", i));
    }
    return found;
  }
};

INSTANTIATE_TEST_SUITE_P(Generation, BackfillTest, ::testing::Bool(),
                         [](const auto& api) { return api.param ? "ByBulkExport" : "BySearch"; });

TEST_P(BackfillTest, BringsASpanOfThePastBesideThePresent) {
  fill(1000);
  start_.time = add_seconds(now_, -3'600);
  const TimeRange span{add_seconds(now_, -40 * 3'600), add_seconds(now_, -20 * 3'600)};
  config_.fetcher.backfill = {span};
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(wanted(span, 1000)));
}

TEST_P(BackfillTest, RepeatsNothingThatIsInTheQueueAlready) {
  fill(1000);
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  // Ids of earlier days are forgotten by then.
  config_.fetcher.backfill = {{start_of_day(day_of(now_) - 1), add_seconds(now_, -3'600)}};
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
  if (!GetParam()) return;  // the search of the stand-in announces no recordings
  EXPECT_THAT(ids(Lane::kSession), UnorderedElementsAreArray(expected_recordings_));
}

TEST_P(BackfillTest, GoesOnWhereItWasAfterFailedWrites) {
  fill(2000);
  start_.time = add_seconds(now_, -3'600);
  const TimeRange span{add_seconds(now_, -47 * 3'600), add_seconds(now_, -2 * 3'600)};
  config_.fetcher.backfill = {span};
  bool finished = false;
  for (int round = 0; round < 20 && !finished; ++round) {
    std::jthread fault([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5 + round * 4));
      faults_.fail_sync = true;
    });
    const auto end = run();
    fault.join();
    faults_.fail_sync = false;
    finished = end && *end == Generation::End::kFinished;
  }
  if (!finished) {
    EXPECT_EQ(run().value(), Generation::End::kFinished);
  }
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(wanted(span, 2000)));
}

// To begin again is to have everything again.
TEST_F(GenerationTest, BringsEverythingAgainAfterARestartOfTheExport) {
  fill(100);
  const auto settle = [this] {
    queue::WriterOptions options;
    options.paths.root = folder_.path();
    const auto writer = queue::Writer::open(options);
    start_ = settle_start_time(config_.fetcher, system_clock(), writer->get()).value();
  };
  config_.fetcher.start_time = start_.time;
  settle();
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  config_.fetcher.restart_from = start_.time;
  config_.fetcher.yes = true;
  settle();
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_EQ(ids(Lane::kAudit).size(), 2 * expected_.size());
  EXPECT_EQ(ids(Lane::kSession).size(), 2 * expected_recordings_.size());
}

TEST_F(GenerationTest, GoesOnInTheBulkExportWithoutLossOrRepetitionWhenItComes) {
  teleport_.set_export(false);
  fill(1000);
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  teleport_.set_export(true);
  teleport_.add_chunk(day_of(now_), "later", {event_bytes("later", now_)});
  expected_.push_back("later");
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

// Of a day that the search has left behind.
TEST_F(GenerationTest, FindsChunksThatComeLateForDaysBeforeTheBulkExportTookOver) {
  teleport_.set_export(false);
  fill(1000);
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  teleport_.set_export(true);
  const Timestamp time = add_seconds(now_, -2 * 86'400);
  teleport_.add_chunk(day_of(time), "late", {event_bytes("late", time)});
  expected_.push_back("late");
  ASSERT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

// Teleport's search takes both ends of a window in, and days begin where they end.
TEST_F(GenerationTest, QueuesEventsAtTheEdgesOfWindowsAndDaysOnce) {
  teleport_.set_export(false);
  start_.time = add_seconds(start_of_day(day_of(now_)), -3 * 86'400);
  config_.fetcher.window_size = std::chrono::hours(24);
  config_.fetcher.search_overlap = std::chrono::seconds(0);
  config_.fetcher.page_size = 2;
  for (int edge = 0; edge < 4; ++edge) {
    const Timestamp midnight = add_seconds(start_.time, edge * 86'400);
    const Timestamp before{midnight.seconds - 1, 999'999'999};
    const Timestamp after{midnight.seconds, 1};
    for (const Timestamp time : {before, midnight, midnight, midnight, after}) {
      const std::string id = fmt::format("e{}", expected_.size());
      if (time < start_.time) continue;
      teleport_.add_event(id, time);
      expected_.push_back(id);
    }
  }
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray(expected_));
}

TEST_F(GenerationTest, LeavesOutWhatIsOlderThanTheStartTimeOnItsOwnDay) {
  start_.time = add_seconds(start_of_day(day_of(now_)), -86'400 + 43'200);
  teleport_.add_chunk(
      day_of(start_.time), "first",
      {event_bytes("early", add_seconds(start_.time, -1)), event_bytes("first", start_.time)});
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray({"first"}));
}

TEST_F(GenerationTest, HoldsToTheConfiguredTypesInTheBulkExportToo) {
  config_.fetcher.types = {"exec"};
  teleport_.add_chunk(day_of(now_), "c",
                      {event_bytes("no", now_, "user.login"), event_bytes("yes", now_, "exec")});
  EXPECT_EQ(run().value(), Generation::End::kFinished);
  EXPECT_THAT(ids(Lane::kAudit), UnorderedElementsAreArray({"yes"}));
}

// Two that differ, one of which Teleport gives twice.
TEST_F(GenerationTest, GoesOnPastEventsWithoutAnIdAndQueuesEachOnce) {
  const Timestamp other = add_seconds(now_, -60);
  for (const bool exported : {true, false}) {
    teleport_.set_export(exported);
    if (exported) {
      teleport_.add_chunk(day_of(now_), "a", {event_bytes("", now_), event_bytes("", now_)});
      teleport_.add_chunk(day_of(other), "b", {event_bytes("", other)});
    } else {
      for (const Timestamp time : {now_, now_, other}) teleport_.add_event("", time);
      config_.fetcher.page_size = 1;
    }
    EXPECT_EQ(run().value(), Generation::End::kFinished);
    const auto queued = ids(Lane::kAudit);
    EXPECT_EQ(queued.size(), 2U);
    EXPECT_EQ(std::set(queued.begin(), queued.end()).size(), 2U);
  }
}

}  // namespace
}  // namespace sluice::fetcher
