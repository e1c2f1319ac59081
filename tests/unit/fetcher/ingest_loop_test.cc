#include "fetcher/ingest/ingest_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "queue/reader.h"
#include "tests/unit/common/temp_folder.h"
#include "tests/unit/fetcher/steered_clock.h"
#include "tests/unit/queue/faulty_env.h"

namespace sluice::fetcher {
namespace {

using queue::Lane;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Timestamp kNow{1'795'402'721, 0};

class IngestLoopTest : public ::testing::Test {
 protected:
  IngestLoopTest() : env_(queue::make_faulty_env(&faults_)) { open(); }

  void open() {
    loop_.reset();
    writer_.reset();
    queue::WriterOptions options;
    options.paths.root = folder_.path();
    options.clock = &clock_;
    options.env = env_.get();
    auto opened = queue::Writer::open(options);
    ASSERT_TRUE(opened) << opened.error().message;
    writer_ = std::move(*opened);
    filter_ = std::make_unique<EventFilter>(config_, start_time_);
    loop_ = std::make_unique<IngestLoop>(
        writer_.get(), &buffers_, filter_.get(), clock_, generation_,
        [this](const std::string& sid, const RecordingState&) { uploads_.push_back(sid); },
        [this](const Event& new_event) { new_events_.push_back(new_event.id); });
  }

  static Item event(const std::string& id, const std::string& type = "user.login",
                    Lane lane = Lane::kAudit, Timestamp time = kNow) {
    Item item;
    item.lane = lane;
    item.content = Event{.id = id,
                         .type = type,
                         .time = time,
                         .index = 0,
                         .json = "{}",
                         .sid = {},
                         .failed_login = {}};
    return item;
  }
  static Item upload(const std::string& id, const std::string& sid) {
    Item item = event(id, "session.upload");
    std::get<Event>(item.content).sid = sid;
    return item;
  }
  static Item with_cursor(Item item, const std::string& key, const std::string& value) {
    item.cursor = StateChange{key, value};
    return item;
  }

  void push(Item item) { ASSERT_TRUE(buffers_.push(std::move(item), {})); }
  void step() {
    const auto done = loop_->step(std::chrono::milliseconds(0), {});
    ASSERT_TRUE(done) << done.error().message;
    const auto synced = writer_->sync();
    ASSERT_TRUE(synced) << synced.error().message;
  }
  std::vector<std::string> ids(Lane lane) {
    const auto reader = queue::Reader::open(
        {.paths = queue::InstancePaths{folder_.path()}, .scratch = folder_.path() / "scratch"});
    EXPECT_TRUE(reader) << reader.error().message;
    const auto batch = (*reader)->read(lane, 1, {});
    EXPECT_TRUE(batch) << batch.error().message;
    std::vector<std::string> found;
    for (const queue::StoredRecord& stored : batch->records()) {
      found.emplace_back(stored.record.id);
    }
    return found;
  }
  std::string state(const std::string& key) {
    return writer_->state(key).value().value_or("(none)");
  }

  TempFolder folder_;
  queue::Faults faults_;
  std::unique_ptr<rocksdb::Env> env_;
  SteeredClock clock_{kNow};
  FetcherConfig config_;
  Timestamp start_time_ = add_seconds(kNow, -3600);
  std::uint32_t generation_ = 0;
  LaneBuffers buffers_{1U << 20};
  std::unique_ptr<queue::Writer> writer_;
  std::unique_ptr<EventFilter> filter_;
  std::unique_ptr<IngestLoop> loop_;
  std::vector<std::string> uploads_;
  std::vector<std::string> new_events_;
};

TEST_F(IngestLoopTest, AppendsEventsOfBothLanesWithTheirCursors) {
  push(with_cursor(event("a1"), "cursor-a", "1"));
  push(with_cursor(event("a2"), "cursor-a", "2"));
  Item session = with_cursor(event("s:1", "resize", Lane::kSession), "recording/s", "x");
  session.route = "s";
  push(std::move(session));
  step();
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("a1", "a2"));
  EXPECT_THAT(ids(Lane::kSession), ElementsAre("s:1"));
  EXPECT_EQ(state("cursor-a"), "2");
  EXPECT_EQ(state("recording/s"), "x");
}

TEST_F(IngestLoopTest, QueuesAnEventOfTheAuditLaneOnce) {
  push(event("a1"));
  push(event("a1"));
  step();
  push(with_cursor(event("a1"), "cursor", "behind the duplicate"));
  step();
  open();
  push(event("a1"));
  push(event("a2"));
  step();
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("a1", "a2"));
  EXPECT_EQ(state("cursor"), "behind the duplicate");
}

TEST_F(IngestLoopTest, TellsOfEachNewEventOfTheAuditLaneOnce) {
  config_.skip_event_types = {"cert.create"};
  open();
  push(event("a1"));
  push(event("a1"));
  push(event("skipped", "cert.create"));
  push(event("s:1", "resize", Lane::kSession));
  step();
  push(event("a1"));
  push(event("a2"));
  step();
  EXPECT_THAT(new_events_, ElementsAre("a1", "a2"));
}

TEST_F(IngestLoopTest, TellsApartEqualIdsOfDifferentDays) {
  push(event("a1"));
  push(event("a1", "user.login", Lane::kAudit, add_seconds(kNow, 86'400)));
  step();
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("a1", "a1"));
}

TEST_F(IngestLoopTest, LeavesOutWhatTheConfigurationSaysAndCountsItOnce) {
  config_.types = {"user.login", "cert.create", "session.upload"};
  config_.skip_event_types = {"cert.create"};
  config_.skip_session_types = {"print"};
  open();
  for (int round = 0; round < 2; ++round) {
    push(event("keep"));
    push(event("skipped", "cert.create"));
    push(with_cursor(event("of no listed type", "exec"), "cursor", "behind the filtered"));
    push(event("too early", "user.login", Lane::kAudit, add_seconds(start_time_, -1)));
    step();
  }
  push(event("s:1", "print", Lane::kSession));
  push(event("s:2", "cert.create", Lane::kSession));
  step();
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("keep"));
  EXPECT_THAT(ids(Lane::kSession), ElementsAre("s:2"));
  EXPECT_EQ(state("cursor"), "behind the filtered");
  EXPECT_EQ(loop_->counts().filtered[Lane::kAudit], 3U);
  EXPECT_EQ(loop_->counts().filtered[Lane::kSession], 1U);
  EXPECT_EQ(loop_->counts().duplicates[Lane::kAudit], 1U);
}

TEST_F(IngestLoopTest, CountsAQueuedEventThatIsSkippedSinceAsADuplicate) {
  push(event("a1"));
  step();
  config_.skip_event_types = {"user.login"};
  open();
  push(event("a1"));
  step();
  EXPECT_EQ(loop_->counts().filtered[Lane::kAudit], 0U);
  EXPECT_EQ(loop_->counts().duplicates[Lane::kAudit], 1U);
}

TEST_F(IngestLoopTest, AnnouncesARecordingTogetherWithItsEvent) {
  push(upload("u1", "s1"));
  push(upload("u2", "not a session id"));
  push(upload("u3", ""));
  step();
  EXPECT_THAT(uploads_, ElementsAre("s1"));
  EXPECT_TRUE(decode_recording_state(state("recording/s1")));
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("u1", "u2", "u3"));
  push(upload("u4", "s1"));
  step();
  EXPECT_THAT(uploads_, ElementsAre("s1")) << "a pending recording is not begun again";
}

TEST_F(IngestLoopTest, AnnouncesNoRecordingThatIsDoneUntilThatIsForgotten) {
  push(upload("u1", "s1"));
  step();
  Item end = mark_of(Lane::kSession, "recording/s1", std::nullopt);
  end.also.push_back(StateChange{"recording-done/s1", format_rfc3339(kNow)});
  push(std::move(end));
  push(upload("u2", "s1"));  // Before the mark or behind it: in one batch both must be known.
  step();
  push(upload("u3", "s1"));
  step();
  clock_.advance(std::chrono::days(6));
  step();
  push(upload("u4", "s1"));
  step();
  EXPECT_THAT(uploads_, ElementsAre("s1"));
  EXPECT_EQ(state("recording/s1"), "(none)");
  clock_.advance(std::chrono::days(1));
  step();
  EXPECT_EQ(state("recording-done/s1"), "(none)");
  push(upload("u5", "s1"));
  step();
  EXPECT_THAT(uploads_, ElementsAre("s1", "s1"));
}

TEST_F(IngestLoopTest, StoresARejectWithItsReasonInTheEventsPlace) {
  Item item;
  item.content = Reject{
      .id = "r1", .type = "exec", .time = kNow, .index = 0, .reason = "broken", .bytes = "raw"};
  push(std::move(item));
  step();
  const auto reader = queue::Reader::open(
      {.paths = queue::InstancePaths{folder_.path()}, .scratch = folder_.path() / "scratch"});
  const auto batch = (*reader)->read(Lane::kAudit, 1, {});
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->records().size(), 1U);
  EXPECT_EQ(batch->records()[0].record.kind, queue::RecordKind::kReject);
  EXPECT_EQ(batch->records()[0].record.note, "broken");
  EXPECT_EQ(batch->records()[0].record.body, "raw");
}

TEST_F(IngestLoopTest, ForgetsIdsOnlyWithTheMarkThatSaysSo) {
  push(event("a1"));
  step();
  Item mark = mark_of(Lane::kAudit, "first-day", "x");
  mark.forget_ids_before = day_of(kNow) + 1;
  push(std::move(mark));
  step();
  push(event("a1"));
  step();
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("a1", "a1"));
}

TEST_F(IngestLoopTest, KeepsIdsThatABackfillNeeds) {
  push(event("a1"));
  step();
  loop_->keep_ids_from(day_of(kNow));
  Item mark = mark_of(Lane::kAudit, "k", "v");
  mark.forget_ids_before = day_of(kNow) + 5;
  push(std::move(mark));
  step();
  push(event("a1"));
  step();
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("a1"));
}

TEST_F(IngestLoopTest, TakesABackfillsEventsFromBeforeTheStartTimeAndLocksNobodyForThem) {
  Item old = event("old", "user.login", Lane::kAudit, add_seconds(start_time_, -1));
  old.is_backfill = true;
  push(std::move(old));
  step();
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("old"));
  EXPECT_TRUE(new_events_.empty());
}

TEST_F(IngestLoopTest, DoesNotCompareIdsOfDifferentGenerations) {
  push(event("a1"));
  step();
  generation_ = 1;
  open();
  push(event("a1"));
  push(event("a1"));
  step();
  EXPECT_THAT(ids(Lane::kAudit), ElementsAre("a1", "a1"));
}

TEST_F(IngestLoopTest, SaysHowFarTeleportIsReadWithTheBatchThatBringsIt) {
  Item mark = mark_of(Lane::kAudit, "k", "v");
  mark.read_up_to = queue::ReadUpTo{.time_ms = 5, .looked_at_ms = 6};
  push(std::move(mark));
  step();
  EXPECT_EQ(writer_->read_up_to(), (queue::ReadUpTo{.time_ms = 5, .looked_at_ms = 6}));
}

TEST_F(IngestLoopTest, ReportsAFailedWriteAndAnnouncesNothing) {
  faults_.fail_append = true;
  push(upload("u1", "s1"));
  const auto done = loop_->step(std::chrono::milliseconds(0), {});
  faults_.fail_append = false;
  EXPECT_FALSE(done);
  EXPECT_THAT(uploads_, IsEmpty());
  open();
  EXPECT_EQ(state("recording/s1"), "(none)");
}

}  // namespace
}  // namespace sluice::fetcher
