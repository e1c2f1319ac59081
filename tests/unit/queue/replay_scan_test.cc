// What a replay's answer says of numbers that are trimmed already.
#include "queue/queuectl/replay_scan.h"

#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include "common/time.h"
#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/history.h"
#include "queue/queue_schema.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

constexpr int kRecords = 100;
constexpr Seq kFloor = 61;

class ReplayScanTest : public QueueFixture {
 protected:
  // Everything is delivered, and the numbers below kFloor are trimmed.
  void SetUp() override {
    {
      const auto writer = open_writer();
      ASSERT_TRUE(append(writer.get(), Lane::kAudit, kRecords));
      const auto reader = open_reader();
      const auto store = open_store();
      ASSERT_TRUE(store->reconcile(*reader->view()));
      const auto batch = reader->read(Lane::kAudit, 1, {kRecords, 1U << 20});
      ASSERT_TRUE(batch) << error_of(batch);
      Completion completion(Lane::kAudit);
      for (const StoredRecord& record : batch->records()) completion.acknowledge(record);
      ASSERT_TRUE(store->commit(completion));
    }
    change([](Database& database, rocksdb::WriteBatch* batch) {
      const std::unique_ptr<rocksdb::Iterator> it(
          database.db().NewIterator({}, database.family(kHistoryFamily)));
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        batch->Delete(database.family(kHistoryFamily), it->key());
      }
      batch->Put(floor_key(1'000), encode_lane_numbers({kFloor, 1}));
    });
    const auto payload = PageReader(paths_.fetcher_page(), PageRole::kFetcher).read();
    auto values = decode_fetcher_page(payload.value());
    ASSERT_TRUE(values);
    values->floor = {kFloor, 1};
    auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
    page->publish(encode_page(*values));
  }

  void change(const std::function<void(Database&, rocksdb::WriteBatch*)>& fill) {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    ASSERT_TRUE(database) << error_of(database);
    rocksdb::WriteBatch batch;
    fill(**database, &batch);
    ASSERT_TRUE((*database)->write(&batch));
  }

  // The audit lane was written up to `durable` so many seconds before the time that is asked for.
  void add_history(std::int64_t seconds_before, Seq durable) {
    change([&](Database& database, rocksdb::WriteBatch* batch) {
      HistoryRow row;
      row.time_ms = (asked_seconds_ - seconds_before) * 1000;
      row.durable[Lane::kAudit] = durable;
      put_history_row(database, row, batch);
    });
  }

  TrimmedCount trimmed() {
    Access access(paths_);
    ReplayQuestion question;
    question.filter.from_time = Timestamp{asked_seconds_, 0};
    const auto scan = scan_for_replay(&access, question, {});
    EXPECT_TRUE(scan) << error_of(scan);
    return scan ? scan->trimmed : TrimmedCount{};
  }

  // Later than the queue was opened, so that its epoch is older than all rows.
  const std::int64_t asked_seconds_ = system_clock().now().seconds + 36'000;
};

TEST_F(ReplayScanTest, WithoutAHistoryAllTrimmedNumbersMayBeMeant) {
  const TrimmedCount count = trimmed();
  EXPECT_EQ(count.count, kFloor - 1);
  EXPECT_FALSE(count.is_exact);
}

TEST_F(ReplayScanTest, NumbersThatWereWrittenBeforeTheTimeAreNotMeant) {
  add_history(3600, 40);
  const TrimmedCount count = trimmed();
  EXPECT_EQ(count.count, kFloor - 1 - 40);
  EXPECT_FALSE(count.is_exact);
  EXPECT_NE(count.known_from.find("up to 40"), std::string::npos) << count.known_from;
}

TEST_F(ReplayScanTest, NothingIsMissingWhenAllTrimmedNumbersAreOlder) {
  add_history(3600, 80);
  const TrimmedCount count = trimmed();
  EXPECT_EQ(count.count, 0U);
  EXPECT_TRUE(count.is_exact);
}

TEST_F(ReplayScanTest, ARowThatIsTooNearForTheClocksOfHostsIsNotUsed) {
  add_history(3600, 20);
  add_history(60, 50);
  EXPECT_EQ(trimmed().count, kFloor - 1 - 20);
}

TEST_F(ReplayScanTest, NumbersThatWereLostAndGivenAnewMayBeMeant) {
  add_history(3600, 50);
  add_history(60, 10);
  EXPECT_EQ(trimmed().count, kFloor - 1 - 10);
}

}  // namespace
}  // namespace sluice::queue
