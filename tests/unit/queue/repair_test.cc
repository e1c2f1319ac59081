#include "queue/repair.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "queue/control_page.h"
#include "queue/delivery_schema.h"
#include "queue/history.h"
#include "queue/journal.h"
#include "queue/verify.h"
#include "tests/unit/queue/damage.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

constexpr int kBatches = 60;
constexpr int kPerBatch = 50;
constexpr Seq kRecords = Seq{kBatches} * kPerBatch;

class RepairTest : public QueueFixture {
 protected:
  // Half of the records in tables, half in the log; the state says which batch was the last.
  void fill() {
    for (const int half : {0, 1}) {
      {
        const auto writer = open_writer();
        for (int i = 0; i < kBatches / 2; ++i) write_batch(writer.get(), half * kBatches / 2 + i);
      }
      if (half == 0) flush_queue(paths_.queue_db());
    }
  }

  static void write_batch(Writer* writer, int number) {
    std::vector<std::string> texts;
    texts.reserve(kPerBatch * 2);
    Append batch;
    for (int i = 0; i < kPerBatch; ++i) {
      const std::string& id = texts.emplace_back(fmt::format("e-{}", number * kPerBatch + i + 1));
      RecordView record;
      record.id = id;
      record.time = {1'700'000'000, 0};
      record.body = texts.emplace_back(fmt::format(R"({{"uid":"{}","pad":"{:0100}"}})", id, i));
      batch.add(Lane::kAudit, record);
      batch.mark_seen(1, record.time, id);
    }
    batch.put_state("cursor", fmt::format("{}", number));
    batch.put_state("start-time", "2023-11-14T00:00:00Z");
    ASSERT_TRUE(writer->append(batch));
  }

  RepairOptions options() const {
    RepairOptions options;
    options.paths = paths_;
    options.machine = machine_;
    options.reason = "a test";
    return options;
  }
  RepairReport repaired() const {
    auto report = repair_queue(options());
    EXPECT_EQ(error_of(report), "");
    return report ? std::move(*report) : RepairReport{};
  }

  // Every number has its event or is a gap; the Writer opens it and goes on; verify is content.
  void expect_sound(const RepairReport& report) {
    const LaneRepair& audit = report.lanes[Lane::kAudit];
    EXPECT_EQ(audit.kept + audit.lost, audit.last);
    const auto writer = open_writer();
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(writer->last(Lane::kAudit), audit.last);
    const auto reader = open_reader();
    Seq gaps = 0;
    for (Seq next = 1; next <= audit.last;) {
      const auto batch = reader->read(Lane::kAudit, next, {});
      ASSERT_TRUE(batch) << error_of(batch);
      ASSERT_FALSE(batch->empty());
      for (const StoredRecord& record : batch->records()) {
        if (record.record.kind == RecordKind::kGap) {
          ++gaps;
          EXPECT_NE(record.record.note.find("queuectl repair"), std::string_view::npos);
        } else {
          EXPECT_EQ(record.record.id, fmt::format("e-{}", record.seq));
        }
        next = record.seq + 1;
      }
    }
    EXPECT_EQ(gaps, audit.lost);
    // Nothing that the cursor says to be fetched is missing without a gap.
    const auto cursor = writer->state("cursor");
    ASSERT_TRUE(cursor);
    if (*cursor) {
      EXPECT_GE(audit.last, Seq{kPerBatch} * (std::stoul(**cursor) + 1));
    }
    expect_clean();
  }

  std::set<std::string> names_in_queue() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(paths_.queue())) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }
};

// As it is when the end of the log with the row of the last trim is lost.
TEST_F(RepairTest, WhatThePageSaysIsTrimmedAndIsNotThereIsNoGap) {
  fill();
  {
    const auto database =
        Database::open_primary(paths_.queue_db(), queue_families(), nullptr).value();
    rocksdb::WriteBatch batch;
    auto* family = database->family("audit");
    batch.DeleteRange(family, record_key(1), record_key(21));
    ASSERT_TRUE(database->write(&batch));
    ASSERT_TRUE(database->db().CompactRange({}, family, nullptr, nullptr).ok());
  }
  auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher).value();
  FetcherPage values = decode_fetcher_page(page.last().value()).value();
  values.floor[Lane::kAudit] = 31;  // of which ten numbers are still there
  page.publish(encode_page(values));
  const RepairReport report = repaired();
  EXPECT_EQ(report.lanes[Lane::kAudit].lost, 0U);
  EXPECT_EQ(report.lanes[Lane::kAudit].kept, kRecords - 20);
  const auto writer = open_writer();
  EXPECT_EQ(writer->floor(Lane::kAudit), 21U);
  EXPECT_EQ(writer->last(Lane::kAudit), kRecords);
}

TEST_F(RepairTest, AWholeQueueStaysTheSame) {
  fill();
  const Id128 id = open_writer()->queue_id();
  const RepairReport report = repaired();
  EXPECT_EQ(report.lanes[Lane::kAudit].kept, kRecords);
  EXPECT_EQ(report.lanes[Lane::kAudit].lost, 0U);
  EXPECT_TRUE(std::filesystem::exists(report.aside / "CURRENT"));
  expect_sound(report);
  const auto writer = open_writer();
  EXPECT_EQ(writer->queue_id(), id);
  EXPECT_EQ(writer->state("cursor").value(), fmt::format("{}", kBatches - 1));
  EXPECT_EQ(writer->report().epoch.number,
            5U);  // 2 to fill, 1 for the id, 1 in between, and this one
  EXPECT_TRUE(writer->has_seen(1, {1'700'000'000, 0}, "e-1").value());
  EXPECT_TRUE(writer->has_seen(1, {1'700'000'000, 0}, fmt::format("e-{}", kRecords)).value());
}

TEST_F(RepairTest, DamageOfEveryKindOfFileLosesLittleAndNothingInSilence) {
  struct Case {
    const char* name;
    std::uint64_t lost_max;
    std::function<void(const std::filesystem::path& db)> damage;
  };
  const auto table = [](const std::filesystem::path& db, double where, std::size_t bytes) {
    const auto path = table_of(db, "audit");
    flip(path,
         static_cast<std::uintmax_t>(static_cast<double>(std::filesystem::file_size(path)) * where),
         bytes);
  };
  const auto largest_log = [](const std::filesystem::path& db) {
    const auto logs = files_like(db, ".log");
    return *std::max_element(logs.begin(), logs.end(), [](const auto& a, const auto& b) {
      return std::filesystem::file_size(a) < std::filesystem::file_size(b);
    });
  };
  const std::vector<Case> cases = {
      {"a byte in the middle of a table", 500, [&](const auto& db) { table(db, 0.5, 1); }},
      {"the first block of a table", 500, [&](const auto& db) { table(db, 0.01, 1); }},
      {"several blocks of a table", 1500, [&](const auto& db) { table(db, 0.4, 20'000); }},
      {"a table is missing", kRecords / 2 + 100,
       [&](const auto& db) { std::filesystem::remove(table_of(db, "audit")); }},
      {"a table is cut", kRecords / 2 + 100,
       [&](const auto& db) {
         const auto path = table_of(db, "audit");
         std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
       }},
      {"a byte in the middle of a log", 400,
       [&](const auto& db) {
         const auto path = largest_log(db);
         flip(path, std::filesystem::file_size(path) / 4);
       }},
      {"a log is cut", 0,
       [&](const auto& db) {
         const auto path = largest_log(db);
         std::filesystem::resize_file(path, std::filesystem::file_size(path) / 3);
       }},
      {"CURRENT is missing", 0, [&](const auto& db) { std::filesystem::remove(db / "CURRENT"); }},
      {"CURRENT is damaged", 0, [&](const auto& db) { flip(db / "CURRENT", 3); }},
      {"MANIFEST is damaged", 0,
       [&](const auto& db) { flip(files_like(db, "MANIFEST-").back(), 60, 20); }},
      {"MANIFEST is missing", 0,
       [&](const auto& db) {
         for (const auto& file : files_like(db, "MANIFEST-")) std::filesystem::remove(file);
       }},
      {"OPTIONS and IDENTITY are missing", 0,
       [&](const auto& db) {
         for (const auto& file : files_like(db, "OPTIONS-")) std::filesystem::remove(file);
         std::filesystem::remove(db / "IDENTITY");
       }},
      {"the table of the state is damaged", 0,
       [&](const auto& db) { flip(table_of(db, "default"), 10); }},
      {"the table of the state is missing", 0,
       [&](const auto& db) { std::filesystem::remove(table_of(db, "default")); }},
      {"the table of the epochs is damaged", 0,
       [&](const auto& db) { flip(table_of(db, "epochs"), 10); }},
      {"the table of the ledger is damaged", 0,
       [&](const auto& db) { flip(table_of(db, "ledger"), 10); }},
      {"the table of the ids is damaged", 0,
       [&](const auto& db) { flip(table_of(db, "seen"), 10); }},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    std::filesystem::remove_all(paths_.root);
    std::filesystem::create_directories(paths_.root);
    fill();
    // table_of() opens the database; the log of the second half must still be one.
    one.damage(paths_.queue_db());
    if (HasFatalFailure()) return;
    const RepairReport report = repaired();
    EXPECT_LE(report.lanes[Lane::kAudit].lost, one.lost_max);
    expect_sound(report);
  }
}

// RocksDB writes into the MANIFEST which logs there must be, once one is closed and still needed.
TEST_F(RepairTest, LogsThatTheManifestListsAreReadInTheirOrder) {
  fill();
  {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    for (const char* value : {"1", "2", "3"}) {
      rocksdb::WriteBatch batch;
      batch.Put("state/extra", value);
      HistoryRow row;
      row.time_ms = value[0];
      put_history_row(**database, row, &batch);
      ASSERT_TRUE((*database)->write(&batch));
      ASSERT_TRUE((*database)
                      ->db()
                      .Flush(rocksdb::FlushOptions(), (*database)->family(kHistoryFamily))
                      .ok());
    }
  }
  ASSERT_GT(files_like(paths_.queue_db(), ".log").size(), 1U);
  const RepairReport report = repaired();
  EXPECT_EQ(report.lanes[Lane::kAudit].kept, kRecords);
  EXPECT_EQ(open_writer()->state("extra").value(), "3");
  EXPECT_EQ(open_writer()->state("cursor").value(), fmt::format("{}", kBatches - 1));
}

// A batch may be the only one that says that a recording is to be fetched: state that is newer than
// a lost batch would leave it out for ever, without a gap.
TEST_F(RepairTest, StateIsNotTakenFromBehindALostPartOfTheLog) {
  fill();
  std::uintmax_t before = 0;
  std::uintmax_t after = 0;
  const auto log = [&] { return files_like(paths_.queue_db(), ".log").back(); };
  {
    const auto writer = open_writer();
    Append known;
    known.put_state("recording/a", "0");
    ASSERT_TRUE(writer->append(known));
    write_batch(writer.get(), kBatches);
    before = std::filesystem::file_size(log());
    Append lost;
    lost.put_state("recording/b", std::string(100, 'x'));
    lost.erase_state("recording/a");
    ASSERT_TRUE(writer->append(lost));
    after = std::filesystem::file_size(log());
    for (int i = 1; i <= 20; ++i) write_batch(writer.get(), kBatches + i);
  }
  flip(log(), (before + after) / 2);
  const RepairReport report = repaired();
  EXPECT_EQ(report.lanes[Lane::kAudit].last, kRecords + Seq{21} * kPerBatch);
  const auto writer = open_writer();
  EXPECT_EQ(writer->state("cursor").value(), fmt::format("{}", kBatches));
  EXPECT_EQ(writer->state("recording/a").value(), "0");
  EXPECT_EQ(writer->state("recording/b").value(), std::nullopt);
}

// Else the fetcher would begin at the present.
TEST_F(RepairTest, AQueueThatLostItsStartTimeBeginsWhereItsFirstEpochDid) {
  {
    const auto writer = open_writer();
    for (int i = 0; i < kBatches; ++i) write_batch(writer.get(), i);
  }
  const auto log = files_like(paths_.queue_db(), ".log").back();
  flip(log, 100);
  repaired();
  EXPECT_NE(open_writer()->state("start-time").value(), std::nullopt);
}

TEST_F(RepairTest, StateThatIsNewerThanTheRecordsGivesGapsUpToWhatItCovers) {
  fill();
  {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    for (const auto& family : queue_families()) {
      ASSERT_TRUE(
          (*database)->db().Flush(rocksdb::FlushOptions(), (*database)->family(family.name)).ok());
    }
  }
  const auto tables = files_like(paths_.queue_db(), ".sst");
  // The newest records are in a table of their own; the state that covers them is elsewhere.
  std::vector<std::filesystem::path> audit;
  {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    std::vector<rocksdb::LiveFileMetaData> files;
    (*database)->db().GetLiveFilesMetaData(&files);
    for (const auto& file : files) {
      if (file.column_family_name == "audit") audit.emplace_back(file.db_path + file.name);
    }
  }
  std::sort(audit.begin(), audit.end());
  ASSERT_EQ(audit.size(), 2U);
  std::filesystem::remove(audit.back());
  const RepairReport report = repaired();
  EXPECT_EQ(report.lanes[Lane::kAudit].last, kRecords);
  EXPECT_EQ(report.lanes[Lane::kAudit].lost, kRecords / 2);
  expect_sound(report);
}

TEST_F(RepairTest, AMissingTableOfTheStateMakesTheFetcherBeginAgain) {
  fill();
  std::filesystem::remove(table_of(paths_.queue_db(), "default"));
  const RepairReport report = repaired();
  EXPECT_EQ(report.lanes[Lane::kAudit].kept, kRecords);
  const auto writer = open_writer();
  EXPECT_EQ(writer->state("cursor").value(), std::nullopt);
  EXPECT_TRUE(writer->state("start-time").value());
  EXPECT_FALSE(writer->has_seen(1, {1'700'000'000, 0}, "e-1").value());
}

TEST_F(RepairTest, ACutOrMissingTableOfALaneLeavesTheStateAsItIs) {
  fill();
  auto path = table_of(paths_.queue_db(), "audit");
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  repaired();
  std::filesystem::remove(table_of(paths_.queue_db(), "audit"));
  repaired();
  const auto writer = open_writer();
  EXPECT_EQ(writer->state("cursor").value(), fmt::format("{}", kBatches - 1));
  EXPECT_TRUE(writer->has_seen(1, {1'700'000'000, 0}, "e-1").value());
}

TEST_F(RepairTest, AStopAtAnyStepLeavesTheOldQueueOrTheNewOne) {
  fill();
  const auto at_steps = std::vector<std::string_view>{"salvage",  "new database", "rows",    "mark",
                                                      "exchange", "aside",        "clean up"};
  for (const std::string_view stop_at : at_steps) {
    SCOPED_TRACE(stop_at);
    RepairOptions stopped = options();
    stopped.step = [&](std::string_view step) -> Result<void> {
      if (step == stop_at) return fail(ErrorKind::kStopped, "stopped");
      return {};
    };
    const auto result = repair_queue(stopped);
    ASSERT_FALSE(result);
    ASSERT_EQ(result.error().kind, ErrorKind::kStopped) << error_of(result);
    const auto writer = open_writer();
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(writer->last(Lane::kAudit), kRecords);
    EXPECT_EQ(writer->state("cursor").value(), fmt::format("{}", kBatches - 1));
    const auto reader = open_reader();
    EXPECT_EQ(read_ids(reader.get(), Lane::kAudit).size(), kRecords);
  }
  const RepairReport finished = repaired();
  EXPECT_TRUE(finished.was_finished);
  EXPECT_FALSE(std::filesystem::exists(paths_.queue_repair()));
  EXPECT_FALSE(std::filesystem::exists(paths_.queue_db() / kRepairedMark));
  const RepairReport again = repaired();
  EXPECT_FALSE(again.was_finished);
  EXPECT_EQ(again.lanes[Lane::kAudit].kept, kRecords);
  expect_sound(again);
}

TEST_F(RepairTest, WithoutADatabaseBesideAnUnfinishedRepairNothingNewIsBegun) {
  fill();
  std::filesystem::create_directories(paths_.queue_repair());
  std::filesystem::rename(paths_.queue_db(), paths_.queue_repair() / "old");
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_NE(writer.error().message.find("queuectl repair"), std::string::npos);
}

TEST_F(RepairTest, ADryRunChangesNothing) {
  fill();
  flip(table_of(paths_.queue_db(), "audit"), 20'000);
  const auto before = names_in_queue();
  RepairOptions dry = options();
  dry.dry_run = true;
  const auto report = repair_queue(dry);
  ASSERT_TRUE(report) << error_of(report);
  EXPECT_GT(report->lanes[Lane::kAudit].lost, 0U);
  EXPECT_EQ(report->lanes[Lane::kAudit].kept + report->lanes[Lane::kAudit].lost, kRecords);
  EXPECT_TRUE(report->aside.empty());
  EXPECT_EQ(names_in_queue(), before);
}

TEST_F(RepairTest, ARunningDaemonKeepsItAway) {
  const auto writer = open_writer();
  const auto refused = repair_queue(options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kBusy);
}

TEST_F(RepairTest, TheShipperGoesOnAndPassesTheGaps) {
  fill();
  {
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_TRUE(store->reconcile(*reader->view()));
  }
  flip(table_of(paths_.queue_db(), "audit"), 20'000);
  const RepairReport report = repaired();
  ASSERT_GT(report.lanes[Lane::kAudit].lost, 0U);
  const auto writer = open_writer();
  const auto reader = open_reader();
  const auto store = open_store();
  ASSERT_TRUE(store->reconcile(*reader->view()));
  for (Seq next = 1; next <= report.lanes[Lane::kAudit].last;) {
    const auto batch = reader->read(Lane::kAudit, next, {});
    ASSERT_TRUE(batch) << error_of(batch);
    Completion completion(Lane::kAudit);
    for (const StoredRecord& record : batch->records()) {
      record.record.kind == RecordKind::kGap ? completion.pass_gap(record)
                                             : completion.acknowledge(record);
    }
    ASSERT_TRUE(store->commit(completion));
    next = batch->records().back().seq + 1;
  }
  const LaneProgress at = store->progress(Lane::kAudit);
  EXPECT_EQ(at.position, kRecords);
  EXPECT_EQ(at.gap, report.lanes[Lane::kAudit].lost);
  EXPECT_EQ(at.acknowledged + at.gap, kRecords);
}

}  // namespace
}  // namespace sluice::queue
