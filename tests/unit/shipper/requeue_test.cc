// Dead letters that are sent again, on a real queue and store; the lane is driven step by step.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "queue/delivery_store.h"
#include "shipper/lane_shipper.h"
#include "shipper/requeue/requeue_work.h"
#include "shipper/store_sink.h"
#include "tests/unit/queue/queue_fixture.h"
#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using queue::Lane;
using queue::RecordKey;
using queue::Seq;
using std::chrono::milliseconds;

queue::Actor anna() { return {1000, "anna", "INC-4711"}; }

class RequeueTest : public queue::QueueFixture {
 protected:
  // Ten events, of which the even ones are dead letters.
  RequeueTest() {
    auto writer = open_writer();
    EXPECT_TRUE(append(writer.get(), Lane::kAudit, 10));
    writer.reset();
    reader_ = open_reader();
    block_ = reader_->read(Lane::kAudit, 1, {}).value();
    store_ = open_store();
    EXPECT_EQ(queue::error_of(store_->reconcile(reader_->view().value())), "");
    queue::Completion completion(Lane::kAudit);
    for (const auto& record : block_.records()) {
      if (record.seq % 2 == 0) {
        completion.set_aside(record, queue::DeadLetter::of(Lane::kAudit, record));
      } else {
        completion.acknowledge(record);
      }
    }
    EXPECT_EQ(queue::error_of(store_->commit(completion)), "");
  }

  RecordKey key(Seq seq) const {
    return {Lane::kAudit, seq, block_.records()[seq - 1].record.epoch};
  }
  void requeue(const std::vector<Seq>& numbers) {
    std::vector<RecordKey> records;
    for (const Seq seq : numbers) records.push_back(key(seq));
    const auto done = store_->requeue(records, anna());
    ASSERT_EQ(queue::error_of(done), "");
    ASSERT_EQ(done->changed, numbers.size());
  }

  void start(std::size_t batch_events = 10) {
    work_ = std::make_unique<RequeueWork>(Lane::kAudit, store_.get());
    LaneOptions options;
    options.urls = {"https://fluentd:8888/test.log"};
    options.connections = 1;
    options.regroups = true;
    options.batch_events = batch_events;
    options.lone_refusals_max = std::numeric_limits<unsigned>::max();
    const LaneParts parts{.source = work_.get(),
                          .sink = work_.get(),
                          .transport = &transport_,
                          .observer = &observer_,
                          .counters = &counters_,
                          .clock = &clock_,
                          .rate = nullptr};
    shipper_ = std::make_unique<LaneShipper>(options, parts, queue::LaneProgress{});
  }
  // Until it says that nothing is left.
  void run_to_end() {
    for (int i = 0; i < 1000; ++i) {
      const auto done = shipper_->step();
      if (done) continue;
      ASSERT_EQ(done.error().kind, ErrorKind::kStopped) << done.error().message;
      ASSERT_TRUE(shipper_->finish(milliseconds(100)));
      return;
    }
    FAIL() << "it does not end";
  }

  queue::LaneProgress at() const { return store_->progress(Lane::kAudit); }
  std::string sent(std::size_t request) const { return transport_.sent.at(request).body; }
  static bool names(const std::string& body, Seq seq) {
    return body.find(fmt::format("\"e-{}\"", seq)) != std::string::npos;
  }

  std::unique_ptr<queue::Reader> reader_;
  queue::RecordBatch block_;
  std::unique_ptr<queue::DeliveryStore> store_;
  FakeClock clock_;
  FakeTransport transport_{&clock_};
  FakeObserver observer_;
  LaneCounters counters_;
  std::unique_ptr<RequeueWork> work_;
  std::unique_ptr<LaneShipper> shipper_;
};

TEST_F(RequeueTest, ThoseThatAreAskedForAreSentAsTheyWereAndCountAsAcknowledged) {
  requeue({4, 8});
  start();
  transport_.responder = [](const auto&) { return status(200); };
  run_to_end();
  ASSERT_EQ(transport_.sent.size(), 1u);
  const auto& records = block_.records();
  EXPECT_EQ(sent(0), fmt::format("[{},{}]", records[3].record.body, records[7].record.body));
  EXPECT_EQ(at().acknowledged, 7u);
  EXPECT_EQ(at().dead, 3u);
  EXPECT_EQ(store_->dead_letters(Lane::kAudit).count, 3u);
  expect_clean();
}

TEST_F(RequeueTest, WhatIsRefusedAgainStaysAndHoldsUpNobody) {
  requeue({2, 4, 6, 8, 10});
  start();
  transport_.responder = [](const FakeTransport::Request& request) {
    return names(request.body, 6) ? status(400, "invalid time") : status(200);
  };
  run_to_end();
  EXPECT_EQ(at().acknowledged, 9u);
  EXPECT_EQ(at().dead, 1u);
  const auto letter = store_->dead_letter(key(6));
  ASSERT_EQ(queue::error_of(letter), "");
  EXPECT_NE(letter->reason.find("invalid time"), std::string::npos);
  EXPECT_GT(letter->attempts, 0u);
  EXPECT_TRUE(store_->requeued(Lane::kAudit).empty());
}

TEST_F(RequeueTest, AllThatIsRefusedAgainEndsToo) {
  requeue({2, 4, 6, 8, 10});
  start();
  transport_.responder = [](const auto&) { return status(400); };
  run_to_end();
  EXPECT_EQ(at().dead, 5u);
  EXPECT_TRUE(store_->requeued(Lane::kAudit).empty());
}

TEST_F(RequeueTest, OneWithALowerNumberThatIsAskedForLaterComesAfterThose) {
  requeue({6, 8});
  start();
  ASSERT_TRUE(shipper_->step());
  requeue({2});
  ASSERT_TRUE(shipper_->step());
  ASSERT_EQ(transport_.sent.size(), 1u);
  transport_.responder = [](const auto&) { return status(200); };
  run_to_end();
  ASSERT_EQ(transport_.sent.size(), 2u);
  EXPECT_TRUE(names(sent(1), 2));
  EXPECT_EQ(at().acknowledged, 8u);
}

TEST_F(RequeueTest, WhatIsDiscardedOrCancelledWhileItWaitsIsNotSentAgain) {
  requeue({2, 4, 6});
  start();
  ASSERT_TRUE(shipper_->step());
  transport_.answer(1, status(503));
  ASSERT_TRUE(shipper_->step());
  ASSERT_TRUE(store_->discard({key(4)}, anna()));
  ASSERT_TRUE(store_->cancel_requeue({key(6)}, anna()));
  transport_.responder = [](const auto&) { return status(200); };
  run_to_end();
  ASSERT_EQ(transport_.sent.size(), 2u);
  EXPECT_TRUE(names(sent(1), 2));
  EXPECT_FALSE(names(sent(1), 4));
  EXPECT_FALSE(names(sent(1), 6));
  EXPECT_EQ(at().acknowledged, 6u);
  EXPECT_EQ(at().skipped, 1u);
  EXPECT_EQ(at().dead, 3u);
  // Asked for anew, it is for the next lane.
  requeue({6});
  start();
  run_to_end();
  EXPECT_EQ(at().acknowledged, 7u);
}

TEST_F(RequeueTest, WhatWasCancelledAndThenDiscardedUnderWayCountsAsTheSinkHasIt) {
  requeue({2, 4});
  start();
  ASSERT_TRUE(shipper_->step());
  for (const Seq seq : {Seq{2}, Seq{4}}) {
    ASSERT_TRUE(store_->cancel_requeue({key(seq)}, anna()));
    ASSERT_TRUE(store_->discard({key(seq)}, anna()));
  }
  ASSERT_EQ(at().skipped, 2u);
  transport_.answer(1, status(200));
  run_to_end();
  EXPECT_EQ(at().acknowledged, 7u);
  EXPECT_EQ(at().skipped, 0u);
  expect_clean();
}

TEST_F(RequeueTest, LaneWhoseLettersAreAllGoneEndsThoughTheSinkCannotBeReached) {
  requeue({2, 4});
  start();
  transport_.responder = [](const auto&) { return network_failure(false); };
  ASSERT_TRUE(shipper_->step());
  ASSERT_TRUE(store_->discard({key(2), key(4)}, anna()));
  run_to_end();
  EXPECT_EQ(at().skipped, 2u);
}

TEST_F(RequeueTest, WhatWasNotAnsweredIsSentAgainByTheNextProcess) {
  requeue({2});
  start();
  ASSERT_TRUE(shipper_->step());
  ASSERT_EQ(transport_.sent.size(), 1u);
  shipper_.reset();
  transport_.in_flight.clear();
  store_.reset();
  store_ = open_store();
  start();
  transport_.responder = [](const auto&) { return status(200); };
  run_to_end();
  EXPECT_EQ(transport_.sent.size(), 2u);
  EXPECT_EQ(at().acknowledged, 6u);
}

// ---- The store as the sink of the live flow

TEST_F(RequeueTest, StoreSinkLeavesTheAccountOfSkippedEventsToTheStore) {
  auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 4, "f"));
  writer.reset();
  ASSERT_TRUE(reader_->reopen());
  ASSERT_EQ(queue::error_of(store_->reconcile(reader_->view().value())), "");
  const auto block =
      std::make_shared<const queue::RecordBatch>(reader_->read(Lane::kAudit, 11, {}).value());
  std::vector<RecordPtr> records;
  for (const auto& record : block->records()) records.emplace_back(block, &record);
  ASSERT_EQ(records.size(), 4u);
  StoreSink sink(store_.get(), {.count_max = 6, .bytes_max = 1U << 20});
  std::uint64_t mark = 0;
  EXPECT_TRUE(sink.taken_out(Lane::kAudit, &mark).empty());
  ASSERT_EQ(queue::error_of(store_->skip(Lane::kAudit, {*records[1], *records[2]}, anna())), "");
  EXPECT_EQ(sink.taken_out(Lane::kAudit, &mark), (std::vector<Seq>{12, 13}));
  EXPECT_TRUE(sink.taken_out(Lane::kAudit, &mark).empty());
  Finished finished;
  finished.acknowledged = {records[0], records[1], records[3]};
  finished.set_aside.push_back({records[2], queue::DeadLetter::of(Lane::kAudit, *records[2])});
  ASSERT_EQ(queue::error_of(sink.commit(Lane::kAudit, finished)), "");
  EXPECT_EQ(at().position, 14u);
  EXPECT_EQ(at().acknowledged, 8u);  // 12 was taken by the sink
  EXPECT_EQ(at().skipped, 1u);       // 13 was refused, and stays skipped
  EXPECT_EQ(at().dead, 5u);
  EXPECT_EQ(sink.no_room_for_letters(Lane::kAudit, 0), std::nullopt);
  EXPECT_NE(sink.no_room_for_letters(Lane::kAudit, 1), std::nullopt);
  EXPECT_EQ(sink.no_room_for_letters(Lane::kSession, 1), std::nullopt);
}

}  // namespace
}  // namespace sluice::shipper
