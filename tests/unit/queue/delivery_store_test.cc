#include "queue/delivery_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <deque>
#include <fstream>
#include <random>
#include <thread>

#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/delivery_reader.h"
#include "queue/delivery_schema.h"
#include "queue/ledger_store.h"
#include "tests/unit/queue/damage.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

class DeliveryStoreTest : public QueueFixture {
 protected:
  DeliveryStoreTest() {
    queue_.queue_id = Id128::random();
    queue_.machine_id = machine_.machine_id;
    queue_.boot_id = machine_.boot_id;
    queue_.cluster = "one.example.com";
    for (const Lane lane : kLanes) {
      queue_.durable[lane] = 10'000;
      queue_.floor[lane] = 1;
    }
    add_epoch(1, 1);
  }

  // A further row of the queue's history, the same for both lanes.
  void add_epoch(std::uint64_t nonce, Seq first) {
    EpochRow row;
    row.epoch = {queue_.epochs.size() + 1, nonce};
    for (const Lane lane : kLanes) row.first[lane] = first;
    queue_.epochs.push_back(row);
  }

  std::unique_ptr<DeliveryStore> open_bound() {
    auto store = open_store();
    EXPECT_EQ(error_of(store->reconcile(queue_)), "");
    return store;
  }

  StoredRecord record(Seq seq) {
    RecordView view;
    view.id = texts_.emplace_back(fmt::format("id-{}", seq));
    view.time = {static_cast<std::int64_t>(seq / 100) * kSecondsPerDay, 0};  // 100 events a day
    view.body = "{}";
    view.epoch = 1;
    return {seq, view};
  }

  Completion acknowledged(SeqRange range, Lane lane = Lane::kAudit) {
    Completion completion(lane);
    for (Seq seq = range.first; seq <= range.last; ++seq) completion.acknowledge(record(seq));
    return completion;
  }

  // acknowledged + dead + skipped + gap = position + completed, and the ledger says the same.
  static void expect_sums(const DeliveryStore& store, Lane lane) {
    const LaneProgress at = store.progress(lane);
    const LedgerRow sum = total_of(store.ledger(), lane);
    EXPECT_EQ(at.acknowledged + at.dead + at.skipped + at.gap, at.position + at.completed_count());
    EXPECT_EQ(sum.acknowledged, at.acknowledged);
    EXPECT_EQ(sum.dead, at.dead);
    EXPECT_EQ(sum.gap, at.gap);
  }

  QueueView queue_;
  std::deque<std::string> texts_;
};

TEST_F(DeliveryStoreTest, BeginsBeforeTheFirstNumber) {
  const auto store = open_bound();
  EXPECT_EQ(store->progress(Lane::kAudit), LaneProgress{});
}

TEST_F(DeliveryStoreTest, MovesThePositionOverTheContiguousPartOnly) {
  auto store = open_bound();
  ASSERT_TRUE(store->commit(acknowledged({11, 20})));
  ASSERT_TRUE(store->commit(acknowledged({31, 40})));
  EXPECT_EQ(store->progress(Lane::kAudit).position, 0u);
  EXPECT_EQ(store->progress(Lane::kAudit).completed, (std::vector<SeqRange>{{11, 20}, {31, 40}}));
  ASSERT_TRUE(store->commit(acknowledged({1, 10})));
  EXPECT_EQ(store->progress(Lane::kAudit).position, 20u);
  EXPECT_EQ(store->progress(Lane::kAudit).completed, (std::vector<SeqRange>{{31, 40}}));
  ASSERT_TRUE(store->commit(acknowledged({21, 30})));
  EXPECT_EQ(store->progress(Lane::kAudit).position, 40u);
  EXPECT_TRUE(store->progress(Lane::kAudit).completed.empty());
  EXPECT_EQ(store->progress(Lane::kSession).position, 0u);
  expect_sums(*store, Lane::kAudit);
}

TEST_F(DeliveryStoreTest, KeepsPositionRangesAndLedgerAcrossReopening) {
  LaneProgress before;
  Ledger ledger;
  {
    const auto store = open_bound();
    ASSERT_TRUE(store->commit(acknowledged({1, 250})));
    ASSERT_TRUE(store->commit(acknowledged({300, 320})));
    before = store->progress(Lane::kAudit);
    ledger = store->ledger();
  }
  const auto store = open_store();
  EXPECT_EQ(store->progress(Lane::kAudit), before);
  EXPECT_EQ(store->ledger(), ledger);
  EXPECT_EQ(ledger.at({1, Lane::kAudit}).acknowledged, 100u);
  expect_sums(*store, Lane::kAudit);
}

TEST_F(DeliveryStoreTest, PublishesThePositionOnItsPage) {
  const auto store = open_bound();
  ASSERT_TRUE(store->commit(acknowledged({1, 7}, Lane::kSession)));
  PageReader reader(paths_.shipper_page(), PageRole::kShipper);
  const auto page = decode_shipper_page(*reader.read());
  ASSERT_TRUE(page);
  EXPECT_EQ(page->position[Lane::kSession], 7u);
  EXPECT_EQ(page->position[Lane::kAudit], 0u);
  EXPECT_EQ(page->queue_id, queue_.queue_id);
  EXPECT_EQ(page->delivery_id, store->id());
}

TEST_F(DeliveryStoreTest, KeepsDeadLettersInTheWriteThatPassesThem) {
  {
    const auto store = open_bound();
    Completion completion(Lane::kAudit);
    completion.acknowledge(record(1));
    DeadLetter letter = DeadLetter::of(Lane::kAudit, record(2));
    letter.reason = "the sink refuses it";
    letter.status = 400;
    completion.set_aside(record(2), letter);
    completion.pass_gap(record(3));
    completion.acknowledge(record(4));
    ASSERT_TRUE(store->commit(completion));
    EXPECT_EQ(store->progress(Lane::kAudit).position, 4u);
    EXPECT_EQ(store->progress(Lane::kAudit).dead, 1u);
    EXPECT_EQ(store->progress(Lane::kAudit).gap, 1u);
    expect_sums(*store, Lane::kAudit);
  }
  const auto reader = DeliveryReader::open(paths_, paths_.root / "scratch");
  ASSERT_TRUE(reader);
  const auto letters = (*reader)->dead_letters(10);
  ASSERT_TRUE(letters);
  ASSERT_EQ(letters->size(), 1u);
  EXPECT_EQ(letters->front().id, "id-2");
  EXPECT_EQ(letters->front().reason, "the sink refuses it");
  EXPECT_EQ(letters->front().status, 400u);
  EXPECT_EQ(letters->front().body, "{}");
}

TEST_F(DeliveryStoreTest, IsReadWhileItIsWrittenWithNumbersThatAddUp) {
  const auto store = open_bound();
  const auto reader = DeliveryReader::open(paths_, paths_.root / "scratch");
  ASSERT_TRUE(reader);
  std::jthread writing([&](const std::stop_token& stop) {
    for (Seq first = 1; first < 20'000 && !stop.stop_requested(); first += 10) {
      if (!store->commit(acknowledged({first, first + 9}))) break;
    }
  });
  for (int i = 0; i < 50; ++i) {
    const auto view = (*reader)->view();
    ASSERT_TRUE(view);
    const LaneProgress& at = view->progress[Lane::kAudit];
    EXPECT_EQ(at.position + at.completed_count(), at.acknowledged);
    EXPECT_EQ(total_of(view->ledger, Lane::kAudit).acknowledged, at.acknowledged);
  }
}

// What a shipper leaves that is killed while it makes its database.
// The opening after the damage takes nothing from that log, which must not stay there.
TEST_F(DeliveryStoreTest, IsReadThoughALogWasDamagedAtItsBeginning) {
  open_bound();
  {
    const auto store = open_store();
    ASSERT_TRUE(store->commit(acknowledged({1, 10})));
  }
  flip(files_like(paths_.delivery_db(), ".log").back(), 0);
  const auto store = open_store();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->progress(Lane::kAudit).position, 0U);
  ASSERT_TRUE(store->commit(acknowledged({1, 5})));
  const auto reader = DeliveryReader::open(paths_, paths_.root / "scratch");
  ASSERT_TRUE(reader) << error_of(reader);
  const auto view = (*reader)->view();
  ASSERT_TRUE(view) << error_of(view);
  EXPECT_EQ(view->progress[Lane::kAudit].position, 5U);
}

TEST_F(DeliveryStoreTest, ThatIsHalfMadeIsNotThereYetForReaders) {
  for (const auto& folder : {paths_.delivery(), paths_.sink()}) {
    std::filesystem::create_directory(folder);
  }
  {
    std::ofstream(paths_.sink() / "FORMAT") << "sluice-delivery 1\n";
  }
  ASSERT_TRUE(Database::open_primary(paths_.delivery_db(), {{"default", Usage::kRows}}, nullptr));
  const auto reader = DeliveryReader::open(paths_, paths_.root / "scratch");
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, ErrorKind::kNotFound);
}

TEST_F(DeliveryStoreTest, RemembersWhenTheSinkLastTookAnEventAndNothingElse) {
  const auto store = open_bound();
  EXPECT_EQ(store->progress(Lane::kAudit).acknowledged_at_ms, 0);
  ASSERT_TRUE(store->commit(acknowledged({1, 2})));
  const auto acknowledged_at = store->progress(Lane::kAudit).acknowledged_at_ms;
  EXPECT_GT(acknowledged_at, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  Completion refused(Lane::kAudit);
  refused.set_aside(record(3), DeadLetter::of(Lane::kAudit, record(3)));
  ASSERT_TRUE(store->commit(refused));
  ASSERT_TRUE(store->reconcile(queue_));
  EXPECT_EQ(store->progress(Lane::kAudit).acknowledged_at_ms, acknowledged_at);
}

TEST_F(DeliveryStoreTest, KeepsASecondShipperAway) {
  const auto store = open_bound();
  const auto second = DeliveryStore::open(store_options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kBusy);
}

TEST_F(DeliveryStoreTest, StopsAfterAFailedWriteAndGoesOnFromDisk) {
  Faults faults;
  const auto env = make_faulty_env(&faults);
  auto options = store_options();
  options.env = env.get();
  auto opened = DeliveryStore::open(options);
  ASSERT_TRUE(opened);
  auto store = std::move(*opened);
  ASSERT_TRUE(store->reconcile(queue_));
  ASSERT_TRUE(store->commit(acknowledged({1, 5})));
  faults.fail_append = true;
  EXPECT_FALSE(store->commit(acknowledged({6, 9})));
  faults.fail_append = false;
  EXPECT_EQ(error_of(store->commit(acknowledged({10, 11}))),
            "the delivery store must be opened anew after a failed write");
  PageReader page(paths_.shipper_page(), PageRole::kShipper);
  EXPECT_EQ(decode_shipper_page(*page.read())->position[Lane::kAudit], 5u);
  store.reset();
  store = open_store();
  EXPECT_EQ(store->progress(Lane::kAudit).position, 5u);
  expect_sums(*store, Lane::kAudit);
}

// ---- Rule 1: numbers that the queue lost after they were delivered.

TEST_F(DeliveryStoreTest, StaysWhereItIsWhenANewEpochBeginsBehindItsPosition) {
  const auto store = open_bound();
  ASSERT_TRUE(store->commit(acknowledged({1, 1'000})));
  add_epoch(2, 1'001);
  const auto rewinds = store->reconcile(queue_);
  ASSERT_TRUE(rewinds);
  EXPECT_TRUE(rewinds->empty());
  EXPECT_EQ(store->progress(Lane::kAudit).position, 1'000u);
}

TEST_F(DeliveryStoreTest, ShipsAgainTheNumbersThatTheQueueGaveToOtherEvents) {
  const auto store = open_bound();
  ASSERT_TRUE(store->commit(acknowledged({1, 900})));
  ASSERT_TRUE(store->commit(acknowledged({901, 1'000})));
  ASSERT_TRUE(store->commit(acknowledged({1'101, 1'200})));
  const Ledger before = store->ledger();
  add_epoch(2, 901);
  queue_.durable[Lane::kAudit] = 900;
  const auto rewinds = store->reconcile(queue_);
  ASSERT_TRUE(rewinds) << error_of(rewinds);
  ASSERT_EQ(rewinds->size(), 1u);
  EXPECT_EQ(rewinds->front().from, 901u);
  EXPECT_EQ(rewinds->front().old_position, 1'000u);
  EXPECT_EQ(rewinds->front().voided, 200u);
  EXPECT_EQ(store->progress(Lane::kAudit).position, 900u);
  EXPECT_TRUE(store->progress(Lane::kAudit).completed.empty());
  EXPECT_EQ(store->progress(Lane::kAudit).voided, 200u);
  expect_sums(*store, Lane::kAudit);
  // Nothing is left of the void numbers in the ledger either: the same numbers can be counted
  // again.
  queue_.durable[Lane::kAudit] = 2'000;
  ASSERT_TRUE(store->commit(acknowledged({901, 1'000})));
  ASSERT_TRUE(store->commit(acknowledged({1'101, 1'200})));
  EXPECT_EQ(store->ledger(), before);
}

TEST_F(DeliveryStoreTest, TakesBackAWholeAnswerThatReachesAcrossTheLoss) {
  const auto store = open_bound();
  ASSERT_TRUE(store->commit(acknowledged({1, 500})));
  ASSERT_TRUE(store->commit(acknowledged({501, 1'000})));
  add_epoch(2, 701);
  queue_.durable[Lane::kAudit] = 700;
  ASSERT_TRUE(store->reconcile(queue_));
  EXPECT_EQ(store->progress(Lane::kAudit).position, 500u);
  expect_sums(*store, Lane::kAudit);
}

TEST_F(DeliveryStoreTest, KeepsTheRewindAcrossReopening) {
  {
    const auto store = open_bound();
    ASSERT_TRUE(store->commit(acknowledged({1, 900})));
    ASSERT_TRUE(store->commit(acknowledged({901, 1'000})));
    add_epoch(2, 901);
    ASSERT_TRUE(store->reconcile(queue_));
  }
  const auto store = open_store();
  EXPECT_EQ(store->progress(Lane::kAudit).position, 900u);
  expect_sums(*store, Lane::kAudit);
  const auto again = store->reconcile(queue_);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->empty());
}

TEST_F(DeliveryStoreTest, FindsTheLossBehindSeveralEpochsAndARestoredHistory) {
  const auto store = open_bound();
  add_epoch(2, 301);
  ASSERT_TRUE(store->reconcile(queue_));
  ASSERT_TRUE(store->commit(acknowledged({1, 500})));
  ASSERT_TRUE(store->commit(acknowledged({501, 600})));
  // Epoch 2 is replaced by one of the same number from another history, which began later, and lost
  // and began anew.
  queue_.epochs.pop_back();
  add_epoch(22, 551);
  add_epoch(33, 501);
  const auto rewinds = store->reconcile(queue_);
  ASSERT_TRUE(rewinds) << error_of(rewinds);
  EXPECT_EQ(store->progress(Lane::kAudit).position, 500u);
  expect_sums(*store, Lane::kAudit);
}

TEST_F(DeliveryStoreTest, KeepsTheSumsThroughRandomAnswersAndLosses) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  auto store = open_bound();
  Seq last = 0;
  for (int round = 0; round < 300; ++round) {
    const LaneProgress at = store->progress(Lane::kAudit);
    const Seq from = (at.completed.empty() ? at.position : at.completed.back().last) + 1;
    switch (random() % 8) {
      case 0: {
        const Seq lost_from = std::max<Seq>(1, last - std::min<Seq>(last, random() % 60) + 1);
        add_epoch(random(), lost_from);
        ASSERT_TRUE(store->reconcile(queue_));
        last = lost_from - 1;
        break;
      }
      case 1:
        store.reset();
        store = open_bound();
        break;
      case 2:  // fills the first hole
        if (!at.completed.empty()) {
          ASSERT_TRUE(
              store->commit(acknowledged({at.position + 1, at.completed.front().first - 1})));
        }
        break;
      default: {
        const Seq first = from + random() % 2 * (random() % 10);
        const SeqRange range{first, first + random() % 30};
        ASSERT_TRUE(store->commit(acknowledged(range)));
        last = std::max(last, range.last);
      }
    }
    expect_sums(*store, Lane::kAudit);
  }
}

// ---- Rule 2: halves that do not belong together.

TEST_F(DeliveryStoreTest, RefusesALedgerThatIsOlderThanItsPosition) {
  ASSERT_TRUE(open_bound()->commit(acknowledged({1, 20})));
  {
    const auto database = Database::open_primary(paths_.delivery_db(), delivery_families(), env_);
    ASSERT_TRUE(database) << error_of(database);
    rocksdb::WriteBatch batch;
    batch.DeleteRange((*database)->family(kLedgerFamily), "", "\xff");
    ASSERT_TRUE((*database)->write(&batch));
  }
  const auto store = DeliveryStore::open(store_options());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(store.error().message.find("ledger"), std::string::npos) << store.error().message;
}

TEST_F(DeliveryStoreTest, RefusesAnotherQueue) {
  const auto store = open_bound();
  queue_.queue_id = Id128::random();
  const auto refused = store->reconcile(queue_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kIdentity);
}

TEST_F(DeliveryStoreTest, RefusesAnotherCluster) {
  const auto store = open_bound();
  queue_.cluster = "two.example.com";
  EXPECT_EQ(store->reconcile(queue_).error().kind, ErrorKind::kIdentity);
}

TEST_F(DeliveryStoreTest, RefusesToBeginAnewForAQueueThatAnotherStoreDelivered) {
  queue_.delivery_id = Id128::random();
  const auto refused = open_store()->reconcile(queue_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kIdentity);
}

TEST_F(DeliveryStoreTest, RefusesToBeginAnewBesideThePageOfALostStore) {
  open_bound();
  std::filesystem::remove_all(paths_.delivery());
  const auto refused = DeliveryStore::open(store_options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kIdentity);
}

TEST_F(DeliveryStoreTest, RefusesToReplaceADatabaseThatIsMissing) {
  open_bound();
  std::filesystem::remove_all(paths_.delivery_db());
  const auto refused = DeliveryStore::open(store_options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kIdentity);
  EXPECT_FALSE(std::filesystem::exists(paths_.delivery_db()));
}

TEST_F(DeliveryStoreTest, RefusesAQueueThatEndsBeforeItsPosition) {
  const auto store = open_bound();
  ASSERT_TRUE(store->commit(acknowledged({1, 100})));
  queue_.durable[Lane::kAudit] = 50;
  EXPECT_EQ(store->reconcile(queue_).error().kind, ErrorKind::kIdentity);
  EXPECT_EQ(store->progress(Lane::kAudit).position, 100u);
}

// The page may be older than the last boot, and then says nothing against the position.
TEST_F(DeliveryStoreTest, WaitsForTheFetcherWhenTheQueuesEndIsFromAnEarlierBoot) {
  const auto store = open_bound();
  ASSERT_TRUE(store->commit(acknowledged({1, 100})));
  queue_.durable[Lane::kAudit] = 50;
  queue_.boot_id = "an earlier boot";
  EXPECT_EQ(store->reconcile(queue_).error().kind, ErrorKind::kBusy);
  queue_.durable[Lane::kAudit] = 150;
  EXPECT_TRUE(store->reconcile(queue_));
}

TEST_F(DeliveryStoreTest, RefusesAQueueThatNoLongerKeepsWhatIsNext) {
  const auto store = open_bound();
  ASSERT_TRUE(store->commit(acknowledged({1, 100})));
  queue_.floor[Lane::kAudit] = 101;
  EXPECT_TRUE(store->reconcile(queue_));
  queue_.floor[Lane::kAudit] = 102;
  EXPECT_EQ(store->reconcile(queue_).error().kind, ErrorKind::kIdentity);
}

TEST_F(DeliveryStoreTest, RefusesAQueueWithWhichItSharesNoEpoch) {
  const auto store = open_bound();
  queue_.epochs.clear();
  add_epoch(99, 1);
  EXPECT_EQ(store->reconcile(queue_).error().kind, ErrorKind::kIdentity);
}

TEST_F(DeliveryStoreTest, RefusesANewerFormat) {
  open_bound();
  {
    std::ofstream(paths_.sink() / "FORMAT") << "sluice-delivery 3\n";
  }
  const auto store = DeliveryStore::open(store_options());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, ErrorKind::kFormat);
}

TEST_F(DeliveryStoreTest, NoticesThatItsFolderWasReplaced) {
  open_bound();
  std::filesystem::copy(paths_.delivery(), paths_.root / "backup",
                        std::filesystem::copy_options::recursive);
  const auto store = open_store();
  EXPECT_EQ(error_of(store->check_folder()), "");
  std::filesystem::rename(paths_.delivery(), paths_.root / "aside");
  std::filesystem::rename(paths_.root / "backup", paths_.delivery());
  const auto checked = store->check_folder();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, ErrorKind::kIdentity);
}

}  // namespace
}  // namespace sluice::queue
