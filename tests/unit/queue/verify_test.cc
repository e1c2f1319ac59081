#include "queue/verify.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <thread>

#include "queue/delivery_schema.h"
#include "queue/ledger_store.h"
#include "queue/repair.h"
#include "tests/unit/queue/damage.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

class VerifyTest : public QueueFixture {
 protected:
  static constexpr int kBatches = 40;
  static constexpr int kPerBatch = 100;
  static constexpr Seq kRecords = Seq{kBatches} * kPerBatch;

  void fill() {
    const auto writer = open_writer();
    for (int i = 0; i < kBatches; ++i) {
      ASSERT_TRUE(append(writer.get(), Lane::kAudit, kPerBatch, fmt::format("batch-{}", i)));
    }
    ASSERT_TRUE(append(writer.get(), Lane::kSession, 7));
  }
  void deliver(Seq up_to) {
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_TRUE(store->reconcile(*reader->view()));
    ReadLimits limits;
    limits.records_max = up_to;
    const auto batch = reader->read(Lane::kAudit, 1, limits);
    ASSERT_TRUE(batch);
    Completion completion(Lane::kAudit);
    for (const StoredRecord& record : batch->records()) completion.acknowledge(record);
    ASSERT_TRUE(store->commit(completion));
  }
  std::uint64_t next_version_ = 1'000'000;
};

TEST_F(VerifyTest, AWholeQueueIsCleanStoppedAndRunning) {
  fill();
  deliver(300);
  for (const bool is_running : {false, true}) {
    SCOPED_TRACE(is_running);
    const auto writer = is_running ? open_writer() : nullptr;
    const auto store = is_running ? open_store() : nullptr;
    const VerifyReport report = checked();
    EXPECT_TRUE(report.is_clean()) << first_problem(report);
    EXPECT_TRUE(report.records_checked);
    EXPECT_TRUE(report.delivery_found);
    EXPECT_EQ(report.lanes[Lane::kAudit].records, kRecords);
    EXPECT_EQ(report.lanes[Lane::kSession].records, 7U);
  }
}

TEST_F(VerifyTest, AQueueThatIsWrittenAndOpenedAnewMeanwhileIsClean) {
  fill();
  std::atomic<int> opened{0};
  std::jthread writing([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto writer = open_writer();
      ++opened;
      for (int i = 0; i < 20 && !stop.stop_requested(); ++i) {
        EXPECT_TRUE(append(writer.get(), Lane::kAudit, 50, fmt::format("live-{}-{}", opened, i)));
      }
    }
  });
  while (opened < 2) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) {
    const VerifyReport report = checked();
    EXPECT_TRUE(report.is_clean()) << first_problem(report);
    EXPECT_GE(report.lanes[Lane::kAudit].records, kRecords);
  }
}

TEST_F(VerifyTest, AFlippedByteInATableIsNamedByItsNumbersAndTheRestIsRead) {
  fill();
  flush_queue(paths_.queue_db());
  const auto table = table_of(paths_.queue_db(), "audit");
  flip(table, std::filesystem::file_size(table) / 3);
  flip(table, std::filesystem::file_size(table) * 2 / 3);
  const VerifyReport report = checked();
  EXPECT_EQ(report.range_count, 2U);
  ASSERT_EQ(report.ranges.size(), 2U);
  const LaneCheck& audit = report.lanes[Lane::kAudit];
  EXPECT_GT(audit.damaged, 0U);
  EXPECT_EQ(audit.records + audit.damaged, kRecords);
  EXPECT_EQ(report.ranges[0].numbers.count() + report.ranges[1].numbers.count(), audit.damaged);
}

// A secondary cannot open such a table, and shows the state from before it as if that were all.
TEST_F(VerifyTest, ATableThatCannotEvenBeOpenedIsDamage) {
  fill();
  flush_queue(paths_.queue_db());
  for (const char* family : {"history", "ledger", "audit"}) {
    const auto table = table_of(paths_.queue_db(), family);
    const auto last = std::filesystem::file_size(table) - 1;
    flip(table, last);
    EXPECT_FALSE(checked().is_clean()) << family;
    flip(table, last);
    EXPECT_TRUE(checked().is_clean()) << family;
  }
}

TEST_F(VerifyTest, ADeletedRecordIsDamage) {
  fill();
  {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    rocksdb::WriteBatch batch;
    batch.Delete((*database)->family("audit"), record_key(1234));
    ASSERT_TRUE((*database)->write(&batch));
  }
  const VerifyReport report = checked();
  ASSERT_EQ(report.ranges.size(), 1U);
  EXPECT_EQ(report.ranges[0].numbers, (SeqRange{1234, 1234}));
  EXPECT_EQ(report.lanes[Lane::kAudit].records, kRecords - 1);
}

TEST_F(VerifyTest, AnEventThatIsNoJsonObjectIsDamage) {
  {
    const auto writer = open_writer();
    for (const char* body : {R"({"a":123456789012345678901234567890})", R"({"a":[1,{"b":null}]})",
                             R"({"a":1)", R"([1])", "\"x\"", "{\"a\":\"\xff\"}", ""}) {
      Append batch;
      RecordView record;
      record.id = body[0] == '\0' ? "empty" : body;
      record.body = body;
      batch.add(Lane::kAudit, record);
      ASSERT_TRUE(writer->append(batch));
    }
  }
  const VerifyReport report = checked();
  EXPECT_EQ(report.lanes[Lane::kAudit].records, 2U);
  ASSERT_EQ(report.ranges.size(), 1U);
  EXPECT_EQ(report.ranges[0].numbers, (SeqRange{3, 7}));
}

TEST_F(VerifyTest, ALedgerThatCountsOtherEventsIsDamage) {
  fill();
  {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    auto ledger = LedgerStore::load(**database);
    ASSERT_TRUE(ledger);
    Ledger delta;
    delta[{day_of({1'700'000'000, 0}), Lane::kAudit}].queued_ids.add_id("invented");
    rocksdb::WriteBatch batch;
    ledger->add(**database, delta, ledger->newest_version() + 1, &batch);
    ASSERT_TRUE((*database)->write(&batch));
  }
  const VerifyReport report = checked();
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_NE(report.problems[0].find("the ledger of lane audit"), std::string::npos);
}

TEST_F(VerifyTest, DamageInALogOrTheManifestIsFound) {
  for (const char* kind : {".log", "MANIFEST-", "CURRENT"}) {
    SCOPED_TRACE(kind);
    std::filesystem::remove_all(paths_.root);
    std::filesystem::create_directories(paths_.root);
    fill();
    auto files = files_like(paths_.queue_db(), kind);
    std::erase_if(files, [](const auto& file) { return std::filesystem::file_size(file) < 4; });
    ASSERT_FALSE(files.empty());
    flip(files.back(),
         std::min<std::uintmax_t>(std::filesystem::file_size(files.back()) / 2, 100'000));
    EXPECT_FALSE(checked().is_clean());
  }
}

TEST_F(VerifyTest, DamageInTheDeliveryStoreIsFound) {
  fill();
  deliver(300);
  const auto logs = files_like(paths_.delivery_db(), ".log");
  ASSERT_FALSE(logs.empty());
  flip(logs.back(), 40);
  const VerifyReport report = checked();
  EXPECT_FALSE(report.is_clean());
  EXPECT_TRUE(report.records_checked);
}

TEST_F(VerifyTest, DamageInTheReplayJobsIsFound) {
  fill();
  deliver(300);
  {
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_TRUE(store->reconcile(*reader->view()));
    ReplaySpec spec;
    spec.numbers = {10, 20};
    spec.actor = {0, "", "a test"};
    ASSERT_TRUE(store->start_replay(spec, false));
  }
  EXPECT_TRUE(checked().is_clean()) << first_problem(checked());
  const auto add_progress = [&](const std::string& value) {
    const auto database =
        Database::open_primary(paths_.delivery_db(), delivery_families(), nullptr);
    rocksdb::WriteBatch batch;
    std::string key;
    put_big(&key, std::uint64_t{1});
    put_big(&key, next_version_++);
    batch.Put((*database)->family(kJobsFamily), key, value);
    ASSERT_TRUE((*database)->write(&batch));
  };
  ReplayProgress progress;
  progress.position = 21;
  progress.last = 20;
  add_progress(encode_replay_progress(progress));
  EXPECT_NE(first_problem(checked()).find("is at 21, which is not in it"), std::string::npos);
  progress.position = 12;
  progress.completed = {{15, 16}, {16, 17}};
  add_progress(encode_replay_progress(progress));
  EXPECT_NE(first_problem(checked()).find("do not follow each other"), std::string::npos);
  add_progress("nonsense");
  EXPECT_FALSE(checked().is_clean());
  {
    const auto database =
        Database::open_primary(paths_.delivery_db(), delivery_families(), nullptr);
    rocksdb::WriteBatch batch;
    std::string key;
    put_big(&key, std::uint64_t{1});
    put_big(&key, next_version_ - 1);
    batch.Delete((*database)->family(kJobsFamily), key);
    key.clear();
    put_big(&key, std::uint64_t{1});
    put_big(&key, std::uint64_t{0});
    batch.Delete((*database)->family(kJobsFamily), key);
    ASSERT_TRUE((*database)->write(&batch));
  }
  EXPECT_NE(first_problem(checked()).find("one half of a replay job"), std::string::npos);
}

TEST_F(VerifyTest, AQueueWithoutItsPageIsCleanAndChecked) {
  fill();
  deliver(300);
  for (const bool is_torn : {true, false}) {
    SCOPED_TRACE(is_torn);
    if (is_torn) {
      flip(paths_.fetcher_page(), 0, 8);
    } else {
      std::filesystem::remove(paths_.fetcher_page());
    }
    const VerifyReport report = checked();
    EXPECT_TRUE(report.is_clean()) << first_problem(report);
    EXPECT_EQ(report.lanes[Lane::kAudit].records, kRecords);
    EXPECT_EQ(report.notes.size(), 1U);
  }
}

TEST_F(VerifyTest, AMissingQueueIsSaid) {
  VerifyOptions options;
  options.paths = paths_;
  options.scratch = paths_.root / "scratch";
  const auto report = verify(options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace sluice::queue
