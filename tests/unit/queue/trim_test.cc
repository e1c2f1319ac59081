// Trimming with a real Writer, DeliveryStore and Reader in one process.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "queue/control_page.h"
#include "tests/unit/common/fake_clock.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::size_t kBodyBytes = 8192;
constexpr std::size_t kBatchEvents = 64;
constexpr milliseconds kMinute{60'000};
constexpr milliseconds kHour{3'600'000};

class TrimTest : public QueueFixture {
 protected:
  TrimTest() { clock_.advance(kHour); }

  std::unique_ptr<Writer> open(milliseconds retention = kHour) {
    WriterOptions options = writer_options();
    options.clock = &clock_;
    options.limits.retention = retention;
    options.limits.max_size = max_size_;
    options.limits.session_max_size = session_max_size_;
    options.limits.min_free = 0;
    options.limits.erase_within = kHour;
    options.after_trim_intent = after_intent_;
    auto writer = Writer::open(options);
    EXPECT_EQ(error_of(writer), "");
    return writer ? std::move(*writer) : nullptr;
  }

  // As the shipper does: follows the queue, acknowledges everything up to `last`.
  void acknowledge(Lane lane, Seq last) {
    const auto reader = open_reader();
    const auto store = open_store();
    const auto view = reader->view();
    ASSERT_EQ(error_of(view), "");
    ASSERT_EQ(error_of(store->reconcile(*view)), "");
    Completion done(lane);
    Seq next = store->progress(lane).position + 1;
    while (next <= last) {
      const auto batch = reader->read(lane, next, {.records_max = last - next + 1});
      ASSERT_EQ(error_of(batch), "");
      for (const StoredRecord& record : batch->records()) done.acknowledge(record);
      next = batch->records().back().seq + 1;
    }
    ASSERT_EQ(error_of(store->commit(done)), "");
  }

  // The shipper's page, with other values than it has.
  void set_page(const std::function<void(ShipperPage*)>& change) const {
    auto page = PageWriter::open(paths_.shipper_page(), PageRole::kShipper);
    ASSERT_EQ(error_of(page), "");
    auto values = decode_shipper_page(page->last().value());
    ASSERT_TRUE(values);
    change(&*values);
    page->publish(encode_page(*values));
  }

  // As the daemon does, a step a second.
  void tend(Writer* writer, milliseconds duration = milliseconds(1000)) {
    for (milliseconds passed{0}; passed < duration;) {
      const milliseconds step = std::min(duration - passed, kMinute);
      clock_.advance(step);
      passed += step;
      ASSERT_EQ(error_of(writer->tend()), "");
    }
  }

  // For what RocksDB's own threads have a part in.
  void tend_until(Writer* writer, const std::function<bool()>& done) {
    const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done() && std::chrono::steady_clock::now() < give_up_at) {
      std::this_thread::sleep_for(milliseconds(20));
      tend(writer);
    }
  }

  // Events with bodies that no compression makes smaller, half a mebibyte a batch.
  void fill(Writer* writer, Lane lane, std::uint64_t bytes) {
    for (std::uint64_t written = 0; written < bytes; written += kBatchEvents * kBodyBytes) {
      std::string bodies(kBatchEvents * kBodyBytes, '\0');
      for (std::size_t at = 0; at < bodies.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t word = random_();
        std::memcpy(bodies.data() + at, &word, sizeof word);
      }
      Append batch;
      for (std::size_t i = 0; i < kBatchEvents; ++i) {
        RecordView record;
        record.id = "id";
        record.type = "t";
        record.body = std::string_view(bodies).substr(i * kBodyBytes, kBodyBytes);
        batch.add(lane, record);
      }
      ASSERT_EQ(error_of(writer->append(batch)), "");
      if (!writer->is_tending_due()) continue;
      ASSERT_EQ(error_of(writer->tend()), "");
    }
  }

  FakeClock clock_;
  std::mt19937_64 random_{4711};
  std::function<void()> after_intent_;
  std::uint64_t max_size_ = 64 * kMiB;
  std::optional<std::uint64_t> session_max_size_;
};

TEST_F(TrimTest, TrimsWhatHasBeenAcknowledgedForTheRetentionTimeAndNothingElse) {
  const auto writer = open();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 100));
  ASSERT_TRUE(append(writer.get(), Lane::kSession, 10));
  acknowledge(Lane::kAudit, 60);
  tend(writer.get(), kHour - kMinute);
  EXPECT_EQ(writer->floor(Lane::kAudit), 1U);
  tend(writer.get(), 3 * kMinute);
  EXPECT_EQ(writer->floor(Lane::kAudit), 61U);
  EXPECT_EQ(writer->floor(Lane::kSession), 1U);
  tend(writer.get(), 3 * kHour);
  EXPECT_EQ(writer->floor(Lane::kAudit), 61U);
}

TEST_F(TrimTest, SaysToReadersWhatIsTrimmedAndGivesThemTheRest) {
  const auto writer = open(milliseconds(0));
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 100));
  acknowledge(Lane::kAudit, 60);
  const auto reader = open_reader();
  tend(writer.get());
  const auto below = reader->read(Lane::kAudit, 60, {});
  ASSERT_FALSE(below);
  EXPECT_EQ(below.error().kind, ErrorKind::kTrimmed);
  EXPECT_THAT(below.error().message, HasSubstr("trimmed up to 60"));
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit, 61).size(), 40U);
  EXPECT_EQ(reader->view()->floor[Lane::kAudit], 61U);
}

TEST_F(TrimTest, GoesOnBehindWhatWasTrimmedWhenNothingIsLeft) {
  for (Seq round = 1; round <= 3; ++round) {
    const auto writer = open(milliseconds(0));
    EXPECT_EQ(writer->last(Lane::kAudit), (round - 1) * 50);
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 50));
    acknowledge(Lane::kAudit, round * 50);
    tend(writer.get());
    EXPECT_EQ(writer->floor(Lane::kAudit), round * 50 + 1);
    const auto reader = open_reader();
    EXPECT_EQ(reader->durable(Lane::kAudit), round * 50);
    EXPECT_TRUE(reader->read(Lane::kAudit, round * 50 + 1, {})->empty());
  }
}

TEST_F(TrimTest, TrimsNothingByAPageThatMayNotBeOfThisPair) {
  const auto writer = open(milliseconds(0));
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 100));
  acknowledge(Lane::kAudit, 60);
  const auto original =
      decode_shipper_page(PageReader(paths_.shipper_page(), PageRole::kShipper).read().value())
          .value();
  const std::vector<std::function<void(ShipperPage*)>> doubts = {
      [](ShipperPage* page) { page->boot_id = "another boot"; },
      [](ShipperPage* page) { page->queue_id = Id128::random(); },
      [](ShipperPage* page) { ++page->epoch.number; },
      [](ShipperPage* page) { ++page->epoch.nonce; },
      [](ShipperPage* page) { page->position[Lane::kAudit] = 101; },
  };
  for (const auto& doubt : doubts) {
    set_page([&](ShipperPage* page) {
      *page = original;
      doubt(page);
    });
    tend(writer.get());
    EXPECT_EQ(writer->floor(Lane::kAudit), 1U);
  }
  std::filesystem::resize_file(paths_.shipper_page(), 10);
  tend(writer.get());
  EXPECT_EQ(writer->floor(Lane::kAudit), 1U);
  std::filesystem::remove(paths_.shipper_page());
  tend(writer.get());
  EXPECT_EQ(writer->floor(Lane::kAudit), 1U);
}

TEST_F(TrimTest, KeepsWhatIsHeld) {
  const auto writer = open(milliseconds(0));
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 100));
  acknowledge(Lane::kAudit, 60);
  set_page([](ShipperPage* page) { page->hold[Lane::kAudit] = 20; });
  tend(writer.get());
  EXPECT_EQ(writer->floor(Lane::kAudit), 20U);
  set_page([](ShipperPage* page) { page->hold[Lane::kAudit] = kNoHold; });
  tend(writer.get());
  EXPECT_EQ(writer->floor(Lane::kAudit), 61U);
}

TEST_F(TrimTest, TakesAnAnnouncedFloorBackWhenAHoldComesAtTheSameMoment) {
  int calls = 0;
  after_intent_ = [&] {
    ++calls;
    const auto page =
        decode_fetcher_page(PageReader(paths_.fetcher_page(), PageRole::kFetcher).read().value());
    EXPECT_EQ(page->floor[Lane::kAudit], 61U);  // the shipper can see it
    set_page([](ShipperPage* values) { values->hold[Lane::kAudit] = 30; });
  };
  const auto writer = open(milliseconds(0));
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 100));
  acknowledge(Lane::kAudit, 60);
  tend(writer.get());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(writer->floor(Lane::kAudit), 30U);
  const auto reader = open_reader();
  EXPECT_EQ(reader->view()->floor[Lane::kAudit], 30U);
  EXPECT_EQ(read_ids(reader.get(), Lane::kAudit, 30).size(), 71U);
}

TEST_F(TrimTest, TrimsNothingWhenThePageGoesAwayWhileTheFloorIsAnnounced) {
  after_intent_ = [&] { std::filesystem::remove(paths_.shipper_page()); };
  const auto writer = open(milliseconds(0));
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 100));
  acknowledge(Lane::kAudit, 60);
  tend(writer.get());
  EXPECT_EQ(writer->floor(Lane::kAudit), 1U);
  EXPECT_EQ(open_reader()->view()->floor[Lane::kAudit], 1U);
}

TEST_F(TrimTest, RemembersTheFloorAcrossOpenings) {
  {
    const auto writer = open(milliseconds(0));
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 100));
    acknowledge(Lane::kAudit, 60);
    tend(writer.get());
  }
  const auto writer = open(kHour);
  EXPECT_EQ(writer->floor(Lane::kAudit), 61U);
  EXPECT_EQ(open_reader()->view()->floor[Lane::kAudit], 61U);
}

TEST_F(TrimTest, KnowsWhenNumbersWereWrittenThatAreTrimmed) {
  const auto writer = open(milliseconds(0));
  for (int minute = 1; minute <= 10; ++minute) {
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 10));
    acknowledge(Lane::kAudit, static_cast<Seq>(minute) * 10);
    tend(writer.get(), kMinute);
  }
  EXPECT_EQ(writer->floor(Lane::kAudit), 101U);
  const auto rows = open_reader()->history();
  ASSERT_EQ(error_of(rows), "");
  ASSERT_GE(rows->size(), 10U);
  EXPECT_EQ(rows->back().durable[Lane::kAudit], 100U);
  for (std::size_t i = 1; i < rows->size(); ++i) {
    EXPECT_GT((*rows)[i].time_ms, (*rows)[i - 1].time_ms);
    EXPECT_GE((*rows)[i].durable[Lane::kAudit], (*rows)[i - 1].durable[Lane::kAudit]);
  }
}

TEST_F(TrimTest, TrimsAcknowledgedEventsBeforeTheirTimeRatherThanStop) {
  const auto writer = open();
  const auto reader = open_reader();
  for (int round = 0; round < 5; ++round) {
    fill(writer.get(), Lane::kAudit, 24 * kMiB);
    EXPECT_FALSE(writer->full_lanes()[Lane::kAudit]) << *writer->full_lanes()[Lane::kAudit];
    acknowledge(Lane::kAudit, writer->last(Lane::kAudit));
    tend(writer.get());
    EXPECT_LT(writer->disk_usage().used, max_size_ + max_size_ / 8);
  }
  EXPECT_GT(writer->floor(Lane::kAudit), 1U);
}

TEST_F(TrimTest, SaysThatItIsFullWhenNothingMayBeTrimmedAndThatThereIsRoomAgain) {
  const auto writer = open();
  const auto stop_at = static_cast<Seq>(max_size_ / kBodyBytes * 2);
  while (!writer->full_lanes()[Lane::kAudit] && writer->last(Lane::kAudit) < stop_at) {
    fill(writer.get(), Lane::kAudit, kMiB);
  }
  ASSERT_TRUE(writer->full_lanes()[Lane::kAudit]);
  EXPECT_TRUE(writer->full_lanes()[Lane::kSession]);
  EXPECT_LT(writer->disk_usage().used, max_size_ + max_size_ / 8);
  EXPECT_EQ(writer->floor(Lane::kAudit), 1U);
  const Seq last = writer->last(Lane::kAudit);
  acknowledge(Lane::kAudit, last);
  tend_until(writer.get(), [&] { return writer->full_lanes() == FullLanes(); });
  EXPECT_EQ(writer->full_lanes(), FullLanes());
  EXPECT_GT(writer->floor(Lane::kAudit), 1U);
}

TEST_F(TrimTest, StopsOnlyRecordingsWhenTheyAloneFillTheirShare) {
  session_max_size_ = 8 * kMiB;
  const auto writer = open();
  fill(writer.get(), Lane::kSession, 10 * kMiB);
  tend(writer.get());
  EXPECT_FALSE(writer->full_lanes()[Lane::kAudit]);
  ASSERT_TRUE(writer->full_lanes()[Lane::kSession]);
  EXPECT_THAT(*writer->full_lanes()[Lane::kSession], HasSubstr("session-max-size is 8.0 MiB"));
  acknowledge(Lane::kSession, writer->last(Lane::kSession));
  tend_until(writer.get(), [&] { return writer->full_lanes() == FullLanes(); });
  EXPECT_EQ(writer->full_lanes(), FullLanes());
}

// Room is made by deleting whole tables: a small share must not fit into tables in memory.
TEST_F(TrimTest, GoesOnWhenASmallShareOfALargeQueueIsDelivered) {
  max_size_ = 1024 * kMiB;
  for (const std::uint64_t share : {4 * kMiB, 8 * kMiB}) {
    SCOPED_TRACE(share);
    std::filesystem::remove_all(paths_.root);
    std::filesystem::create_directories(paths_.root);
    session_max_size_ = share;
    const auto writer = open();
    for (int i = 0; i < 100 && !writer->full_lanes()[Lane::kSession]; ++i) {
      fill(writer.get(), Lane::kSession, kMiB / 2);
      tend(writer.get());
    }
    ASSERT_TRUE(writer->full_lanes()[Lane::kSession]);
    acknowledge(Lane::kSession, writer->last(Lane::kSession));
    for (int i = 0; i < 100 && writer->full_lanes()[Lane::kSession]; ++i) {
      std::this_thread::sleep_for(milliseconds(20));
      tend(writer.get());
    }
    EXPECT_FALSE(writer->full_lanes()[Lane::kSession]);
  }
}

TEST_F(TrimTest, LetsAHoldYieldOnlyWhenThereIsNoOtherRoom) {
  const auto writer = open();
  fill(writer.get(), Lane::kAudit, 30 * kMiB);
  acknowledge(Lane::kAudit, writer->last(Lane::kAudit));
  set_page([](ShipperPage* page) { page->hold[Lane::kAudit] = 1; });
  tend(writer.get());
  EXPECT_EQ(writer->floor(Lane::kAudit), 1U);
  fill(writer.get(), Lane::kAudit, 32 * kMiB);
  EXPECT_GT(writer->floor(Lane::kAudit), 1U);
  EXPECT_FALSE(writer->full_lanes()[Lane::kAudit]);
}

TEST_F(TrimTest, KeepsABallastInTheQueuesFolderAndOpensWithoutIt) {
  {
    const auto writer = open();
    tend(writer.get());
    EXPECT_EQ(std::filesystem::file_size(paths_.queue_ballast()), 4 * kMiB);
    EXPECT_GE(writer->disk_usage().used, 4 * kMiB);
    writer->release_room();
    EXPECT_FALSE(std::filesystem::exists(paths_.queue_ballast()));
  }
  const auto writer = open();
  tend(writer.get());
  EXPECT_TRUE(std::filesystem::exists(paths_.queue_ballast()));
}

// All bytes of all files in the folder.
std::string bytes_of(const std::filesystem::path& folder) {
  std::string bytes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path());
    bytes.append(std::istreambuf_iterator<char>(file), {});
  }
  return bytes;
}

TEST_F(TrimTest, TakesTrimmedBytesOffTheDiskWithinTheTimeForIt) {
  // No part of it comes twice, so that it stands as it is in a compressed block, too.
  std::string marker;
  for (int i = 0; i < 64; ++i) marker.push_back(static_cast<char>(33 + (i * 37) % 94));
  const auto writer = open();
  for (const std::string& body : {marker, std::string("kept")}) {
    for (const Lane lane : kLanes) {
      RecordView record;
      record.id = "id";
      record.type = "t";
      record.body = body;
      Append batch;
      batch.add(lane, record);
      ASSERT_EQ(error_of(writer->append(batch)), "");
    }
  }
  for (const Lane lane : kLanes) acknowledge(lane, 1);
  tend(writer.get(), kHour + 2 * kMinute);
  for (const Lane lane : kLanes) EXPECT_EQ(writer->floor(lane), 2U);
  EXPECT_TRUE(bytes_of(paths_.queue()).contains(marker));
  tend(writer.get(), kHour / 2);
  tend_until(writer.get(), [&] { return !bytes_of(paths_.queue()).contains(marker); });
  EXPECT_FALSE(bytes_of(paths_.queue()).contains(marker));
  EXPECT_EQ(read_ids(open_reader().get(), Lane::kAudit, 2).size(), 1U);
}

// The files that this process has open and that are deleted: their room is not free.
int open_deleted_tables() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code closed;
    const std::string name = std::filesystem::read_symlink(entry.path(), closed).string();
    if (!closed && name.ends_with(".sst (deleted)")) ++count;
  }
  return count;
}

// As a shipper does whose sink is down.
TEST_F(TrimTest, AReaderThatReadsNothingGivesTheRoomOfTrimmedFilesFree) {
  const auto writer = open(kHour);
  fill(writer.get(), Lane::kAudit, 16 * kMiB);
  acknowledge(Lane::kAudit, writer->last(Lane::kAudit));
  const auto reader = open_reader();
  EXPECT_EQ(error_of(reader->read(Lane::kAudit, 1, {})), "");
  tend(writer.get(), kHour + 2 * kMinute);
  ASSERT_GT(writer->floor(Lane::kAudit), 1U);
  EXPECT_GT(open_deleted_tables(), 0);
  const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (open_deleted_tables() > 0 && std::chrono::steady_clock::now() < give_up_at) {
    std::this_thread::sleep_for(milliseconds(100));
    EXPECT_EQ(error_of(reader->let_go()), "");
  }
  EXPECT_EQ(open_deleted_tables(), 0);
}

TEST_F(TrimTest, ErasesSoonAfterAStartWhatIsOverdue) {
  std::string marker;
  for (int i = 0; i < 64; ++i) marker.push_back(static_cast<char>(33 + (i * 41) % 94));
  {
    const auto writer = open(milliseconds(0));
    RecordView record;
    record.id = "id";
    record.type = "t";
    record.body = marker;
    Append batch;
    batch.add(Lane::kAudit, record);
    ASSERT_EQ(error_of(writer->append(batch)), "");
    acknowledge(Lane::kAudit, 1);
    tend(writer.get());
    EXPECT_EQ(writer->floor(Lane::kAudit), 2U);
  }
  clock_.advance(kHour);
  const auto writer = open(milliseconds(0));
  tend(writer.get());
  tend_until(writer.get(), [&] { return !bytes_of(paths_.queue()).contains(marker); });
  EXPECT_FALSE(bytes_of(paths_.queue()).contains(marker));
  EXPECT_EQ(writer->last(Lane::kAudit), 1U);
}

}  // namespace
}  // namespace sluice::queue
