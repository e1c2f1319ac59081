#include "fetcher/import/import_position.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fetcher/source/audit_sources.h"
#include "fetcher/source/recording_state.h"
#include "fetcher/start_time.h"
#include "tests/unit/common/temp_folder.h"
#include "tests/unit/fetcher/handler_folder.h"
#include "tests/unit/fetcher/steered_clock.h"
#include "tests/unit/queue/faulty_env.h"

namespace sluice::fetcher {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr Timestamp kNow{1'795'402'721, 0};  // 2026-11-23T02:58:41Z

class ImportPositionTest : public ::testing::Test {
 protected:
  ImportPositionTest() : env_(queue::make_faulty_env(&faults_)) {
    config_.storage = handler_.storage();
    config_.teleport.addr = "teleport.example.com:443";
    open();
  }

  void open() {
    writer_.reset();
    queue::WriterOptions options;
    options.paths.root = folder_.path();
    options.env = env_.get();
    auto opened = queue::Writer::open(options);
    ASSERT_TRUE(opened) << opened.error().message;
    writer_ = std::move(*opened);
  }
  // As the fetcher starts.
  Result<StartTime> start() {
    SLUICE_TRY(import_position(config_, clock_, writer_.get()));
    return settle_start_time(config_.fetcher, clock_, writer_.get());
  }
  SourceState source() { return load_source_state(std::nullopt, writer_.get()).value(); }
  bool has_state(const std::string& key) { return writer_->state(key).value().has_value(); }
  std::map<std::string, std::int64_t> recordings() {
    std::map<std::string, std::int64_t> found;
    const auto states = writer_->states(kRecordingPrefix).value();
    for (const auto& [key, value] : states) {
      found.emplace(key.substr(kRecordingPrefix.size()),
                    decode_recording_state(value).value().sent_below);
    }
    return found;
  }

  void make_search() {
    handler_.put("start_time", "2026-11-01T00:00:00Z");
    handler_.put("window_time", "2026-11-22T10:00:00Z");
    handler_.put("cursor", "key");
    handler_.put("id", "e-17");
    handler_.put_index("b5f2-1", 12);
    handler_.put("missing_recordingb5f2-2",
                 R"({"Index":0,"Attempt":1,"Timestamp":"2026-11-22T09:00:00Z"})");
    handler_.written(add_seconds(kNow, -300));
  }
  void make_bulk() {
    make_search();
    handler_.put("cursor_v2/2026-11-20/completed-chunks", "a\nb\n");
    handler_.put("cursor_v2/2026-11-20/c.chunk", "a1:17");
    handler_.begin_day("2026-11-22");
    handler_.written(add_seconds(kNow, -300));
  }

  TempFolder folder_;
  HandlerFolder handler_;
  SteeredClock clock_{kNow};
  Config config_;
  queue::Faults faults_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<queue::Writer> writer_;
};

TEST_F(ImportPositionTest, OfASearchGoesOnInItsWindow) {
  make_search();
  config_.fetcher.start_time = add_seconds(kNow, -100);
  EXPECT_EQ(format_rfc3339(start().value().time), "2026-11-01T00:00:00Z");
  const SourceState state = source();
  ASSERT_TRUE(state.search);
  EXPECT_EQ(format_rfc3339(state.search->from), "2026-11-22T09:58:00Z");
  EXPECT_EQ(state.search->sent_id, "e-17");
  EXPECT_EQ(state.search->sent_key, "key");
  EXPECT_EQ(state.search->page_key, "");
  EXPECT_FALSE(state.bulk.first_day);
  // With this day a bulk export begins that takes over.
  EXPECT_EQ(format_day(state.ids_from.value() + 1), "2026-11-22");
  EXPECT_THAT(recordings(), ElementsAre(Pair("b5f2-1", 12), Pair("b5f2-2", 0)));
  EXPECT_EQ(writer_->read_up_to()->time_ms, to_unix_ms(state.search->from));
}

TEST_F(ImportPositionTest, OfAHandlerThatHadSentNothingBeginsWhereThatDid) {
  handler_.put("start_time", "2026-11-21T05:00:00Z");
  handler_.written(add_seconds(kNow, -300));
  EXPECT_EQ(format_rfc3339(start().value().time), "2026-11-21T05:00:00Z");
  EXPECT_EQ(format_rfc3339(source().search->from), "2026-11-21T05:00:00Z");
  EXPECT_EQ(source().search->sent_id, "");
}

TEST_F(ImportPositionTest, OfABulkExportGoesOnInItsDaysAndChunks) {
  make_bulk();
  EXPECT_EQ(format_rfc3339(start().value().time), "2026-11-01T00:00:00Z");
  const SourceState state = source();
  EXPECT_FALSE(state.search);
  EXPECT_EQ(format_day(state.bulk.first_day.value()), "2026-11-20");
  ASSERT_EQ(state.bulk.days.size(), 1U);
  EXPECT_THAT(state.bulk.days.begin()->second,
              ElementsAre(Pair("a", ChunkProgress{.finished = true, .cursor = ""}),
                          Pair("b", ChunkProgress{.finished = true, .cursor = ""}),
                          Pair("c", ChunkProgress{.finished = false, .cursor = "a1:17"})));
  EXPECT_THAT(recordings(), ElementsAre(Pair("b5f2-1", 12), Pair("b5f2-2", 0)));
}

TEST_F(ImportPositionTest, LeavesDaysThatTheHandlerHadClosedBehindAStuckOneClosed) {
  make_bulk();
  ASSERT_TRUE(start());
  EXPECT_THAT(source().bulk.closed, ElementsAre(parse_day("2026-11-21").value()));
}

TEST_F(ImportPositionTest, BelievesNoDaysThatCannotBe) {
  make_bulk();
  handler_.begin_day("0001-01-01");
  handler_.begin_day("2027-01-01");
  handler_.written(add_seconds(kNow, -300));
  ASSERT_TRUE(start());
  EXPECT_EQ(format_day(source().bulk.first_day.value()), "2026-11-20");
  EXPECT_EQ(source().bulk.closed.size(), 1U);
}

TEST_F(ImportPositionTest, ChangesNothingInTheFolderAndNeedsToWriteNothingThere) {
  make_bulk();
  const auto before = handler_.contents();
  ASSERT_TRUE(start());
  open();
  ASSERT_TRUE(start());
  EXPECT_EQ(handler_.contents(), before);
}

TEST_F(ImportPositionTest, WaitsForAHandlerThatHasJustWritten) {
  make_search();
  handler_.written(add_seconds(kNow, -119));
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kBusy);
  EXPECT_EQ(exit_status(refused.error().kind), 75);
  EXPECT_THAT(refused.error().message, HasSubstr("was written 1m 59s ago"));
  EXPECT_THAT(refused.error().message, HasSubstr("systemctl disable --now"));
  EXPECT_FALSE(has_state("start-time"));
  clock_.advance(std::chrono::seconds(1));
  ASSERT_TRUE(start());
  EXPECT_TRUE(source().search);
}

TEST_F(ImportPositionTest, IsAllOrNothingWhenItsWriteFails) {
  make_bulk();
  faults_.fail_append = true;
  ASSERT_FALSE(start());
  faults_.fail_append = false;
  open();
  EXPECT_FALSE(has_state("start-time"));
  EXPECT_TRUE(recordings().empty());
  EXPECT_FALSE(source().bulk.first_day);
  ASSERT_TRUE(start());
  EXPECT_EQ(source().bulk.days.size(), 1U);
  EXPECT_EQ(recordings().size(), 2U);
}

TEST_F(ImportPositionTest, IsAllOrNothingWhenItsSyncFails) {
  make_bulk();
  faults_.fail_sync = true;
  ASSERT_FALSE(start());
  faults_.fail_sync = false;
  open();
  // Whether the write is found is the disk's secret, but not a half of it.
  EXPECT_EQ(has_state("start-time"), recordings().size() == 2);
  EXPECT_EQ(has_state("start-time"), source().bulk.first_day.has_value());
  ASSERT_TRUE(start());
  EXPECT_EQ(source().bulk.days.size(), 1U);
  EXPECT_EQ(recordings().size(), 2U);
}

TEST_F(ImportPositionTest, IsLeftOutOfAQueueThatHasAPositionOfItsOwn) {
  ASSERT_TRUE(settle_start_time(config_.fetcher, clock_, writer_.get()));
  make_bulk();
  EXPECT_EQ(start().value().time, kNow);
  EXPECT_FALSE(source().has_begun());
  EXPECT_TRUE(recordings().empty());
  EXPECT_TRUE(has_state("handler-position"));
  ASSERT_TRUE(start());
}

TEST_F(ImportPositionTest, HappensOnce) {
  make_search();
  ASSERT_TRUE(start());
  handler_.put("window_time", "2026-11-22T20:00:00Z");
  handler_.put_index("b5f2-3", 1);
  handler_.written(kNow);
  open();
  ASSERT_TRUE(start());
  EXPECT_EQ(format_rfc3339(source().search->from), "2026-11-22T09:58:00Z");
  EXPECT_EQ(recordings().size(), 2U);
}

TEST_F(ImportPositionTest, YieldsToARestartElsewhereButForItsRecordings) {
  make_bulk();
  config_.fetcher.restart_from = add_seconds(kNow, -3'600);
  EXPECT_EQ(start().value().time, add_seconds(kNow, -3'600));
  EXPECT_FALSE(source().has_begun());
  EXPECT_EQ(recordings().size(), 2U);
  ASSERT_TRUE(start());
}

TEST_F(ImportPositionTest, OfAnotherAddressIsNotTakenForNone) {
  make_search();
  config_.teleport.addr = "proxy.example.com:443";
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConfig);
  EXPECT_THAT(refused.error().message, HasSubstr("a folder proxy.example.com_443"));
  EXPECT_THAT(refused.error().message, HasSubstr("but has teleport.example.com_443"));
  EXPECT_FALSE(has_state("start-time"));
}

TEST_F(ImportPositionTest, IsNoneWhereThereIsNoFolder) {
  config_.storage = folder_.path() / "none";
  EXPECT_EQ(start().value().time, kNow);
}

TEST_F(ImportPositionTest, IsNotTakenForNoneWhereARelativePathLeadsNowhere) {
  config_.storage = folder_.path() / "none";
  config_.storage_is_relative = true;
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConfig);
  EXPECT_THAT(refused.error().message, HasSubstr("write the whole path"));
  // From there on nothing is left out.
  config_.fetcher.start_time = add_seconds(kNow, -100);
  EXPECT_EQ(start().value().time, add_seconds(kNow, -100));
}

TEST_F(ImportPositionTest, OfADamagedFolderBeginsEarlier) {
  make_search();
  handler_.put("window_time", "");
  handler_.written(add_seconds(kNow, -300));
  ASSERT_TRUE(start());
  EXPECT_EQ(format_rfc3339(source().search->from), "2026-11-01T00:00:00Z");
  EXPECT_EQ(source().search->sent_id, "e-17");
}

TEST_F(ImportPositionTest, WithoutItsStartTimeBeginsWithItsWindow) {
  make_search();
  handler_.put("start_time", "nonsense");
  handler_.written(add_seconds(kNow, -300));
  EXPECT_EQ(format_rfc3339(start().value().time), "2026-11-22T09:58:00Z");
  EXPECT_EQ(format_rfc3339(source().search->from), "2026-11-22T09:58:00Z");
}

TEST_F(ImportPositionTest, BelievesNoWindowInTheFuture) {
  make_search();
  handler_.put("window_time", "2027-01-01T00:00:00Z");
  handler_.written(add_seconds(kNow, -300));
  ASSERT_TRUE(start());
  EXPECT_EQ(format_rfc3339(source().search->from), "2026-11-01T00:00:00Z");
}

TEST_F(ImportPositionTest, OfAClockThatWasAheadIsNotAheadOfOurs) {
  make_search();
  handler_.put("window_time", format_rfc3339(add_seconds(kNow, 1'800)));
  handler_.written(add_seconds(kNow, -300));
  ASSERT_TRUE(start());
  EXPECT_EQ(source().search->from, add_seconds(kNow, -120));
  EXPECT_EQ(writer_->read_up_to()->time_ms, to_unix_ms(add_seconds(kNow, -120)));
}

TEST_F(ImportPositionTest, BelievesNoStartTimeInTheFuture) {
  handler_.put("start_time", "2026-12-20T00:00:00Z");
  handler_.written(add_seconds(kNow, -300));
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConfig);
  EXPECT_THAT(refused.error().message, HasSubstr("start_time is in the future"));
  config_.fetcher.start_time = add_seconds(kNow, -86'400);
  EXPECT_EQ(start().value().time, add_seconds(kNow, -86'400));
}

TEST_F(ImportPositionTest, ThatShowsNoTimeAtAllAsksForOne) {
  make_search();
  handler_.put("start_time", "");
  handler_.put("window_time", "");
  handler_.written(add_seconds(kNow, -300));
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConfig);
  EXPECT_THAT(refused.error().message, HasSubstr("start_time is empty"));
  EXPECT_THAT(refused.error().message, HasSubstr("set start-time"));
  EXPECT_FALSE(has_state("start-time"));
  config_.fetcher.start_time = add_seconds(kNow, -86'400);
  EXPECT_EQ(start().value().time, add_seconds(kNow, -86'400));
  EXPECT_EQ(source().search->from, add_seconds(kNow, -86'400));
}

}  // namespace
}  // namespace sluice::fetcher
