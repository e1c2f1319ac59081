#include "queue/adopt.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include "queue/delivery_schema.h"
#include "queue/format_file.h"
#include "queue/job_rows.h"
#include "queue/queue_schema.h"
#include "queue/verify.h"
#include "tests/unit/queue/damage.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

namespace fs = std::filesystem;

constexpr int kRecords = 100;

class AdoptTest : public QueueFixture {
 protected:
  // A queue of 100 events in the audit lane of which the first `delivered` are acknowledged, in
  // commits of 10, and which knows its store.
  void fill(Seq delivered) {
    const auto writer = open_writer();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, kRecords));
    ASSERT_TRUE(append(writer.get(), Lane::kSession, 5));
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_TRUE(store->reconcile(*reader->view()));
    for (Seq next = 1; next <= delivered; next += 10) deliver(reader.get(), store.get(), next);
    ASSERT_TRUE(writer->note_delivery_store());
  }
  static void deliver(Reader* reader, DeliveryStore* store, Seq first) {
    const auto batch = reader->read(Lane::kAudit, first, {10, 1U << 20});
    ASSERT_TRUE(batch) << error_of(batch);
    Completion completion(Lane::kAudit);
    for (const StoredRecord& record : batch->records()) completion.acknowledge(record);
    ASSERT_TRUE(store->commit(completion));
  }

  AdoptOptions options(AdoptFrom::Kind kind, Seq number = 0) const {
    AdoptOptions options;
    options.paths = paths_;
    options.machine = machine_;
    options.from = {kind, number};
    options.reason = "a test";
    return options;
  }

  // The pair runs, the sums add up, and delivery goes on from `next` to the end.
  void expect_runs_from(Seq next) {
    const auto writer = open_writer();
    ASSERT_NE(writer, nullptr);
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_NE(store, nullptr);
    const auto rewinds = store->reconcile(*reader->view());
    ASSERT_TRUE(rewinds) << error_of(rewinds);
    EXPECT_TRUE(rewinds->empty());
    LaneProgress at = store->progress(Lane::kAudit);
    EXPECT_EQ(at.position + 1, next);
    while (at.position < kRecords) {
      deliver(reader.get(), store.get(), at.position + 1);
      if (HasFatalFailure()) return;
      at = store->progress(Lane::kAudit);
    }
    const LedgerRow sum = total_of(store->ledger(), Lane::kAudit);
    EXPECT_EQ(sum.acknowledged + sum.skipped, std::uint64_t{kRecords});
    EXPECT_EQ(at.acknowledged, sum.acknowledged);
    EXPECT_EQ(at.skipped, sum.skipped);
    expect_clean();
  }

  void start_replay(SeqRange numbers) {
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_TRUE(store->reconcile(*reader->view()));
    ReplaySpec spec;
    spec.numbers = numbers;
    spec.actor = {0, "", "look again"};
    const auto started = store->start_replay(spec, false);
    ASSERT_TRUE(started) << error_of(started);
  }

  // A store that is of no use stays beside a new one, and everything is delivered again.
  void expect_put_aside() {
    const auto adopted = adopt(options(AdoptFrom::Kind::kFloor));
    ASSERT_TRUE(adopted) << error_of(adopted);
    EXPECT_TRUE(adopted->store_is_new);
    EXPECT_TRUE(fs::exists(adopted->aside / "CURRENT"));
    expect_runs_from(1);
  }

  std::string refusal_of_store() {
    const auto reader = open_reader();
    const auto store = DeliveryStore::open(store_options());
    if (!store) return store.error().message;
    const auto reconciled = (*store)->reconcile(*reader->view());
    return error_of(reconciled);
  }
};

TEST_F(AdoptTest, ALostStoreIsReplacedAndWhatMayBeDeliveredIsDeliveredAgain) {
  fill(40);
  fs::remove_all(paths_.delivery());
  EXPECT_NE(refusal_of_store().find("queuectl adopt"), std::string::npos);
  const auto adopted = adopt(options(AdoptFrom::Kind::kFloor));
  ASSERT_TRUE(adopted) << error_of(adopted);
  EXPECT_TRUE(adopted->store_is_new);
  expect_runs_from(1);
}

TEST_F(AdoptTest, ALostStoreWithANumberSkipsWhatIsBeforeAndSaysSoInTheLedger) {
  fill(40);
  fs::remove_all(paths_.delivery());
  const auto adopted = adopt(options(AdoptFrom::Kind::kNumber, 41));
  ASSERT_FALSE(adopted) << "the session lane has only 5 events";
  AdoptOptions audit = options(AdoptFrom::Kind::kNumber, 41);
  audit.lane = Lane::kAudit;
  const auto again = adopt(audit);
  ASSERT_TRUE(again) << error_of(again);
  EXPECT_EQ(again->lanes[Lane::kAudit].skipped, 40U);
  EXPECT_EQ(again->lanes[Lane::kSession].after, 0U);
  const auto store = open_store();
  const Ledger ledger = store->ledger();
  const auto day = ledger.find({day_of({1'700'000'000, 0}), Lane::kAudit});
  ASSERT_NE(day, ledger.end());
  EXPECT_EQ(day->second.skipped, 40U);
  EXPECT_FALSE(day->second.set_aside_ids.is_zero());
}

TEST_F(AdoptTest, WithoutAStoreAPositionIsNotKnown) {
  fill(40);
  fs::remove_all(paths_.delivery());
  const auto adopted = adopt(options(AdoptFrom::Kind::kPosition));
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().kind, ErrorKind::kIdentity);
}

TEST_F(AdoptTest, GoingBackTakesTheCountsBack) {
  fill(40);
  AdoptOptions back = options(AdoptFrom::Kind::kNumber, 21);
  back.lane = Lane::kAudit;
  const auto adopted = adopt(back);
  ASSERT_TRUE(adopted) << error_of(adopted);
  EXPECT_EQ(adopted->lanes[Lane::kAudit].again, 20U);
  expect_runs_from(21);
}

TEST_F(AdoptTest, GoingBackFartherThanTheAnswersReachBeginsTheCountsAnew) {
  fill(40);
  {
    const auto database =
        Database::open_primary(paths_.delivery_db(), delivery_families(), nullptr);
    rocksdb::WriteBatch batch;
    batch.Delete((*database)->family(kAnswersFamily), answer_key(Lane::kAudit, 11));
    ASSERT_TRUE((*database)->write(&batch));
  }
  AdoptOptions back = options(AdoptFrom::Kind::kNumber, 6);
  back.lane = Lane::kAudit;
  const auto adopted = adopt(back);
  ASSERT_TRUE(adopted) << error_of(adopted);
  EXPECT_EQ(adopted->lanes[Lane::kAudit].again, 35U);
  expect_runs_from(6);
}

TEST_F(AdoptTest, AStoreThatIsAheadOfARestoredQueueIsSetBack) {
  fill(20);
  const fs::path backup = paths_.root / "backup";
  fs::copy(paths_.queue_db(), backup, fs::copy_options::recursive);
  {
    const auto writer = open_writer();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 50, "later"));
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_TRUE(store->reconcile(*reader->view()));
    for (Seq next = 21; next <= kRecords + 50; next += 10) {
      deliver(reader.get(), store.get(), next);
    }
  }
  fs::remove_all(paths_.queue_db());
  fs::rename(backup, paths_.queue_db());
  const auto refused = adopt(options(AdoptFrom::Kind::kPosition));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("ends at 100"), std::string::npos) << error_of(refused);
  AdoptOptions forward = options(AdoptFrom::Kind::kNumber, 61);
  forward.lane = Lane::kAudit;
  const auto adopted = adopt(forward);
  ASSERT_TRUE(adopted) << error_of(adopted);
  expect_runs_from(61);
}

TEST_F(AdoptTest, ANumberBehindTheEndIsRefused) {
  fill(40);
  AdoptOptions beyond = options(AdoptFrom::Kind::kNumber, kRecords + 2);
  beyond.lane = Lane::kAudit;
  const auto adopted = adopt(beyond);
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().kind, ErrorKind::kUsage);
  beyond.from.number = kRecords + 1;
  EXPECT_TRUE(adopt(beyond));
}

TEST_F(AdoptTest, AStoreOfAnotherQueueIsPutAside) {
  fill(40);
  const fs::path foreign = paths_.root / "foreign";
  fs::rename(paths_.delivery_db(), foreign);
  for (const fs::path& half : {paths_.queue(), paths_.delivery(), paths_.shipper()}) {
    fs::remove_all(half);
  }
  fill(0);
  fs::remove_all(paths_.delivery_db());
  fs::rename(foreign, paths_.delivery_db());
  EXPECT_NE(refusal_of_store().find("belongs to queue"), std::string::npos);
  EXPECT_NE(refusal_of_store().find("queuectl adopt"), std::string::npos);
  expect_put_aside();
}

TEST_F(AdoptTest, ADamagedStoreIsPutAside) {
  fill(40);
  const auto manifests = files_like(paths_.delivery_db(), "MANIFEST-");
  flip(manifests.back(), 20, 20);
  EXPECT_EQ(DeliveryStore::open(store_options()).error().kind, ErrorKind::kCorrupt);
  expect_put_aside();
}

TEST_F(AdoptTest, AStoreWithATableThatCannotBeReadIsPutAside) {
  for (const std::string_view family : {kEpochsFamily, kLedgerFamily, kLanesFamily}) {
    SCOPED_TRACE(family);
    fs::remove_all(paths_.root);
    fs::create_directories(paths_.root);
    fill(40);
    flush_tables(paths_.delivery_db(), delivery_families());
    flip(table_of(paths_.delivery_db(), family, delivery_families()), 0);
    // Its position may be known, but not what belongs to that.
    EXPECT_EQ(adopt(options(AdoptFrom::Kind::kPosition)).error().kind, ErrorKind::kIdentity);
    expect_put_aside();
  }
}

TEST_F(AdoptTest, AStoreWhoseFormatFileIsDamagedOrGoneIsPutAside) {
  for (const bool is_gone : {false, true}) {
    SCOPED_TRACE(is_gone);
    fs::remove_all(paths_.root);
    fs::create_directories(paths_.root);
    fill(40);
    flip(paths_.sink() / "FORMAT", 3);
    if (is_gone) fs::remove(paths_.sink() / "FORMAT");
    const std::string refusal = refusal_of_store();
    EXPECT_NE(refusal.find("queuectl adopt"), std::string::npos) << refusal;
    EXPECT_EQ(adopt(options(AdoptFrom::Kind::kPosition)).error().kind, ErrorKind::kIdentity);
    expect_put_aside();
  }
}

TEST_F(AdoptTest, AStoreOfANewerFormatIsLeftAlone) {
  fill(40);
  std::ofstream(paths_.sink() / "FORMAT") << "sluice-delivery 3\n";
  EXPECT_EQ(adopt(options(AdoptFrom::Kind::kFloor)).error().kind, ErrorKind::kFormat);
  EXPECT_TRUE(fs::exists(paths_.delivery_db() / "CURRENT"));
}

TEST_F(AdoptTest, GoingBackCancelsTheReplaysOfThatLane) {
  fill(40);
  start_replay({5, 10});
  AdoptOptions back = options(AdoptFrom::Kind::kNumber, 21);
  back.lane = Lane::kAudit;
  const auto adopted = adopt(back);
  ASSERT_TRUE(adopted) << error_of(adopted);
  EXPECT_EQ(adopted->cancelled_replays, std::vector<std::uint64_t>{1});
  const auto store = open_store();
  const auto job = store->replay(1);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->progress.state, ReplayState::kCancelled);
  EXPECT_NE(job->progress.remark.find("a test"), std::string::npos) << job->progress.remark;
  EXPECT_NE(journal().find("replay 1 cancelled by an adoption"), std::string::npos) << journal();
}

TEST_F(AdoptTest, ANewMachineGoesOnWithTheReplays) {
  fill(40);
  start_replay({5, 10});
  machine_.machine_id = "machine-b";
  const auto adopted = adopt(options(AdoptFrom::Kind::kPosition));
  ASSERT_TRUE(adopted) << error_of(adopted);
  EXPECT_TRUE(adopted->cancelled_replays.empty());
  const auto store = open_store();
  EXPECT_EQ(store->active_replays().size(), 1U);
}

TEST_F(AdoptTest, NumbersThatTheQueueGaveToOtherEventsAreNotReplayed) {
  fill(40);
  start_replay({5, 10});
  start_replay({5, 35});
  {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    rocksdb::WriteBatch batch;
    EpochRow epoch;
    epoch.epoch = {1'000, 42};
    for (const Lane lane : kLanes) epoch.first[lane] = 31;
    put_epoch_row(**database, epoch, &batch);
    ASSERT_TRUE((*database)->write(&batch));
  }
  AdoptOptions forward = options(AdoptFrom::Kind::kNumber, 51);
  forward.lane = Lane::kAudit;
  const auto adopted = adopt(forward);
  ASSERT_TRUE(adopted) << error_of(adopted);
  EXPECT_EQ(adopted->cancelled_replays, std::vector<std::uint64_t>{2});
}

TEST_F(AdoptTest, AnotherMachineIsRefusedUntilItAdopts) {
  fill(40);
  machine_.machine_id = "machine-b";
  EXPECT_EQ(Writer::open(writer_options()).error().kind, ErrorKind::kIdentity);
  const auto adopted = adopt(options(AdoptFrom::Kind::kPosition));
  ASSERT_TRUE(adopted) << error_of(adopted);
  EXPECT_EQ(adopted->lanes[Lane::kAudit].after, 40U);
  expect_runs_from(41);
  machine_.machine_id = "machine-a";
  EXPECT_EQ(Writer::open(writer_options()).error().kind, ErrorKind::kIdentity);
}

TEST_F(AdoptTest, ARetiredInstanceRunsNowhereUntilItIsAdopted) {
  fill(40);
  RetireOptions retiring;
  retiring.paths = paths_;
  retiring.reason = "moved to another machine";
  ASSERT_TRUE(retire(retiring));
  ASSERT_TRUE(retire(retiring));
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kIdentity);
  EXPECT_NE(writer.error().message.find("moved to another machine"), std::string::npos);
  const auto store = DeliveryStore::open(store_options());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, ErrorKind::kIdentity);
  ASSERT_TRUE(adopt(options(AdoptFrom::Kind::kPosition)));
  expect_runs_from(41);
}

TEST_F(AdoptTest, ARunningDaemonKeepsItAway) {
  fill(40);
  {
    const auto writer = open_writer();
    EXPECT_EQ(adopt(options(AdoptFrom::Kind::kFloor)).error().kind, ErrorKind::kBusy);
  }
  const auto store = open_store();
  EXPECT_EQ(adopt(options(AdoptFrom::Kind::kFloor)).error().kind, ErrorKind::kBusy);
}

}  // namespace
}  // namespace sluice::queue
