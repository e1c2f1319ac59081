#include "queue/log_syncer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <vector>

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

// A disk whose syncs are counted, and can be held up or refused.
class LogSyncerTest : public ::testing::Test {
 protected:
  LogSyncer::Parts parts() {
    LogSyncer::Parts parts;
    parts.sync = [this]() -> Result<void> {
      ++syncs_;
      held_.wait(true);
      if (refuse_) return fail(ErrorKind::kNoSpace, "no room");
      return {};
    };
    parts.publish = [this](const PerLane<Seq>& durable) {
      published_.push_back(durable[Lane::kAudit]);
    };
    return parts;
  }
  void let_go() {
    held_ = false;
    held_.notify_all();
  }
  void wait_for_sync(int number) {
    while (syncs_ < number) std::this_thread::sleep_for(milliseconds(1));
  }

  std::atomic<bool> held_ = false;
  std::atomic<bool> refuse_ = false;
  std::atomic<int> syncs_ = 0;
  std::vector<Seq> published_;  // by the syncer; to be read after a wait for all
};

TEST_F(LogSyncerTest, PublishesWhatWasWrittenBeforeTheSyncBeganAndNotMore) {
  LogSyncer syncer(parts());
  held_ = true;
  syncer.wrote({1, 0}, 10);
  wait_for_sync(1);
  syncer.wrote({2, 0}, 10);
  syncer.wrote({3, 0}, 10);
  let_go();
  ASSERT_TRUE(syncer.wait_for_all());
  EXPECT_EQ(published_, (std::vector<Seq>{1, 3}));
  EXPECT_EQ(syncs_, 2);
}

TEST_F(LogSyncerTest, LetsNoMoreThanItsBoundBeUnsynced) {
  LogSyncer syncer(parts());
  held_ = true;
  syncer.wrote({1, 0}, kUnsyncedBytesMax - 1);
  ASSERT_TRUE(syncer.wait_for_room());
  syncer.wrote({2, 0}, 1);
  auto room = std::async(std::launch::async, [&] { return syncer.wait_for_room(); });
  EXPECT_EQ(room.wait_for(milliseconds(50)), std::future_status::timeout);
  let_go();
  EXPECT_TRUE(room.get());
}

TEST_F(LogSyncerTest, SyncsAndPublishesNothingAfterARefusedSync) {
  LogSyncer syncer(parts());
  refuse_ = true;
  syncer.wrote({1, 0}, 10);
  EXPECT_EQ(syncer.wait_for_all().error().kind, ErrorKind::kNoSpace);
  refuse_ = false;
  syncer.wrote({2, 0}, 10);
  EXPECT_EQ(syncer.wait_for_all().error().message, "no room");
  EXPECT_EQ(syncer.wait_for_room().error().message, "no room");
  EXPECT_EQ(syncer.check().error().message, "no room");
  EXPECT_EQ(syncs_, 1);
  EXPECT_TRUE(published_.empty());
}

TEST_F(LogSyncerTest, SyncsWhatIsLeftWhenItEnds) {
  {
    LogSyncer syncer(parts());
    held_ = true;
    syncer.wrote({1, 0}, 10);
    wait_for_sync(1);
    syncer.wrote({2, 0}, 10);
    let_go();
  }
  EXPECT_EQ(published_, (std::vector<Seq>{1, 2}));
}

}  // namespace
}  // namespace sluice::queue
