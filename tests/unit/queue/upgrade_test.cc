// A queue and a store as version 1 wrote them, and what upgrade-format makes of them.

#include "queue/upgrade.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <fstream>
#include <string>
#include <vector>

#include "common/files.h"
#include "queue/control_page.h"
#include "queue/delivery_reader.h"
#include "queue/delivery_schema.h"
#include "queue/format_file.h"
#include "queue/ledger_store.h"
#include "queue/queue_schema.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

constexpr int kRecords = 25;
constexpr Seq kPosition = 10;
constexpr Epoch kEpoch{3, 0xabcdef};

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

class UpgradeTest : public QueueFixture {
 protected:
  UpgradeTest() {
    make_queue();
    make_store();
  }

  static RecordView record(const std::string& id, const std::string& body) {
    RecordView view;
    view.epoch = kEpoch.number;
    view.fetched_at_ms = 1'700'000'000'000;
    view.time = {1'700'000'000, 0};
    view.id = id;
    view.type = "user.login";
    view.body = body;
    return view;
  }

  // The keys and families that version 1 had.
  void make_queue() {
    std::filesystem::create_directories(paths_.queue());
    write_file(paths_.queue() / "FORMAT", "sluice-queue 1\n");
    auto database = Database::open_primary(paths_.queue_db(), queue_families(1), nullptr);
    ASSERT_TRUE(database) << error_of(database);
    queue_id_ = Id128::random();
    rocksdb::WriteBatch batch;
    batch.Put("queue-id", id_bytes(queue_id_));
    std::string machine_key = "machine-id/";
    put_big(&machine_key, std::uint64_t{1});
    batch.Put(machine_key, machine_.machine_id);
    batch.Put("cluster", "bank.example.com");
    batch.Put("state/search", "from=2026-11-21T00:00:00Z\n");
    EpochRow epoch;
    epoch.epoch = kEpoch;
    for (const Lane lane : kLanes) epoch.first[lane] = 1;
    put_epoch_row(**database, epoch, &batch);
    Ledger delta;
    for (Seq seq = 1; seq <= kRecords; ++seq) {
      const std::string id = fmt::format("e-{}", seq);
      std::string value;
      encode_record(Lane::kAudit, seq, record(id, R"({"uid":"x"})"), &value);
      batch.Put((*database)->family("audit"), record_key(seq), value);
      LedgerRow& row = delta[{day_of({1'700'000'000, 0}), Lane::kAudit}];
      ++row.queued;
      row.queued_ids.add_id(id);
    }
    LedgerStore ledger;
    ledger.add(**database, delta, 1, &batch);
    ASSERT_TRUE((*database)->write(&batch));
    database->reset();
    auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
    ASSERT_TRUE(page);
    FetcherPage values;
    values.queue_id = queue_id_;
    values.boot_id = machine_.boot_id;
    values.epoch = kEpoch;
    values.durable[Lane::kAudit] = kRecords;
    for (const Lane lane : kLanes) values.floor[lane] = 1;
    page->publish(encode_page(values));
  }

  void make_store() {
    std::filesystem::create_directories(paths_.sink());
    write_file(paths_.sink() / "FORMAT", "sluice-delivery 1\n");
    auto database = Database::open_primary(paths_.delivery_db(), delivery_families(1), nullptr);
    ASSERT_TRUE(database) << error_of(database);
    store_id_ = Id128::random();
    rocksdb::WriteBatch batch;
    batch.Put("delivery-id", id_bytes(store_id_));
    std::string key = "binding/";
    put_big(&key, std::uint64_t{1});
    batch.Put(key, encode_binding({queue_id_, "bank.example.com", machine_.machine_id}));
    EpochRow epoch;
    epoch.epoch = kEpoch;
    for (const Lane lane : kLanes) epoch.first[lane] = 1;
    put_epoch_row(**database, epoch, &batch);
    AnswerRow answer;
    answer.numbers = {1, kPosition};
    LedgerRow& row = answer.delta[{day_of({1'700'000'000, 0}), Lane::kAudit}];
    row.acknowledged = kPosition;
    for (Seq seq = 1; seq <= kPosition; ++seq)
      row.acknowledged_ids.add_id(fmt::format("e-{}", seq));
    batch.Put((*database)->family("answers"), answer_key(Lane::kAudit, 1), encode_answer(answer));
    LedgerStore ledger;
    ledger.add(**database, answer.delta, 2, &batch);
    for (const Lane lane : kLanes) {
      LaneRow lane_row;
      lane_row.queue_id = queue_id_;
      lane_row.epoch = kEpoch;
      if (lane == Lane::kAudit) {
        lane_row.progress.position = kPosition;
        lane_row.progress.acknowledged = kPosition;
      }
      std::string lane_key = lane_prefix(lane);
      put_big(&lane_key, std::uint64_t{2});
      batch.Put((*database)->family("lanes"), lane_key, encode_lane_row(lane_row));
    }
    ASSERT_TRUE((*database)->write(&batch));
  }

  // All that a version 1 queue says, by a reader.
  void expect_everything_is_there() {
    const auto reader = open_reader();
    ASSERT_NE(reader, nullptr);
    const auto ids = read_ids(reader.get(), Lane::kAudit);
    ASSERT_EQ(ids.size(), std::size_t{kRecords});
    for (int i = 0; i < kRecords; ++i) {
      EXPECT_EQ(ids[static_cast<std::size_t>(i)], fmt::format("e-{}", i + 1));
    }
    const auto view = reader->view();
    ASSERT_TRUE(view);
    EXPECT_EQ(view->queue_id, queue_id_);
    EXPECT_EQ(view->cluster, "bank.example.com");
    EXPECT_EQ(view->epochs.front().epoch, kEpoch);
    const auto ledger = reader->ledger();
    ASSERT_TRUE(ledger);
    EXPECT_EQ(total_of(*ledger, Lane::kAudit).queued, std::uint64_t{kRecords});
    const auto store = DeliveryReader::open(paths_, paths_.root / "scratch-delivery");
    ASSERT_TRUE(store) << error_of(store);
    const auto delivered = (*store)->view();
    ASSERT_TRUE(delivered) << error_of(delivered);
    EXPECT_EQ(delivered->delivery_id, store_id_);
    EXPECT_EQ(delivered->queue_id, queue_id_);
    EXPECT_EQ(delivered->progress[Lane::kAudit].position, kPosition);
    EXPECT_EQ(total_of(delivered->ledger, Lane::kAudit).acknowledged, kPosition);
  }

  void expect_the_daemons_go_on() {
    const auto writer = open_writer();
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(writer->report().epoch.number, kEpoch.number + 1);
    EXPECT_EQ(writer->report().last[Lane::kAudit], Seq{kRecords});
    EXPECT_EQ(writer->state("search").value(), "from=2026-11-21T00:00:00Z\n");
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 2, "new"));
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_NE(store, nullptr);
    const auto rewinds = store->reconcile(*reader->view());
    ASSERT_TRUE(rewinds) << error_of(rewinds);
    EXPECT_TRUE(rewinds->empty());
    EXPECT_EQ(store->progress(Lane::kAudit).position, kPosition);
    EXPECT_EQ(read_ids(reader.get(), Lane::kAudit, kPosition + 1).size(),
              std::size_t{kRecords - kPosition + 2});
  }

  std::string format_of(const std::filesystem::path& folder) const {
    return read_file(folder / "FORMAT", 100).value_or("none");
  }

  Id128 queue_id_;
  Id128 store_id_;
};

TEST_F(UpgradeTest, AnOlderQueueIsReadButNotWritten) {
  expect_everything_is_there();
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kFormat);
  EXPECT_NE(writer.error().message.find("queuectl upgrade-format"), std::string::npos);
  const auto store = DeliveryStore::open(store_options());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, ErrorKind::kFormat);
  EXPECT_NE(store.error().message.find("queuectl upgrade-format"), std::string::npos);
  EXPECT_EQ(format_of(paths_.queue()), "sluice-queue 1\n");
}

TEST_F(UpgradeTest, EverythingIsTheSameAfterwardsAndTheDaemonsGoOn) {
  const auto queue = upgrade_queue(paths_);
  ASSERT_TRUE(queue) << error_of(queue);
  EXPECT_EQ(queue->from, 1);
  const auto store = upgrade_delivery(paths_, "a test");
  ASSERT_TRUE(store) << error_of(store);
  EXPECT_EQ(store->from, 1);
  EXPECT_EQ(format_of(paths_.queue()), "sluice-queue 2\n");
  EXPECT_EQ(format_of(paths_.sink()), "sluice-delivery 2\n");
  expect_everything_is_there();
  expect_the_daemons_go_on();
}

TEST_F(UpgradeTest, AStopAtAnyStepLeavesAWholeQueueAndASecondRunFinishes) {
  for (const std::string_view stop_at : {"families", "rows", "format"}) {
    SCOPED_TRACE(stop_at);
    const auto stop = [&](std::string_view step) -> Result<void> {
      if (step == stop_at) return fail(ErrorKind::kStopped, "stopped");
      return {};
    };
    ASSERT_FALSE(upgrade_queue(paths_, stop));
    ASSERT_FALSE(upgrade_delivery(paths_, "a test", stop));
    EXPECT_EQ(format_of(paths_.queue()), "sluice-queue 1\n");
    expect_everything_is_there();
    EXPECT_FALSE(Writer::open(writer_options()));
  }
  ASSERT_TRUE(upgrade_queue(paths_));
  ASSERT_TRUE(upgrade_delivery(paths_, "a test"));
  expect_everything_is_there();
  expect_the_daemons_go_on();
}

TEST_F(UpgradeTest, TheJournalSaysWhoRaisedTheFormatAndWhy) {
  ASSERT_TRUE(upgrade_delivery(paths_, "release 2 is here"));
  const std::string lines = journal();
  const std::string line = lines.substr(lines.rfind('\n', lines.size() - 2) + 1);
  EXPECT_NE(line.find("raised to version 2"), std::string::npos) << line;
  EXPECT_NE(line.find("release 2 is here"), std::string::npos) << line;
}

TEST_F(UpgradeTest, ASecondRunChangesNothing) {
  ASSERT_TRUE(upgrade_queue(paths_));
  ASSERT_TRUE(upgrade_delivery(paths_, "a test"));
  const auto again = upgrade_queue(paths_, [](std::string_view) -> Result<void> {
    return fail(ErrorKind::kInternal, "it takes a step");
  });
  ASSERT_TRUE(again) << error_of(again);
  EXPECT_EQ(again->from, kFormatVersion);
}

TEST_F(UpgradeTest, TheNewFamiliesHaveTheNumbersThatANewQueueGivesThem) {
  const auto ids_of = [](Database& database) {
    std::vector<std::string> ids;
    for (const auto& family : queue_families()) {
      ids.push_back(fmt::format("{} {}", family.name, database.family(family.name)->GetID()));
    }
    return ids;
  };
  ASSERT_TRUE(upgrade_queue(paths_));
  const auto upgraded = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
  const auto fresh = Database::open_primary(paths_.root / "fresh", queue_families(), nullptr);
  ASSERT_TRUE(upgraded && fresh);
  EXPECT_EQ(ids_of(**upgraded), ids_of(**fresh));
}

TEST_F(UpgradeTest, ARunningDaemonIsNotUpgradedUnderItsFeet) {
  ASSERT_TRUE(upgrade_queue(paths_));
  ASSERT_TRUE(upgrade_delivery(paths_, "a test"));
  const auto writer = open_writer();
  write_file(paths_.queue() / "FORMAT", "sluice-queue 1\n");
  const auto refused = upgrade_queue(paths_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kBusy);
}

TEST_F(UpgradeTest, ANewerOrDamagedFormatFileIsRefusedAndKept) {
  for (const auto& [text, kind] : std::vector<std::pair<std::string, ErrorKind>>{
           {"sluice-queue 3\n", ErrorKind::kFormat},
           {"sluice-queue 0\n", ErrorKind::kCorrupt},
           {"sluice-queue\n", ErrorKind::kCorrupt},
           {"", ErrorKind::kCorrupt},
           {"sluice-delivery 2\n", ErrorKind::kCorrupt}}) {
    SCOPED_TRACE(text);
    write_file(paths_.queue() / "FORMAT", text);
    const auto upgraded = upgrade_queue(paths_);
    ASSERT_FALSE(upgraded);
    EXPECT_EQ(upgraded.error().kind, kind);
    const auto writer = Writer::open(writer_options());
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().kind, kind);
    EXPECT_EQ(format_of(paths_.queue()), text);
  }
}

TEST_F(UpgradeTest, AMissingHalfIsLeftMissing) {
  std::filesystem::remove_all(paths_.delivery());
  const auto store = upgrade_delivery(paths_, "a test");
  ASSERT_TRUE(store) << error_of(store);
  EXPECT_FALSE(store->from);
  EXPECT_FALSE(std::filesystem::exists(paths_.delivery()));
}

TEST_F(UpgradeTest, StateThatCoversLostRecordsStopsTheWriter) {
  ASSERT_TRUE(upgrade_queue(paths_));
  {
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    ASSERT_TRUE(database);
    rocksdb::WriteBatch batch;
    batch.Delete((*database)->family("audit"), record_key(kRecords));
    ASSERT_TRUE((*database)->write(&batch));
  }
  const auto writer = Writer::open(writer_options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(
      writer.error().message.find("lane audit ends at 24, but what was fetched reached to 25"),
      std::string::npos)
      << writer.error().message;
}

}  // namespace
}  // namespace sluice::queue
