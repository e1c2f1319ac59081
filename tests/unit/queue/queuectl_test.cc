#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "queue/control_page.h"
#include "queue/file_lock.h"
#include "queue/queuectl/access.h"
#include "queue/queuectl/letter_render.h"
#include "queue/queuectl/render.h"
#include "queue/queuectl/snapshot.h"
#include "queue/queuectl/status_render.h"
#include "queue/queuectl/trace.h"
#include "queue/queuectl/trace_render.h"
#include "tests/unit/queue/damage.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

class QueuectlTest : public QueueFixture {
 protected:
  // Ten events in the audit lane: 1 to 4 acknowledged, 5 dead, 8 acknowledged ahead, the rest
  // backlog.
  void fill() {
    writer_ = open_writer();
    ASSERT_TRUE(append(writer_.get(), Lane::kAudit, 10));
    const auto reader = open_reader();
    store_ = open_store();
    ASSERT_TRUE(store_->reconcile(*reader->view()));
    const auto batch = reader->read(Lane::kAudit, 1, {});
    ASSERT_TRUE(batch);
    Completion completion(Lane::kAudit);
    for (const StoredRecord& record : batch->records()) {
      if (record.seq <= 4 || record.seq == 8) completion.acknowledge(record);
      if (record.seq != 5) continue;
      DeadLetter letter = DeadLetter::of(Lane::kAudit, record);
      letter.reason = "too large";
      completion.set_aside(record, letter);
    }
    ASSERT_TRUE(store_->commit(completion));
  }
  // As the fetcher's page says it, as soon as it trims.
  void trim_below(Seq floor) {
    writer_.reset();
    const auto payload = PageReader(paths_.fetcher_page(), PageRole::kFetcher).read();
    auto values = decode_fetcher_page(payload.value());
    ASSERT_TRUE(values);
    values->floor[Lane::kAudit] = floor;
    auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
    page->publish(encode_page(*values));
  }
  Result<Snapshot> snapshot() const {
    Access access(paths_);
    return take_snapshot(&access);
  }
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<DeliveryStore> store_;
};

TEST_F(QueuectlTest, TraceSaysWhatBecameOfAnEvent) {
  fill();
  const auto fate = [&](const std::string& id) {
    Access access(paths_);
    const auto found = trace(&access, id);
    EXPECT_TRUE(found) << error_of(found);
    return found && found->events.size() == 1 ? name_of(found->events[0].fate) : "?";
  };
  EXPECT_EQ(fate("e-4"), "acknowledged");
  EXPECT_EQ(fate("e-5"), "dead letter");
  EXPECT_EQ(fate("e-9"), "waiting");
  Access access(paths_);
  const auto dead = trace(&access, "e-5");
  EXPECT_NE(trace_table(*dead).find("dead letter"), std::string::npos);
  const auto json = nlohmann::json::parse(trace_json(*dead, "e-5"));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["events"][0]["seq"], 5);
  EXPECT_EQ(json["events"][0]["state"], "dead letter");
}

TEST_F(QueuectlTest, TraceWithoutADeliveryStoreSaysThatAllWaits) {
  writer_ = open_writer();
  ASSERT_TRUE(append(writer_.get(), Lane::kSession, 2));
  Access access(paths_);
  const auto found = trace(&access, "e-2");
  ASSERT_TRUE(found) << error_of(found);
  ASSERT_EQ(found->events.size(), 1u);
  EXPECT_EQ(found->events[0].lane, Lane::kSession);
  EXPECT_EQ(found->events[0].fate, Fate::kWaiting);
}

TEST_F(QueuectlTest, TraceTellsWhatIsRememberedFromWhatNeverCame) {
  writer_ = open_writer();
  Append batch;
  batch.mark_seen(2, {1'795'402'721, 5}, "left-out");
  batch.mark_seen(1, {1'795'402'721, 5}, "left");
  ASSERT_TRUE(writer_->append(batch));
  Access access(paths_);
  const auto left_out = trace(&access, "left-out");
  ASSERT_TRUE(left_out) << error_of(left_out);
  EXPECT_TRUE(left_out->events.empty());
  EXPECT_EQ(left_out->remembered, (Timestamp{1'795'402'721, 0}));
  EXPECT_NE(absence(*left_out, "left-out").find("was fetched, and is not in the queue"),
            std::string::npos);
  const auto never = trace(&access, "never");
  ASSERT_TRUE(never) << error_of(never);
  EXPECT_FALSE(never->remembered);
  EXPECT_NE(absence(*never, "never").find("was not fetched"), std::string::npos);
}

TEST_F(QueuectlTest, StatusHasNumbersThatAddUp) {
  fill();
  const auto taken = snapshot();
  ASSERT_TRUE(taken) << error_of(taken);
  const LaneStatus& audit = taken->lanes[Lane::kAudit];
  EXPECT_EQ(audit.fetched, 10u);
  EXPECT_EQ(audit.acknowledged, 5u);
  EXPECT_EQ(audit.dead, 1u);
  EXPECT_EQ(audit.backlog, 4u);
  EXPECT_EQ(audit.unaccounted, 0);
  EXPECT_EQ(audit.position, 5u);
  EXPECT_TRUE(audit.oldest_ms);
  EXPECT_EQ(taken->fetcher.running, true);
  EXPECT_EQ(taken->fetcher.pid, ::getpid());
}

TEST_F(QueuectlTest, StatusIsTheSameWhenTheDaemonsHaveStopped) {
  fill();
  writer_.reset();
  store_.reset();
  const auto taken = snapshot();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->fetcher.running, false);
  EXPECT_EQ(taken->shipper.running, false);
  EXPECT_EQ(taken->lanes[Lane::kAudit].backlog, 4u);
  EXPECT_EQ(taken->lanes[Lane::kAudit].unaccounted, 0);
}

TEST_F(QueuectlTest, LookingNeverKeepsADaemonFromStarting) {
  open_writer();
  std::jthread looking([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) EXPECT_TRUE(FileLock::holder(paths_.queue_lock()));
  });
  for (int i = 0; i < 2'000; ++i) {
    const auto lock = FileLock::take(paths_.queue_lock(), "the queue");
    ASSERT_TRUE(lock) << error_of(lock);
  }
}

// In the instance's own folder, where a name without a folder for temporary files before it would
// be that of the store.
class QueuectlWithoutTemporaryFiles : public QueuectlTest {
 protected:
  QueuectlWithoutTemporaryFiles() : cwd_(std::filesystem::current_path()) {
    if (const char* folder = std::getenv("TMPDIR")) tmpdir_ = folder;
  }
  ~QueuectlWithoutTemporaryFiles() override {
    std::filesystem::current_path(cwd_);
    tmpdir_ ? ::setenv("TMPDIR", tmpdir_->c_str(), 1) : ::unsetenv("TMPDIR");
  }
  void expect_refusal_and_no_harm(const char* tmpdir) {
    fill();
    writer_.reset();
    store_.reset();
    std::filesystem::current_path(paths_.root);
    ::setenv("TMPDIR", tmpdir, 1);
    {
      Access access(paths_);
      constexpr auto kNoTemporaryFiles =
          "cannot make a folder for temporary files: set TMPDIR to one that is writable";
      EXPECT_EQ(error_of(access.reader()), kNoTemporaryFiles);
      EXPECT_EQ(error_of(access.delivery()), kNoTemporaryFiles);
      EXPECT_EQ(error_of(access.replays()), kNoTemporaryFiles);
      EXPECT_EQ(error_of(access.dead_letters_of("e-5")), kNoTemporaryFiles);
    }
    EXPECT_TRUE(std::filesystem::exists(paths_.delivery_db() / "CURRENT"));
  }

 private:
  std::filesystem::path cwd_;
  std::optional<std::string> tmpdir_;
};

TEST_F(QueuectlWithoutTemporaryFiles, LeavesTheStoreAloneWhereNoneCanBeMade) {
  expect_refusal_and_no_harm("/proc");
}

TEST_F(QueuectlWithoutTemporaryFiles, SaysSoWhereThereIsNoFolderForThem) {
  expect_refusal_and_no_harm("/there/is/no/such/folder");
}

TEST_F(QueuectlTest, StatusSaysWhenItCannotTellWhetherADaemonRuns) {
  fill();
  auto taken = snapshot();
  ASSERT_TRUE(taken);
  taken->shipper = {};
  EXPECT_NE(status_table(*taken, {"default", 1, {}})
                .find("shipper  not known: its folder cannot be read\n"),
            std::string::npos);
  const auto json = nlohmann::json::parse(status_json(*taken, {"default", 1, {}}));
  EXPECT_TRUE(json["shipper"]["running"].is_null());
}

TEST_F(QueuectlTest, StatusOfAQueueThatNobodyHasShippedYetIsAllBacklog) {
  writer_ = open_writer();
  ASSERT_TRUE(append(writer_.get(), Lane::kSession, 3));
  const auto taken = snapshot();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->lanes[Lane::kSession].backlog, 3u);
  EXPECT_FALSE(taken->delivery_problem);
}

// As in the fetcher's container, and for members of the group: of a queue that has been trimmed.
TEST_F(QueuectlTest, StatusWithoutTheDeliveryStoreSaysWhatTheQueueKnowsAndGuessesNothing) {
  fill();
  trim_below(5);
  store_.reset();
  const std::filesystem::path store = paths_.delivery_db();
  std::filesystem::remove_all(store);
  std::filesystem::create_directory_symlink(store.filename(), store);  // can be entered by nobody
  const auto taken = snapshot();
  ASSERT_TRUE(taken) << error_of(taken);
  ASSERT_TRUE(taken->delivery_problem);
  const LaneStatus& audit = taken->lanes[Lane::kAudit];
  EXPECT_EQ(audit.fetched, 10u);
  EXPECT_TRUE(audit.kept_since_ms);
  EXPECT_EQ(audit.backlog, 0u);
  EXPECT_FALSE(audit.oldest_ms);
  EXPECT_FALSE(drained_in(audit));
}

TEST_F(QueuectlTest, StatusOfATrimmedQueueWhoseDeliveryStoreIsGoneStillShowsIt) {
  fill();
  trim_below(5);
  store_.reset();
  std::filesystem::remove_all(paths_.delivery());
  const auto taken = snapshot();
  ASSERT_TRUE(taken) << error_of(taken);
  EXPECT_TRUE(taken->lanes[Lane::kAudit].oldest_ms);
}

TEST_F(QueuectlTest, StatusTellsOfADamagedRecordAndStillOfAllElse) {
  fill();
  writer_.reset();
  store_.reset();
  flush_queue(paths_.queue_db());
  flip(table_of(paths_.queue_db(), "audit"), 0);
  const auto taken = snapshot();
  ASSERT_TRUE(taken) << error_of(taken);
  EXPECT_EQ(taken->lanes[Lane::kAudit].backlog, 4u);
  EXPECT_EQ(taken->lanes[Lane::kAudit].unaccounted, 0);
  EXPECT_EQ(taken->lanes[Lane::kSession].damage, "");
  const std::string text = status_table(*taken, {"default", 1, {}});
  EXPECT_NE(text.find("DAMAGE in lane audit: "), std::string::npos) << text;
  EXPECT_NE(text.find("\"queuectl repair\""), std::string::npos) << text;
  const auto json = nlohmann::json::parse(status_json(*taken, {"default", 1, {}}));
  EXPECT_TRUE(json["lanes"]["audit"]["damage"].is_string());
  EXPECT_TRUE(json["lanes"]["session"]["damage"].is_null());
}

TEST_F(QueuectlTest, ReportOfADamagedStoreSaysThatItIsDamaged) {
  fill();
  writer_.reset();
  store_.reset();
  flip(files_like(paths_.delivery_db(), "MANIFEST-").back(), 20, 20);
  const auto taken = snapshot();
  ASSERT_TRUE(taken) << error_of(taken);
  ASSERT_TRUE(taken->delivery_problem);
  EXPECT_EQ(taken->delivery_problem->kind, ErrorKind::kCorrupt);
  EXPECT_NE(taken->delivery_problem->message.find("\"queuectl adopt\""), std::string::npos);
}

TEST_F(QueuectlTest, StatusFollowsARunningFetcherAndShipper) {
  fill();
  std::jthread writing([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && append(writer_.get(), Lane::kAudit, 7)) continue;
  });
  for (int i = 0; i < 10; ++i) {
    const auto taken = snapshot();
    ASSERT_TRUE(taken) << error_of(taken);
    EXPECT_EQ(taken->lanes[Lane::kAudit].unaccounted, 0);
  }
}

TEST_F(QueuectlTest, StatusTableSaysTheNumbersToPeople) {
  fill();
  auto taken = snapshot();
  ASSERT_TRUE(taken);
  taken->taken = {1'790'000'000, 0};
  taken->queue_id = {};
  taken->fetcher = {true, 123, {}};
  taken->shipper = {false, 0, {}};
  taken->read_up_to = ReadUpTo{.time_ms = (1'790'000'000 - 125) * 1000LL,
                               .looked_at_ms = (1'790'000'000 - 5) * 1000LL};
  for (const Lane lane : kLanes) {
    taken->lanes[lane].oldest_ms.reset();
    taken->lanes[lane].acknowledged_ms.reset();
  }
  taken->lanes[Lane::kAudit].oldest_ms = (1'790'000'000 - 41 * 60) * 1000LL;
  taken->lanes[Lane::kAudit].kept_since_ms = (1'790'000'000 - 86'400) * 1000LL;
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
  taken->disk = {
      .used = 17 * kGiB, .space = {.size = 86 * kGiB, .free = 61 * kGiB}, .bytes_a_day = 2 * kGiB};
  EXPECT_EQ(
      status_table(*taken, {"default", 4000, {}}),
      "sluice default   cluster (not yet known)   queue 0000-0000   epoch 1   "
      "2026-09-21T14:13:20Z\n"
      "fetcher  running (process 123)\n"
      "         Teleport read completely up to 2026-09-21T14:11:15Z (2m 5s ago), asked 5s ago\n"
      "shipper  not running\n"
      "\n"
      "LANE     fetched  acknowledged  backlog  dead  skipped  gap  oldest  last acknowledged\n"
      "audit         10             5        4     1        0    0     41m                  -\n"
      "session        0             0        0     0        0    0       -                  -\n"
      "unaccounted 0\n"
      "disk: 17.0 GiB of 43.0 GiB, 61.0 GiB free; full in 13d if nothing is acknowledged; replay "
      "reaches back to 2026-09-20T14:13:20Z\n"
      "duplicates: at most 4,000 a crash; 0 kept out before the queue\n"
      "DEAD   1 event, 1 reason (too large), oldest 20717d 14h: \"queuectl dead-letter list\"\n");
}

TEST_F(QueuectlTest, StatusShowsWhatTheShipperKnowsOfItsSink) {
  fill();
  auto taken = snapshot();
  ASSERT_TRUE(taken);
  EXPECT_TRUE(nlohmann::json::parse(status_json(*taken, {"default", 1, {}}))["sink"].is_null());
  taken->taken = {.seconds = 1'790'000'000};
  SinkReport& sink = taken->sink.emplace();
  sink.count = SinkReport::Count();
  EXPECT_THAT(status_table(*taken, {"default", 1, {}}),
              testing::HasSubstr("sink's own count (monitor_agent): not compared yet\n"));
  sink.certificates = {{"client", 1'790'000'000'000 + 5 * 86'400'000LL}, {"server", 1000}};
  sink.count = {.since_ms = 1'789'996'400'000,
                .acknowledged = 48'201,
                .counted = 48'101,
                .differs_by = -100,
                .problem = {}};
  sink.warnings = {"it fails"};
  EXPECT_THAT(status_table(*taken, {"default", 1, {}}),
              testing::HasSubstr(
                  "         sink's own count (monitor_agent): differs by -100 (48,101 counted, "
                  "48,201 acknowledged in 1h)\n"
                  "         certificates end: client in 5d, server EXPIRED\n"
                  "         ! it fails\n"));
  const auto json = nlohmann::json::parse(status_json(*taken, {"default", 1, {}}));
  EXPECT_EQ(json["sink"]["own_count"]["differs_by"], -100);
  EXPECT_EQ(json["sink"]["certificates_end_at"]["server"], "1970-01-01T00:00:01Z");
  sink.count->problem = "no answer";
  EXPECT_THAT(status_table(*taken, {"default", 1, {}}),
              testing::HasSubstr("cannot be compared: no answer\n"));
}

TEST_F(QueuectlTest, StatusJsonSaysTheNumbersToPrograms) {
  fill();
  const auto taken = snapshot();
  ASSERT_TRUE(taken);
  const auto json = nlohmann::json::parse(status_json(*taken, {"default", 4000, {}}));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["lanes"]["audit"]["fetched"], 10);
  EXPECT_EQ(json["lanes"]["audit"]["backlog"], 4);
  EXPECT_EQ(json["unaccounted"], 0);
  EXPECT_EQ(json["duplicates_bound"], 4000);
  EXPECT_EQ(json["lanes"]["audit"]["floor"], 1);
  EXPECT_GT(json["disk"]["used_bytes"], 0);
}

TEST_F(QueuectlTest, ReportTellsOpenFromAgreedDays) {
  fill();
  const auto open_day = snapshot();
  ASSERT_TRUE(open_day);
  EXPECT_NE(report_table(open_day->ledger, std::nullopt).find("open\n"), std::string::npos);
  Ledger ledger;
  LedgerRow& row = ledger[{20'000, Lane::kAudit}];
  row.queued = row.acknowledged = 2;
  for (const char* id : {"a", "b"}) {
    row.queued_ids.add_id(id);
    row.acknowledged_ids.add_id(id);
  }
  EXPECT_EQ(report_table(ledger, std::nullopt),
            "DAY         LANE   queued  acknowledged  dead  skipped  gap  open  filtered  "
            "duplicates    ids\n"
            "2024-10-04  audit       2             2     0        0    0     0         0  "
            "         0  agree\n");
  row.acknowledged_ids.add_id("c");
  EXPECT_NE(report_table(ledger, 20'000).find("DIFFER"), std::string::npos);
  EXPECT_EQ(report_table(ledger, 20'001).find("2024"), std::string::npos);
}

TEST(QueuectlRender, GivesEventsAsTheyAreStoredAndRejectsAsBase64) {
  RecordView record;
  record.id = "x";
  record.body = R"({"a":1.50})";
  EXPECT_NE(record_json(Lane::kAudit, {7, record}).find(R"("event":{"a":1.50}})"),
            std::string::npos);
  record.kind = RecordKind::kReject;
  record.body = "\xff\xfe";
  const auto json = nlohmann::json::parse(record_json(Lane::kAudit, {7, record}));
  EXPECT_EQ(json["raw"], "//4=");
  EXPECT_EQ(json["seq"], 7);
}

TEST(QueuectlRender, LetsNoEventCommandATerminal) {
  RecordView record;
  record.kind = RecordKind::kReject;
  record.id = "x\x1b]0;title\x07";
  record.type = "user.login\n1  ok";
  record.note =
      "cut\xc2\x9b"
      "31m";
  const StoredRecord stored{7, record};
  for (const std::string& text : {records_table({stored}), record_line(Lane::kAudit, stored)}) {
    EXPECT_NE(text.find("user.login?1  ok"), std::string::npos) << text;
    EXPECT_EQ(text.find_first_of("\x1b\x07\x9b"), std::string::npos) << text;
  }
  const ListedLetter listed{.letter = DeadLetter::of(Lane::kAudit, stored), .intervention = {}};
  EXPECT_EQ(letter_text(listed).find_first_of("\x1b\x07\x9b"), std::string::npos);
}

TEST(QueuectlRender, GroupsThousands) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(48'201'340), "48,201,340");
}

}  // namespace
}  // namespace sluice::queue
