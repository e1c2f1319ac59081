// Replay jobs in the delivery store, and what they hold back from trimming.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/delivery_reader.h"
#include "queue/delivery_schema.h"
#include "queue/delivery_store.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

class ReplayStoreTest : public QueueFixture {
 protected:
  ReplayStoreTest() {
    queue_.queue_id = Id128::random();
    queue_.boot_id = machine_.boot_id;
    add_epoch(1, 1);
    for (const Lane lane : kLanes) queue_.durable[lane] = 1000;
    std::filesystem::create_directories(paths_.queue());
    publish_floor(1);
  }

  void add_epoch(std::uint64_t nonce, Seq first) {
    queue_.epochs.push_back({{queue_.epochs.size() + 1, nonce}, {first, first}, 0});
  }

  void publish_floor(Seq floor) {
    queue_.floor = {floor, floor};
    auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
    FetcherPage values;
    values.queue_id = queue_.queue_id;
    values.boot_id = machine_.boot_id;
    values.epoch = queue_.epochs.back().epoch;
    values.durable = queue_.durable;
    values.floor = queue_.floor;
    page->publish(encode_page(values));
  }

  // A store that has delivered lane audit up to `position`.
  std::unique_ptr<DeliveryStore> open_at(Seq position) {
    auto store = open();
    EXPECT_EQ(error_of(store->reconcile(queue_)), "");
    Completion completion(Lane::kAudit);
    for (Seq seq = store->progress(Lane::kAudit).position + 1; seq <= position; ++seq) {
      RecordView record;
      record.id = "id";
      record.body = "{}";
      completion.acknowledge({seq, record});
    }
    if (completion.empty()) return store;
    EXPECT_EQ(error_of(store->commit(completion)), "");
    return store;
  }

  std::unique_ptr<DeliveryStore> reopen() {
    auto store = open();
    EXPECT_EQ(error_of(store->reconcile(queue_)), "");
    return store;
  }

  std::unique_ptr<DeliveryStore> open() const {
    DeliveryStoreOptions options = store_options();
    options.env = env_;
    auto store = DeliveryStore::open(options);
    EXPECT_EQ(error_of(store), "");
    return std::move(store.value());
  }

  static ReplaySpec spec(Seq first, Seq last) {
    ReplaySpec made;
    made.numbers = {first, last};
    made.actor = {7, "anna", "INC-1"};
    return made;
  }

  ShipperPage page() const {
    PageReader reader(paths_.shipper_page(), PageRole::kShipper);
    return decode_shipper_page(*reader.read()).value();
  }
  Seq hold() const { return page().hold[Lane::kAudit]; }

  QueueView queue_;
};

TEST_F(ReplayStoreTest, JobAndItsHoldSurviveReopening) {
  ReplayJob made;
  {
    auto store = open_at(100);
    EXPECT_EQ(hold(), kNoHold);
    made = store->start_replay(spec(10, 50), false).value();
    EXPECT_EQ(made.id, 1u);
    EXPECT_EQ(made.progress.position, 9u);
    EXPECT_EQ(hold(), 10u);
    EXPECT_EQ(page().hold[Lane::kSession], kNoHold);
  }
  const auto store = reopen();
  EXPECT_EQ(store->replays(), std::vector{made});
  EXPECT_EQ(hold(), 10u);
}

TEST_F(ReplayStoreTest, HoldIsThatOfTheJobThatIsBehind) {
  auto store = open_at(100);
  const auto first = store->start_replay(spec(10, 50), false).value();
  const auto second = store->start_replay(spec(5, 20), false).value();
  EXPECT_EQ(hold(), 5u);
  ReplayProgress progress = second.progress;
  progress.position = 15;
  EXPECT_EQ(store->save_replay(second.id, progress).value(), ReplayState::kActive);
  EXPECT_EQ(hold(), 10u);
  progress = first.progress;
  progress.position = 40;
  EXPECT_TRUE(store->save_replay(first.id, progress));
  EXPECT_EQ(hold(), 16u);
  EXPECT_TRUE(store->cancel_replay(second.id, {7, "", "not needed"}));
  EXPECT_EQ(hold(), 41u);
  progress.state = ReplayState::kDone;
  EXPECT_EQ(store->save_replay(first.id, progress).value(), ReplayState::kDone);
  EXPECT_EQ(hold(), kNoHold);
}

TEST_F(ReplayStoreTest, ProgressSurvivesReopening) {
  ReplayProgress progress;
  {
    auto store = open_at(100);
    progress = store->start_replay(spec(10, 50), false)->progress;
    progress.position = 20;
    progress.completed = {{25, 30}};
    progress.sent = 12;
    ASSERT_TRUE(store->save_replay(1, progress));
  }
  const auto store = reopen();
  const auto job = store->replay(1).value();
  EXPECT_EQ(job.progress.position, 20u);
  EXPECT_EQ(job.progress.completed, progress.completed);
  EXPECT_EQ(job.progress.sent, 12u);
  EXPECT_EQ(hold(), 21u);
}

TEST_F(ReplayStoreTest, OnlyDeliveredNumbersAreReplayed) {
  auto store = open_at(100);
  EXPECT_EQ(store->start_replay(spec(90, 500), false)->spec.numbers, (SeqRange{90, 100}));
  const auto beyond = store->start_replay(spec(101, 500), false);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(hold(), 90u);
}

TEST_F(ReplayStoreTest, TrimmedNumbersAreRefusedAndLeaveNoHold) {
  auto store = open_at(100);
  publish_floor(40);
  const auto some = store->start_replay(spec(10, 50), false);
  ASSERT_FALSE(some);
  EXPECT_EQ(some.error().kind, ErrorKind::kTrimmed);
  EXPECT_NE(some.error().message.find("30 of the numbers 10 to 50"), std::string::npos);
  const auto all = store->start_replay(spec(10, 39), true);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().kind, ErrorKind::kTrimmed);
  EXPECT_EQ(hold(), kNoHold);
  EXPECT_TRUE(store->replays().empty());
}

TEST_F(ReplayStoreTest, FloorThatTheFetcherTakesBackIsNoReasonToRefuse) {
  auto store = open_at(100);
  publish_floor(40);
  // As the fetcher does once it sees the hold.
  std::jthread fetcher([this] {
    while (hold() != 10) std::this_thread::yield();
    publish_floor(1);
  });
  EXPECT_EQ(error_of(store->start_replay(spec(10, 50), false)), "");
}

TEST_F(ReplayStoreTest, PartialJobBeginsWithWhatIsKept) {
  auto store = open_at(100);
  publish_floor(40);
  const auto job = store->start_replay(spec(10, 50), true).value();
  EXPECT_EQ(job.spec.numbers, (SeqRange{40, 50}));
  EXPECT_EQ(job.spec.trimmed, 30u);
  EXPECT_EQ(hold(), 40u);
}

TEST_F(ReplayStoreTest, NothingStartsWhileTheFetcherDoesNotSayWhatItKeeps) {
  auto store = open_at(100);
  std::filesystem::remove(paths_.fetcher_page());
  const auto refused = store->start_replay(spec(10, 50), false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kBusy);
  EXPECT_EQ(hold(), kNoHold);
}

TEST_F(ReplayStoreTest, StoreThatWasNeverUsedHasNothingToReplay) {
  auto store = open_store();
  EXPECT_EQ(store->start_replay(spec(1, 5), false).error().kind, ErrorKind::kNotFound);
}

TEST_F(ReplayStoreTest, CancelledJobKeepsItsStateAndTakesLateCounts) {
  auto store = open_at(100);
  ReplayProgress progress = store->start_replay(spec(10, 50), false)->progress;
  ASSERT_TRUE(store->cancel_replay(1, {1001, "", "wrong range"}));
  progress.sent = 5;
  progress.position = 14;
  progress.state = ReplayState::kActive;
  EXPECT_EQ(store->save_replay(1, progress).value(), ReplayState::kCancelled);
  const auto job = store->replay(1).value();
  EXPECT_EQ(job.progress.sent, 5u);
  EXPECT_EQ(job.progress.remark, "cancelled by uid 1001: wrong range");
  EXPECT_EQ(hold(), kNoHold);
  EXPECT_EQ(store->cancel_replay(1, {0, "", "again"}).error().kind, ErrorKind::kUsage);
  EXPECT_EQ(store->cancel_replay(2, {0, "", "none"}).error().kind, ErrorKind::kNotFound);
}

TEST_F(ReplayStoreTest, JournalNamesWhoDidWhatAndWhy) {
  auto store = open_at(100);
  ReplayProgress progress = store->start_replay(spec(10, 50), false)->progress;
  ASSERT_TRUE(store->start_replay(spec(1, 5), false));
  progress.state = ReplayState::kDone;
  progress.sent = 41;
  ASSERT_TRUE(store->save_replay(1, progress));
  ASSERT_TRUE(store->cancel_replay(2, {0, "", "enough"}));
  const std::string text = journal();
  EXPECT_NE(text.find("replay 1 of lane audit, numbers 10 to 50, started by uid 7 (anna, as that "
                      "user says): INC-1"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("replay 1 ended as done: 41 events sent, 0 refused"), std::string::npos);
  EXPECT_NE(text.find("replay 2 cancelled by uid 0: enough"), std::string::npos);
}

TEST_F(ReplayStoreTest, JobEndsBeforeNumbersThatTheQueueHasLost) {
  {
    auto store = open_at(100);
    ReplayProgress progress = store->start_replay(spec(10, 90), false)->progress;
    progress.position = 70;
    progress.completed = {{72, 75}};
    ASSERT_TRUE(store->save_replay(1, progress));
    ASSERT_TRUE(store->start_replay(spec(10, 20), false));
  }
  add_epoch(2, 61);  // the queue begins anew at 61
  queue_.durable = {60, 60};
  publish_floor(1);
  auto store = reopen();
  const Seq position = store->progress(Lane::kAudit).position;
  EXPECT_LE(position, 60u);
  const auto job = store->replay(1).value();
  EXPECT_TRUE(job.is_active());
  EXPECT_EQ(job.progress.last, position);
  EXPECT_EQ(job.progress.position, position);
  EXPECT_TRUE(job.progress.completed.empty());
  EXPECT_NE(job.progress.remark, "");
}

TEST_F(ReplayStoreTest, FailedWriteLeavesTheJobWholeOrNotThere) {
  Faults faults;
  const auto env = make_faulty_env(&faults);
  env_ = env.get();
  {
    auto store = open_at(100);
    ASSERT_TRUE(store->start_replay(spec(20, 50), false));
    faults.fail_append = true;
    EXPECT_FALSE(store->start_replay(spec(10, 50), false));
    EXPECT_EQ(hold(), 10u) << "nobody knows whether the job is there, so its hold stays";
    faults.fail_append = false;
    EXPECT_FALSE(store->start_replay(spec(10, 50), false)) << "the store must be opened anew";
  }
  {
    auto store = reopen();
    EXPECT_EQ(store->replays().size(), 1u);
    EXPECT_EQ(hold(), 20u);
    ReplayProgress progress = store->replay(1)->progress;
    progress.position = 30;
    faults.fail_sync = true;
    EXPECT_FALSE(store->save_replay(1, progress));
    EXPECT_EQ(hold(), 20u) << "raised only once it is on disk";
    faults.fail_sync = false;
  }
  auto store = reopen();
  EXPECT_EQ(hold(), store->replay(1)->progress.position + 1);
}

TEST_F(ReplayStoreTest, FinishedJobsAreForgottenOldestFirst) {
  auto store = open_at(100);
  ASSERT_TRUE(store->start_replay(spec(10, 50), false));  // stays active
  for (std::size_t i = 0; i < kReplaysFinishedKept + 3; ++i) {
    const auto job = store->start_replay(spec(10, 50), false);
    ASSERT_TRUE(job);
    ASSERT_TRUE(store->cancel_replay(job->id, {0, "", "x"}));
  }
  ASSERT_TRUE(store->start_replay(spec(10, 50), false));
  store.reset();
  store = reopen();
  EXPECT_EQ(store->replays().size(), kReplaysFinishedKept + 2);
  EXPECT_TRUE(store->replay(1));
  EXPECT_FALSE(store->replay(2));
  EXPECT_FALSE(store->replay(4));
  EXPECT_TRUE(store->replay(5));
}

TEST_F(ReplayStoreTest, NumberOfJobsAtOnceIsBounded) {
  auto store = open_at(100);
  for (std::size_t i = 0; i < kReplaysActiveMax; ++i) {
    ASSERT_TRUE(store->start_replay(spec(10, 50), false));
  }
  EXPECT_EQ(store->start_replay(spec(10, 50), false).error().kind, ErrorKind::kBusy);
}

TEST_F(ReplayStoreTest, PageTellsHowMuchACrashRepeats) {
  DeliveryStoreOptions options = store_options();
  options.crash_repeats_max = 4000;
  options.replay_repeats_max = 500;
  auto store = DeliveryStore::open(options).value();
  ASSERT_TRUE(store->reconcile(queue_));
  EXPECT_EQ(page().crash_repeats_max, 4000u);
  store.reset();
  open_at(100).reset();
  store = DeliveryStore::open(options).value();
  ASSERT_TRUE(store->start_replay(spec(10, 50), false));
  EXPECT_EQ(page().crash_repeats_max, 4500u);
  for (std::size_t i = 0; i < 10; ++i) ASSERT_TRUE(store->start_replay(spec(10, 50), false));
  EXPECT_EQ(page().crash_repeats_max, 4000u + kReplaysAtOnce * 500);
}

TEST_F(ReplayStoreTest, OtherProcessesSeeTheJobs) {
  auto store = open_at(100);
  const auto job = store->start_replay(spec(10, 50), false).value();
  auto reader = DeliveryReader::open(paths_, paths_.root / "scratch").value();
  EXPECT_EQ(reader->replays().value(), std::vector{job});
  ReplayProgress progress = job.progress;
  for (Seq position = 10; position <= 20; ++position) {
    progress.position = position;
    ASSERT_TRUE(store->save_replay(1, progress));
    EXPECT_EQ(reader->replays()->front().progress.position, position);
  }
}

}  // namespace
}  // namespace sluice::queue
