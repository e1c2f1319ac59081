#include "queue/reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <thread>

#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/epoch_rows.h"
#include "queue/queue_schema.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

using namespace std::chrono_literals;

class ReaderTest : public QueueFixture {
 protected:
  // Writes to the stopped queue's database, as damage or another program would.
  void tamper(const std::function<void(Database*, rocksdb::WriteBatch*)>& change) {
    auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    ASSERT_TRUE(database);
    rocksdb::WriteBatch batch;
    change(database->get(), &batch);
    ASSERT_TRUE((*database)->write(&batch));
  }
};

TEST_F(ReaderTest, WaitsForAQueueThatIsNotThereYet) {
  const auto reader = Reader::open({paths_, paths_.root / "scratch"});
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(reader.error().message,
            "there is no queue at " + paths_.queue().string() + " yet: start sluice-fetcher");
}

TEST_F(ReaderTest, RefusesANewerFormat) {
  open_writer();
  {
    std::ofstream(paths_.queue() / "FORMAT") << "sluice-queue 3\n";
  }
  const auto reader = Reader::open({paths_, paths_.root / "scratch"});
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, ErrorKind::kFormat);
}

TEST_F(ReaderTest, ReadsWhatIsDurableWhileTheWriterRunsAndAfterItHasStopped) {
  auto writer = open_writer();
  const auto reader = open_reader();
  EXPECT_TRUE(read_ids(reader.get(), Lane::kAudit).empty());
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 2));
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit), (std::vector<std::string>{"e-1", "e-2"}));
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 1, "f"));
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit, 3), (std::vector<std::string>{"f-1"}));
  EXPECT_TRUE(read_ids(reader.get(), Lane::kSession).empty());
  writer.reset();
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit).size(), 3u);
  EXPECT_EQ(read_ids(open_reader().get(), Lane::kAudit).size(), 3u);
}

TEST_F(ReaderTest, KeepsToTheLimitsButReturnsOneRecordHoweverLarge) {
  const auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 10));
  const auto reader = open_reader();
  EXPECT_EQ(reader->read(Lane::kAudit, 1, {4, 1 << 20})->records().size(), 4u);
  EXPECT_EQ(reader->read(Lane::kAudit, 8, {4, 1 << 20})->records().size(), 3u);
  const std::size_t body_bytes = std::string_view(R"({"uid":"e-1"})").size();
  EXPECT_EQ(reader->read(Lane::kAudit, 1, {10, 2 * body_bytes})->records().size(), 2u);
  EXPECT_EQ(reader->read(Lane::kAudit, 1, {10, 1})->records().size(), 1u);
}

// What the writer's crash between write and publication leaves, and what a failed sync leaves.
// Each place goes on with a scan of its own, and none with that of another.
TEST_F(ReaderTest, ReadsOnFromSeveralPlacesAtOnce) {
  const auto writer = open_writer();
  const auto reader = open_reader();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 400, "old"));
  ASSERT_TRUE(append(writer.get(), Lane::kSession, 400, "session"));
  struct Place {
    Lane lane;
    Seq next;
    ReadLimits limits;
  };
  std::vector<Place> places = {{Lane::kAudit, 1, {.records_max = 7}},
                               {Lane::kAudit, 1, {.records_max = 5}},
                               {Lane::kSession, 1, {.records_max = 64}},
                               {Lane::kAudit, 200, {.records_max = 3, .bytes_max = 30}},
                               {Lane::kAudit, 390, {.records_max = 50}}};
  for (int i = 3; i <= 12; ++i) places.push_back({Lane::kAudit, Seq(i) * 30, {.records_max = 2}});
  for (int round = 0; round < 200; ++round) {
    if (round == 20) {
      ASSERT_TRUE(append(writer.get(), Lane::kAudit, 100, "new"));
    }
    for (auto& [lane, next, limits] : places) {
      const auto batch = reader->read(lane, next, limits);
      ASSERT_TRUE(batch) << error_of(batch);
      for (const StoredRecord& record : batch->records()) {
        ASSERT_EQ(record.seq, next);
        ASSERT_EQ(record.record.id, lane == Lane::kSession ? fmt::format("session-{}", next)
                                    : next <= 400          ? fmt::format("old-{}", next)
                                                           : fmt::format("new-{}", next - 400));
        ++next;
      }
    }
  }
  EXPECT_EQ(places[0].next, 501u);
  EXPECT_EQ(places[2].next, 401u);
  EXPECT_EQ(places[4].next, 501u);
}

TEST_F(ReaderTest, DoesNotReadBeyondTheDurableNumber) {
  {
    const auto writer = open_writer();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 2));
  }
  tamper([](Database* database, rocksdb::WriteBatch* batch) {
    std::string bytes;
    RecordView record;
    record.epoch = 1;
    record.id = "phantom";
    encode_record(Lane::kAudit, 3, record, &bytes);
    batch->Put(database->family("audit"), record_key(3), bytes);
  });
  EXPECT_EQ(read_ids(open_reader().get(), Lane::kAudit).size(), 2u);
}

TEST_F(ReaderTest, ReportsAHoleAndReturnsNothingBehindIt) {
  {
    const auto writer = open_writer();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 5));
  }
  tamper([](Database* database, rocksdb::WriteBatch* batch) {
    batch->Delete(database->family("audit"), record_key(3));
  });
  const auto reader = open_reader();
  EXPECT_EQ(reader->read(Lane::kAudit, 1, {})->records().size(), 2u);
  const auto hole = reader->read(Lane::kAudit, 3, {});
  ASSERT_FALSE(hole);
  EXPECT_EQ(hole.error().kind, ErrorKind::kHole);
  EXPECT_EQ(hole.error().message, "record 3 of lane audit is not there, but later ones are");
}

TEST_F(ReaderTest, ReportsAMissingTail) {
  {
    const auto writer = open_writer();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 5));
  }
  tamper([](Database* database, rocksdb::WriteBatch* batch) {
    batch->Delete(database->family("audit"), record_key(5));
  });
  const auto hole = open_reader()->read(Lane::kAudit, 5, {});
  ASSERT_FALSE(hole);
  EXPECT_EQ(hole.error().message, "record 5 of lane audit is not there, although it is durable");
}

TEST_F(ReaderTest, ReportsADamagedRecordAndReturnsThoseBefore) {
  {
    const auto writer = open_writer();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 5));
  }
  tamper([](Database* database, rocksdb::WriteBatch* batch) {
    batch->Put(database->family("audit"), record_key(4), "not a record");
  });
  const auto reader = open_reader();
  EXPECT_EQ(reader->read(Lane::kAudit, 1, {})->records().size(), 3u);
  const auto damaged = reader->read(Lane::kAudit, 4, {});
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().kind, ErrorKind::kCorrupt);
}

TEST_F(ReaderTest, DoesNotBelieveARecordOfAnEpochThatDoesNotOwnItsNumber) {
  {
    const auto writer = open_writer();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 2));
  }
  tamper([](Database* database, rocksdb::WriteBatch* batch) {
    std::string bytes;
    RecordView record;
    record.epoch = 77;
    record.id = "stale";
    encode_record(Lane::kAudit, 2, record, &bytes);
    batch->Put(database->family("audit"), record_key(2), bytes);
  });
  const auto stale = open_reader()->read(Lane::kAudit, 2, {});
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().kind, ErrorKind::kHole);
}

TEST_F(ReaderTest, SaysThatTheEpochHasChangedUntilItIsReopened) {
  auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 2));
  const auto reader = open_reader();
  EXPECT_EQ(reader->epoch().number, 1u);
  writer.reset();
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit).size(), 2u);
  writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 1, "f"));
  const auto changed = reader->read(Lane::kAudit, 1, {});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().kind, ErrorKind::kEpochChanged);
  EXPECT_EQ(reader->durable(Lane::kAudit).error().kind, ErrorKind::kEpochChanged);
  ASSERT_TRUE(reader->reopen());
  EXPECT_EQ(reader->epoch().number, 2u);
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit).size(), 3u);
  EXPECT_EQ(reader->view()->epochs.size(), 2u);
  EXPECT_EQ(reader->view()->epochs.back().first[Lane::kAudit], 3u);
}

// After a failed sync the reader may have the failed batch in its view; what it then returns must
// be what the next epoch has under those numbers.
TEST_F(ReaderTest, NeverReturnsABatchWhoseSyncFailed) {
  Faults faults;
  const auto env = make_faulty_env(&faults);
  env_ = env.get();
  auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 1, "good"));
  const auto reader = open_reader();
  ASSERT_EQ(read_ids(reader.get(), Lane::kAudit).size(), 1u);
  std::vector<std::string> expected{"good-1"};
  for (int round = 0; round < 5; ++round) {
    faults.fail_sync = true;
    EXPECT_FALSE(append(writer.get(), Lane::kAudit, 3, fmt::format("failed{}", round)));
    faults.fail_sync = false;
    const auto seen = reader->read(Lane::kAudit, expected.size() + 1, {});
    ASSERT_TRUE(seen) << error_of(seen);
    EXPECT_TRUE(seen->empty());
    writer.reset();
    writer = open_writer();
    if (writer->last(Lane::kAudit) > expected.size()) {
      for (int i = 1; i <= 3; ++i) expected.push_back(fmt::format("failed{}-{}", round, i));
    }
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 2, fmt::format("good{}", round)));
    for (int i = 1; i <= 2; ++i) expected.push_back(fmt::format("good{}-{}", round, i));
    ASSERT_TRUE(reader->reopen());
    EXPECT_EQ(read_ids(reader.get(), Lane::kAudit), expected);
  }
}

TEST_F(ReaderTest, WaitsForAFetcherThatDiedWhileOpening) {
  open_writer();
  auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
  ASSERT_TRUE(page);
  auto values = *decode_fetcher_page(*page->last());
  values.epoch.number += 1;
  page->publish(encode_page(values));
  const auto reader = Reader::open({paths_, paths_.root / "scratch"});
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, ErrorKind::kBusy);
}

TEST_F(ReaderTest, RefusesAPageOfAnotherQueue) {
  open_writer();
  auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
  ASSERT_TRUE(page);
  auto values = *decode_fetcher_page(*page->last());
  values.queue_id = Id128::random();
  page->publish(encode_page(values));
  const auto reader = Reader::open({paths_, paths_.root / "scratch"});
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, ErrorKind::kIdentity);
}

TEST_F(ReaderTest, RemovesItsScratchFolder) {
  open_writer();
  const auto scratch = paths_.root / "scratch";
  {
    const auto reader = Reader::open({paths_, scratch});
    ASSERT_TRUE(reader);
    EXPECT_TRUE(std::filesystem::exists(scratch));
  }
  EXPECT_FALSE(std::filesystem::exists(scratch));
}

TEST_F(ReaderTest, WakesWhenTheWriterPublishes) {
  const auto writer = open_writer();
  const auto reader = open_reader();
  const std::uint32_t seen = reader->doorbell();
  EXPECT_FALSE(reader->wait(seen, 1ms));
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 1));
  EXPECT_TRUE(reader->wait(seen, 1ms));
}

// Tails both lanes while the writer appends and is opened anew over and over, as kill -9 does, with
// reads from two threads.
TEST_F(ReaderTest, SeesEveryRecordOnceAndInOrderWhileTheWriterIsReopened) {
  constexpr Seq kRecords = 6'000;
  auto writer = open_writer();
  const auto reader = open_reader();
  std::atomic<bool> failed{false};
  const auto tail = [&](Lane lane) {
    for (Seq next = 1; next <= kRecords && !failed;) {
      const auto batch = reader->read(lane, next, {64, 1 << 20});
      if (!batch && batch.error().kind == ErrorKind::kEpochChanged) {
        if (const auto reopened = reader->reopen(); !reopened) {
          EXPECT_EQ(reopened.error().kind, ErrorKind::kBusy) << reopened.error().message;
        }
        continue;
      }
      EXPECT_TRUE(batch) << error_of(batch);
      if (!batch) {
        failed = true;
        break;
      }
      for (const StoredRecord& record : batch->records()) EXPECT_EQ(record.seq, next++);
    }
  };
  std::jthread audit([&] { tail(Lane::kAudit); });
  std::jthread session([&] { tail(Lane::kSession); });
  for (Seq written = 0; written < kRecords; written += 20) {
    if (written % 1'000 == 500) {
      writer.reset();
      writer = open_writer();
    }
    for (const Lane lane : kLanes) {
      if (!append(writer.get(), lane, 20)) failed = true;
    }
  }
  audit.join();
  session.join();
  EXPECT_FALSE(failed);
}

TEST(EpochIndex, GivesEachNumberToTheNewestEpochThatBeginsAtOrBeforeIt) {
  const auto row = [](std::uint64_t number, Seq first) {
    EpochRow made;
    made.epoch.number = number;
    made.first[Lane::kAudit] = first;
    return made;
  };
  // Epoch 3 began at 901; then the queue lost everything from 801 on, and epoch 4 began there.
  const EpochIndex index({row(1, 1), row(2, 501), row(3, 901), row(4, 801), row(5, 801)},
                         Lane::kAudit);
  EXPECT_EQ(index.epoch_of(0), std::nullopt);
  EXPECT_EQ(index.epoch_of(1), 1u);
  EXPECT_EQ(index.epoch_of(500), 1u);
  EXPECT_EQ(index.epoch_of(501), 2u);
  EXPECT_EQ(index.epoch_of(800), 2u);
  EXPECT_EQ(index.epoch_of(801), 5u);
  EXPECT_EQ(index.epoch_of(1'000), 5u);
}

}  // namespace
}  // namespace sluice::queue
