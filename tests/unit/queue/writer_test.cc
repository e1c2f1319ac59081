#include "queue/writer.h"

#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/key_parts.h"
#include "queue/ledger_store.h"
#include "queue/queue_schema.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

class WriterTest : public QueueFixture {};

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(WriterTest, NumbersEachLaneDenselyFromOneAcrossReopening) {
  for (Seq round = 0; round < 3; ++round) {
    const auto writer = open_writer();
    EXPECT_EQ(writer->report().created, round == 0);
    EXPECT_EQ(writer->report().epoch.number, round + 1);
    EXPECT_EQ(writer->last(Lane::kAudit), round * 5);
    EXPECT_EQ(writer->last(Lane::kSession), round * 2);
    EXPECT_TRUE(append(writer.get(), Lane::kAudit, 5));
    EXPECT_TRUE(append(writer.get(), Lane::kSession, 2));
  }
}

TEST_F(WriterTest, KeepsStateWithTheEventsItWasAppendedWith) {
  {
    const auto writer = open_writer();
    Append batch;
    batch.put_state("cursor/a", "1");
    batch.put_state("cursor/b", "2");
    batch.put_state("other", "3");
    ASSERT_TRUE(writer->append(batch));
    batch.clear();
    batch.put_state("cursor/a", "10");
    batch.erase_state("cursor/b");
    batch.put_state("cursor/c", "30");
    ASSERT_TRUE(writer->append(batch));
  }
  const auto writer = open_writer();
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(writer->states("cursor/"), (Pairs{{"cursor/a", "10"}, {"cursor/c", "30"}}));
  EXPECT_EQ(writer->state("other"), "3");
  EXPECT_EQ(writer->state("cursor/b"), std::nullopt);
}

TEST_F(WriterTest, KeepsHowFarTeleportWasReadInOneRow) {
  const ReadUpTo first{.time_ms = 1'000, .looked_at_ms = 2'000};
  const ReadUpTo second{.time_ms = 3'000, .looked_at_ms = 4'000};
  {
    const auto writer = open_writer();
    EXPECT_EQ(writer->read_up_to(), std::nullopt);
    for (const ReadUpTo& value : {first, second}) {
      Append batch;
      batch.set_read_up_to(value);
      EXPECT_FALSE(batch.empty());
      ASSERT_TRUE(writer->append(batch));
    }
    EXPECT_EQ(writer->read_up_to(), second);
  }
  EXPECT_EQ(open_writer()->read_up_to(), second);
  const auto reader = open_reader();
  EXPECT_EQ(reader->view().value().read_up_to, second);
}

Timestamp end_of_day(Day day) { return {start_of_day(day + 1).seconds - 1, 999'999'999}; }

TEST_F(WriterTest, RemembersSeenIdsByGenerationAndSecondUntilTheirDayIsForgotten) {
  const auto writer = open_writer();
  Append batch;
  for (const Timestamp time :
       {end_of_day(-1), end_of_day(100), start_of_day(101), end_of_day(101)}) {
    for (const std::uint32_t generation : {1U, 2U}) batch.mark_seen(generation, time, "id");
  }
  EXPECT_TRUE(batch.marks(1, end_of_day(100), "id"));
  EXPECT_FALSE(batch.marks(3, end_of_day(100), "id"));
  ASSERT_TRUE(writer->append(batch));
  EXPECT_EQ(writer->has_seen(1, end_of_day(100), "id"), true);
  EXPECT_EQ(writer->has_seen(1, end_of_day(99), "id"), false);
  EXPECT_EQ(writer->has_seen(1, end_of_day(100), "other"), false);
  ASSERT_TRUE(writer->forget_seen_before(101));
  for (const std::uint32_t generation : {1U, 2U}) {
    EXPECT_EQ(writer->has_seen(generation, end_of_day(-1), "id"), false);
    EXPECT_EQ(writer->has_seen(generation, end_of_day(100), "id"), false);
    EXPECT_EQ(writer->has_seen(generation, start_of_day(101), "id"), true);
    EXPECT_EQ(writer->has_seen(generation, end_of_day(101), "id"), true);
  }
  EXPECT_TRUE(writer->forget_seen_before(50));
}

// As version 1 of the format has them.
TEST_F(WriterTest, KnowsIdsThatWereMarkedByTheirDayUntilThatIsForgotten) {
  open_writer();
  {
    const auto database =
        Database::open_primary(paths_.queue_db(), queue_families(), nullptr).value();
    rocksdb::WriteBatch batch;
    for (const Day day : {100, 101}) {
      std::string key;
      put_big(&key, std::uint32_t{1});
      put_day(&key, day);
      batch.Put(database->family(kSeenFamily), key + "id", "");
    }
    ASSERT_TRUE(database->write(&batch));
  }
  const auto writer = open_writer();
  EXPECT_EQ(writer->has_seen(1, start_of_day(100), "id"), true);
  EXPECT_EQ(writer->has_seen(1, end_of_day(100), "id"), true);
  EXPECT_EQ(writer->has_seen(2, end_of_day(100), "id"), false);
  ASSERT_TRUE(writer->forget_seen_before(101));
  EXPECT_EQ(writer->has_seen(1, end_of_day(100), "id"), false);
  EXPECT_EQ(writer->has_seen(1, end_of_day(101), "id"), true);
}

TEST_F(WriterTest, KeepsASecondWriterAway) {
  const auto writer = open_writer();
  const auto second = Writer::open(writer_options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kBusy);
  EXPECT_EQ(second.error().message, "the queue at " + paths_.queue().string() +
                                        " is in use by process " + std::to_string(::getpid()) +
                                        ": stop that one first");
  EXPECT_TRUE(append(writer.get(), Lane::kAudit, 1));
}

TEST_F(WriterTest, RefusesANewerFormatAndChangesNothing) {
  open_writer();
  {
    std::ofstream(paths_.queue() / "FORMAT") << "sluice-queue 3\n";
  }
  const std::string page_before = text_of(paths_.fetcher_page());
  const std::string current_before = text_of(paths_.queue_db() / "CURRENT");
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kFormat);
  EXPECT_EQ(writer.error().message,
            paths_.queue().string() +
                " has format version 3, and this program knows versions up to 2: use the release "
                "that wrote it, or a newer one; nothing was changed");
  EXPECT_EQ(text_of(paths_.fetcher_page()), page_before);
  EXPECT_EQ(text_of(paths_.queue_db() / "CURRENT"), current_before);
}

TEST_F(WriterTest, RefusesAFolderThatIsNotAQueue) {
  std::filesystem::create_directory(paths_.queue());
  {
    std::ofstream(paths_.queue() / "FORMAT") << "something else\n";
  }
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kCorrupt);
}

TEST_F(WriterTest, RefusesADatabaseWithoutItsFormatFile) {
  open_writer();
  std::filesystem::remove(paths_.queue() / "FORMAT");
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kCorrupt);
}

TEST_F(WriterTest, SaysWhatToDoWhenItsFolderCannotBeMade) {
  paths_.root /= "missing";
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kCannotCreate);
  EXPECT_EQ(writer.error().message,
            "cannot make the directory " + paths_.queue().string() +
                ": No such file or directory; make " + paths_.root.string() +
                " first (or mount it, or correct [queue] path in the configuration)");
}

TEST_F(WriterTest, RefusesACopyOnAnotherMachine) {
  open_writer();
  machine_.machine_id = "machine-b";
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kIdentity);
  machine_.machine_id = "";  // a container that does not know
  EXPECT_NE(open_writer(), nullptr);
}

TEST_F(WriterTest, RefusesEventsOfAnotherCluster) {
  const auto writer = open_writer();
  EXPECT_TRUE(writer->claim_cluster("one.example.com"));
  EXPECT_TRUE(writer->claim_cluster("one.example.com"));
  const auto claimed = writer->claim_cluster("two.example.com");
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().kind, ErrorKind::kIdentity);
}

TEST_F(WriterTest, RefusesToBeginANewQueueUnderAShipperThatKnowsAnother) {
  {
    const auto writer = open_writer();
    const auto reader = open_reader();
    ASSERT_TRUE(open_store()->reconcile(*reader->view()));
  }
  std::filesystem::remove_all(paths_.queue());
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kIdentity);
  EXPECT_FALSE(std::filesystem::exists(paths_.queue_db()));
}

TEST_F(WriterTest, RefusesToReplaceADatabaseThatIsMissing) {
  open_writer();
  std::filesystem::remove_all(paths_.queue_db());
  const std::string page_before = text_of(paths_.fetcher_page());
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kIdentity);
  EXPECT_FALSE(std::filesystem::exists(paths_.queue_db()));
  EXPECT_EQ(text_of(paths_.fetcher_page()), page_before);
}

TEST_F(WriterTest, CallsAMissingFileOfItsDatabaseDamage) {
  open_writer();
  std::string manifest = text_of(paths_.queue_db() / "CURRENT");
  manifest.pop_back();  // the end of the line
  ASSERT_TRUE(std::filesystem::remove(paths_.queue_db() / manifest));
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(writer.error().message.find(manifest), std::string::npos) << writer.error().message;
}

TEST_F(WriterTest, RefusesALedgerThatIsOlderThanTheRecords) {
  ASSERT_TRUE(append(open_writer().get(), Lane::kAudit, 5));
  {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), env_);
    ASSERT_TRUE(database) << error_of(database);
    rocksdb::WriteBatch batch;
    batch.DeleteRange((*database)->family(kLedgerFamily), "", "\xff");
    ASSERT_TRUE((*database)->write(&batch));
  }
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(writer.error().message.find("ledger"), std::string::npos) << writer.error().message;
}

TEST_F(WriterTest, IsDeadAfterAFailedWriteAndGoesOnWhenOpenedAnew) {
  Faults faults;
  const auto env = make_faulty_env(&faults);
  env_ = env.get();
  auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 3, "good"));
  for (std::atomic<bool>* fault : {&faults.fail_sync, &faults.fail_append}) {
    *fault = true;
    EXPECT_FALSE(append(writer.get(), Lane::kAudit, 2, "bad"));
    *fault = false;
    EXPECT_EQ(error_of(append(writer.get(), Lane::kAudit, 2, "bad")),
              "the queue must be opened anew after a failed write");
    EXPECT_EQ(writer->last(Lane::kAudit), 3u);
    writer.reset();
    // Whether the failed batch is found again is open; that numbers stay dense and content whole is
    // not.
    writer = open_writer();
    ASSERT_GE(writer->last(Lane::kAudit), 3u);
    const auto reader = open_reader();
    const auto ids = read_ids(reader.get(), Lane::kAudit);
    ASSERT_EQ(ids.size(), writer->last(Lane::kAudit));
    if (ids.size() > 3)
      break;  // the batch survived: the second fault would count from another number
  }
}

// A queue on a disk whose syncs can be held up and refused.
class WriteBehindTest : public WriterTest {
 protected:
  WriteBehindTest() { env_ = faulty_.get(); }
  void let_syncs_go() {
    faults_.hold_sync = false;
    faults_.hold_sync.notify_all();
  }
  Seq durable() const {
    PageReader page(paths_.fetcher_page(), PageRole::kFetcher);
    return decode_fetcher_page(*page.read())->durable[Lane::kAudit];
  }

  Faults faults_;
  std::unique_ptr<rocksdb::Env> faulty_ = make_faulty_env(&faults_);
};

TEST_F(WriteBehindTest, NoReaderSeesWhatTheDiskHasNotTakenYet) {
  const auto writer = open_writer();
  const auto reader = open_reader();
  faults_.hold_sync = true;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(append_behind(writer.get(), Lane::kAudit, 5));
  EXPECT_EQ(writer->last(Lane::kAudit), 15u);
  EXPECT_EQ(durable(), 0u);
  EXPECT_TRUE(read_ids(reader.get(), Lane::kAudit).empty());
  let_syncs_go();
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(durable(), 15u);
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit).size(), 15u);
}

TEST_F(WriteBehindTest, BecomesDurableWithoutBeingAsked) {
  const auto writer = open_writer();
  ASSERT_TRUE(append_behind(writer.get(), Lane::kAudit, 5));
  for (int i = 0; i < 10'000 && durable() < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(durable(), 5u);
}

TEST_F(WriteBehindTest, WhatIsAppendedAfterwardsIsPublishedAfterwards) {
  const auto writer = open_writer();
  ASSERT_TRUE(append_behind(writer.get(), Lane::kAudit, 5));
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 1));
  EXPECT_EQ(durable(), 6u);
  ASSERT_TRUE(append_behind(writer.get(), Lane::kAudit, 1));
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(durable(), 7u);
}

TEST_F(WriteBehindTest, KnowsIdsAndStateThatTheDiskHasNotTakenYet) {
  const auto writer = open_writer();
  faults_.hold_sync = true;
  Append batch;
  batch.mark_seen(1, {1'700'000'000, 0}, "id");
  batch.put_state("cursor", "here");
  ASSERT_TRUE(writer->append_behind(batch));
  EXPECT_TRUE(*writer->has_seen(1, {1'700'000'000, 0}, "id"));
  EXPECT_EQ(*writer->state("cursor"), "here");
  let_syncs_go();
}

TEST_F(WriteBehindTest, ASyncThatFailsBehindItsBackIsToldOnceAndEndsIt) {
  auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 3, "good"));
  faults_.fail_sync = true;
  ASSERT_TRUE(append_behind(writer.get(), Lane::kAudit, 2, "unknown"));
  const auto synced = writer->sync();
  ASSERT_FALSE(synced);
  EXPECT_NE(synced.error().message.find("injected"), std::string::npos) << error_of(synced);
  faults_.fail_sync = false;
  EXPECT_EQ(error_of(append_behind(writer.get(), Lane::kAudit, 2)),
            "the queue must be opened anew after a failed write");
  EXPECT_EQ(error_of(writer->tend()), "the queue must be opened anew after a failed write");
  writer.reset();
  EXPECT_EQ(durable(), 3u) << "what a refused sync covered is never published";
  writer = open_writer();
  const auto reader = open_reader();
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit).size(), writer->last(Lane::kAudit));
}

TEST_F(WriteBehindTest, StillAnswersWhatItWasGivenWhenItIsDead) {
  const auto writer = open_writer();
  const Timestamp time{1'700'000'000, 0};
  Append batch;
  batch.mark_seen(1, time, "id");
  batch.put_state("cursor", "here");
  ASSERT_TRUE(writer->append(batch));
  faults_.fail_sync = true;
  ASSERT_TRUE(append_behind(writer.get(), Lane::kAudit, 2));
  ASSERT_FALSE(writer->sync());
  faults_.fail_sync = false;
  ASSERT_FALSE(append(writer.get(), Lane::kAudit, 2));
  EXPECT_FALSE(writer->claim_cluster("bank.example.com"));
  EXPECT_FALSE(writer->forget_seen_before(0));
  EXPECT_EQ(writer->has_seen(1, time, "id").value(), true);
  EXPECT_EQ(writer->has_seen(1, time, "other").value(), false);
  EXPECT_EQ(writer->state("cursor").value(), "here");
  EXPECT_EQ(writer->states("cur").value().size(), 1U);
}

// With many at once, of both kinds, so that a sync is under way when a write fails.
TEST_F(WriteBehindTest, AWriteThatFailsWhileTheDiskIsBusyEndsIt) {
  Seq expected = 0;
  for (int round = 0; round < 20; ++round) {
    auto writer = open_writer();
    ASSERT_GE(writer->last(Lane::kAudit), expected);
    for (int i = 0; i <= round; ++i) ASSERT_TRUE(append_behind(writer.get(), Lane::kAudit, 2));
    faults_.fail_append = true;
    EXPECT_EQ(append_behind(writer.get(), Lane::kAudit, 2).error().kind, ErrorKind::kNoSpace);
    faults_.fail_append = false;
    EXPECT_FALSE(writer->sync());
    EXPECT_FALSE(append(writer.get(), Lane::kAudit, 2));
    expected = durable();
    EXPECT_LE(expected, writer->last(Lane::kAudit));
  }
}

TEST_F(WriteBehindTest, AnEndInGoodOrderLeavesNothingBehind) {
  {
    ASSERT_TRUE(append_behind(open_writer().get(), Lane::kAudit, 5));
  }
  EXPECT_EQ(durable(), 5u);
}

TEST_F(WriterTest, CountsInTheLedgerWhatItAppendsAndWhatItIsTold) {
  const auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 4));
  Append batch;
  batch.count_filtered(Lane::kAudit, 19'675);
  batch.count_duplicate(Lane::kAudit, 19'675);
  batch.count_duplicate(Lane::kAudit, 19'675);
  ASSERT_TRUE(writer->append(batch));
  const auto reader = open_reader();
  const auto ledger = reader->ledger();
  ASSERT_TRUE(ledger);
  const LedgerRow row = ledger->at({19'675, Lane::kAudit});  // 2023-11-14, the events' day
  EXPECT_EQ(row.queued, 4u);
  EXPECT_EQ(row.filtered, 1u);
  EXPECT_EQ(row.duplicates, 2u);
  Digest expected;
  for (const char* id : {"e-1", "e-2", "e-3", "e-4"}) expected.add_id(id);
  EXPECT_EQ(row.queued_ids, expected);
}

TEST_F(WriterTest, ReportsNumbersThatWerePublishedAndAreGone) {
  Id128 queue_id;
  {
    const auto writer = open_writer();
    queue_id = writer->queue_id();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 3));
  }
  auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
  ASSERT_TRUE(page);
  FetcherPage published;
  published.queue_id = queue_id;
  published.durable[Lane::kAudit] = 10;
  page->publish(encode_page(published));
  const auto writer = open_writer();
  EXPECT_EQ(writer->report().lost[Lane::kAudit], 7u);
  EXPECT_EQ(writer->report().lost[Lane::kSession], 0u);
}

TEST_F(WriterTest, RemembersTheDeliveryStoreItWasPairedWith) {
  const auto writer = open_writer();
  const auto reader = open_reader();
  ASSERT_TRUE(writer->note_delivery_store());  // no shipper yet: nothing to note
  EXPECT_EQ(reader->view()->delivery_id, std::nullopt);
  const auto store = open_store();
  ASSERT_TRUE(store->reconcile(*reader->view()));
  ASSERT_TRUE(writer->note_delivery_store());
  EXPECT_EQ(reader->view()->delivery_id, store->id());
}

TEST_F(WriterTest, NoticesThatItsFolderWasReplacedOrMovedAwayAndDeletesNothingThere) {
  namespace fs = std::filesystem;
  for (const bool is_replaced : {true, false}) {
    SCOPED_TRACE(is_replaced);
    fs::remove_all(paths_.root);
    fs::create_directories(paths_.root);
    {
      const auto before = open_writer();
      ASSERT_TRUE(append(before.get(), Lane::kAudit, 5));
    }
    const fs::path backup = paths_.root / "backup";
    fs::copy(paths_.queue(), backup, fs::copy_options::recursive);
    auto writer = open_writer();
    EXPECT_EQ(error_of(writer->check_folder()), "");
    fs::rename(paths_.queue(), paths_.root / "aside");
    if (is_replaced) fs::rename(backup, paths_.queue());
    const auto checked = writer->check_folder();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().kind, ErrorKind::kIdentity);
    EXPECT_NE(checked.error().message.find(is_replaced ? "replaced by another" : "moved away"),
              std::string::npos)
        << checked.error().message;
    writer.reset();
    if (!is_replaced) continue;
    const auto restored = open_writer();
    EXPECT_EQ(restored->last(Lane::kAudit), 5U);
  }
}

}  // namespace
}  // namespace sluice::queue
