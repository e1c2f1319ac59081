// Several replay jobs at work on a real queue and store, with a sink that takes everything.
#include "shipper/replay/replays.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "common/time.h"
#include "shipper/reader_source.h"
#include "tests/unit/queue/queue_fixture.h"
#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using queue::Lane;
using queue::ReplayState;
using queue::Seq;
using std::chrono::milliseconds;

// What all transports of a test have taken.
struct Sink {
  std::atomic<std::size_t> requests = 0;
  std::atomic<int> transports = 0;
  std::atomic<int> transports_max = 0;
  std::atomic<bool> is_silent = false;  // takes requests and answers none
};

class AcceptingTransport final : public fluentd::Transport {
 public:
  explicit AcceptingTransport(Sink* sink) : sink_(*sink) {
    const int now = ++sink_.transports;
    int most = sink_.transports_max;
    while (now > most && !sink_.transports_max.compare_exchange_weak(most, now)) {
    }
  }
  ~AcceptingTransport() override { --sink_.transports; }
  void start(std::uint64_t request_id, const std::string& /*url*/, std::string /*body*/) override {
    ++sink_.requests;
    waiting_.push_back(request_id);
  }
  std::vector<fluentd::Answer> poll(milliseconds timeout) override {
    std::vector<fluentd::Answer> answers;
    std::unique_lock lock(mutex_);
    if (waiting_.empty() || sink_.is_silent) {
      woken_.wait_for(lock, timeout, [this] { return is_woken_; });
      is_woken_ = false;
    }
    if (sink_.is_silent) return answers;
    for (; !waiting_.empty(); waiting_.pop_front()) {
      answers.push_back(status(200));
      answers.back().request_id = waiting_.front();
    }
    return answers;
  }
  void wake() override {
    const std::lock_guard lock(mutex_);
    is_woken_ = true;
    woken_.notify_all();
  }
  void cancel_all() override { waiting_.clear(); }

 private:
  Sink& sink_;
  std::deque<std::uint64_t> waiting_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool is_woken_ = false;
};

constexpr int kEvents = 200;

class ReplaysTest : public queue::QueueFixture {
 protected:
  ReplaysTest() : writer_(open_writer()) {
    EXPECT_TRUE(append(writer_.get(), Lane::kAudit, kEvents));
    reader_ = open_reader();
    store_ = open_store();
    EXPECT_EQ(queue::error_of(store_->reconcile(reader_->view().value())), "");
    deliver_up_to(kEvents);
    source_ = std::make_unique<ReaderSource>(reader_.get());
  }

  void deliver_up_to(Seq last) {
    queue::Completion completion(Lane::kAudit);
    for (Seq seq = store_->progress(Lane::kAudit).position + 1; seq <= last; ++seq) {
      completion.acknowledge({seq, {}});
    }
    EXPECT_EQ(queue::error_of(store_->commit(completion)), "");
  }

  std::uint64_t add_job(Seq first = 1, Seq last = kEvents, std::uint64_t rate = 0) {
    queue::ReplaySpec spec;
    spec.numbers = {first, last};
    spec.rate = rate;
    spec.actor.reason = "test";
    const auto job = store_->start_replay(spec, false);
    EXPECT_EQ(queue::error_of(job), "");
    return job->id;
  }

  std::unique_ptr<Replays> run() {
    return std::make_unique<Replays>(
        ReplaysOptions{.lane_options =
                           [](Lane lane) {
                             LaneOptions options = {.urls = {"https://fluentd:8888/test.log"}};
                             options.lane = lane;
                             options.batch_events = 50;
                             return options;
                           },
                       .make_transport = [this]() -> Result<std::unique_ptr<fluentd::Transport>> {
                         return std::make_unique<AcceptingTransport>(&sink_);
                       },
                       .finish = {.patience = milliseconds(100), .hurry = {}},
                       .clock = &system_clock(),
                       .store = store_.get(),
                       .source = source_.get(),
                       .on_failure = [this] { has_failed_ = true; }});
  }

  // Bounded by the test's own time limit.
  void wait_until(const std::function<bool()>& condition) {
    while (!condition() && !has_failed_) std::this_thread::sleep_for(milliseconds(5));
  }
  ReplayState state(std::uint64_t job) const { return store_->replay(job)->progress.state; }

  std::unique_ptr<queue::Writer> writer_;
  std::unique_ptr<queue::Reader> reader_;
  std::unique_ptr<queue::DeliveryStore> store_;
  std::unique_ptr<ReaderSource> source_;
  Sink sink_;
  std::atomic<bool> has_failed_ = false;
};

TEST_F(ReplaysTest, MoreJobsThanMayRunAtOnceAreAllDone) {
  std::vector<std::uint64_t> jobs;
  for (std::size_t i = 0; i < 2 * queue::kReplaysAtOnce; ++i) jobs.push_back(add_job());
  const auto replays = run();
  for (const auto job : jobs) {
    wait_until([&] { return state(job) != ReplayState::kActive; });
    EXPECT_EQ(state(job), ReplayState::kDone);
    EXPECT_EQ(store_->replay(job)->progress.sent, std::uint64_t{kEvents});
  }
  EXPECT_LE(sink_.transports_max, static_cast<int>(queue::kReplaysAtOnce));
  EXPECT_TRUE(replays->result());
}

TEST_F(ReplaysTest, JobThatIsAddedLaterBeginsWhileOthersRun) {
  const auto slow = add_job(1, kEvents, 10);
  const auto replays = run();
  const auto quick = add_job(1, 20);
  wait_until([&] { return state(quick) == ReplayState::kDone; });
  EXPECT_EQ(state(quick), ReplayState::kDone);
  EXPECT_EQ(state(slow), ReplayState::kActive);
}

TEST_F(ReplaysTest, StopPausesAJobAndTheNextRunGoesOn) {
  const auto job = add_job(1, kEvents, 200);
  auto replays = run();
  wait_until([&] { return store_->replay(job)->progress.sent > 0; });
  replays.reset();
  const auto sent = store_->replay(job)->progress.sent;
  EXPECT_EQ(state(job), ReplayState::kActive);
  EXPECT_LT(sent, std::uint64_t{kEvents});
  replays = run();
  wait_until([&] { return state(job) != ReplayState::kActive; });
  EXPECT_EQ(store_->replay(job)->progress.sent, std::uint64_t{kEvents});
}

TEST_F(ReplaysTest, CancelledJobIsStoppedThoughItsSinkIsSilent) {
  sink_.is_silent = true;
  const auto job = add_job();
  const auto replays = run();
  wait_until([&] { return sink_.requests > 0; });
  ASSERT_TRUE(store_->cancel_replay(job, {0, "", "enough"}));
  wait_until([&] { return sink_.transports == 0; });
  EXPECT_EQ(sink_.transports, 0);
  EXPECT_EQ(state(job), ReplayState::kCancelled);
  EXPECT_TRUE(replays->result());
}

TEST_F(ReplaysTest, NewEpochIsReportedAndEndsNoJob) {
  // More than a job reads at once, so that it has to look again.
  constexpr Seq kMany = kEvents + 3000;
  ASSERT_TRUE(append(writer_.get(), Lane::kAudit, kMany - kEvents));
  deliver_up_to(kMany);
  const auto job = add_job(1, kMany, 2000);
  auto replays = run();
  wait_until([&] { return store_->replay(job)->progress.sent > 0; });
  writer_.reset();
  writer_ = open_writer();
  wait_until([&] { return state(job) != ReplayState::kActive; });
  ASSERT_TRUE(has_failed_);
  EXPECT_EQ(replays->result().error().kind, ErrorKind::kEpochChanged);
  replays.reset();
  EXPECT_EQ(state(job), ReplayState::kActive);
  has_failed_ = false;
  ASSERT_TRUE(reader_->reopen());
  ASSERT_TRUE(store_->reconcile(reader_->view().value()));
  replays = run();
  wait_until([&] { return state(job) != ReplayState::kActive; });
  EXPECT_EQ(store_->replay(job)->progress.sent, kMany);
}

TEST_F(ReplaysTest, NeitherPositionsNorLedgerNoticeAReplay) {
  const auto progress = store_->progress(Lane::kAudit);
  const auto ledger = store_->ledger();
  const auto job = add_job();
  const auto replays = run();
  wait_until([&] { return state(job) != ReplayState::kActive; });
  EXPECT_EQ(store_->progress(Lane::kAudit), progress);
  EXPECT_EQ(store_->ledger(), ledger);
}

TEST_F(ReplaysTest, WhatWasSkippedIsSentOnlyIfItIsNamed) {
  ASSERT_TRUE(append(writer_.get(), Lane::kAudit, 3, "f"));
  const auto block = reader_->read(Lane::kAudit, kEvents + 1, {});
  ASSERT_TRUE(block);
  const auto skipped = store_->skip(Lane::kAudit, {block->records()[1]}, {0, "", "test"});
  ASSERT_EQ(queue::error_of(skipped), "");
  queue::Completion completion(Lane::kAudit);
  completion.acknowledge(block->records()[0]);
  completion.acknowledge(block->records()[2]);
  ASSERT_EQ(queue::error_of(store_->commit(completion)), "");
  ASSERT_EQ(store_->progress(Lane::kAudit).position, Seq{kEvents + 3});
  queue::ReplaySpec named;
  named.numbers = {1, kEvents + 3};
  named.filter.ids = {"f-2"};
  named.actor.reason = "test";
  const auto second = store_->start_replay(named, false);
  ASSERT_EQ(queue::error_of(second), "");
  const auto first = add_job(kEvents + 1, kEvents + 3);
  const auto replays = run();
  for (const auto job : {first, second->id}) {
    wait_until([&] { return state(job) != ReplayState::kActive; });
  }
  EXPECT_EQ(store_->replay(first)->progress.sent, 2u);
  EXPECT_EQ(store_->replay(second->id)->progress.sent, 1u);
}

TEST_F(ReplaysTest, DeadLettersThatAreAskedForAreSentBesideTheJobs) {
  ASSERT_TRUE(append(writer_.get(), Lane::kAudit, 2, "f"));
  const auto block = reader_->read(Lane::kAudit, kEvents + 1, {});
  ASSERT_TRUE(block);
  queue::Completion completion(Lane::kAudit);
  for (const auto& record : block->records()) {
    completion.set_aside(record, queue::DeadLetter::of(Lane::kAudit, record));
  }
  ASSERT_EQ(queue::error_of(store_->commit(completion)), "");
  const auto job = add_job();
  const auto replays = run();
  const queue::RecordKey letter{Lane::kAudit, kEvents + 2, block->records()[1].record.epoch};
  ASSERT_EQ(store_->requeue({letter}, {0, "", "test"})->changed, 1u);
  wait_until([&] { return store_->progress(Lane::kAudit).dead == 1; });
  EXPECT_EQ(store_->progress(Lane::kAudit).acknowledged, std::uint64_t{kEvents} + 1);
  wait_until([&] { return state(job) != ReplayState::kActive; });
  EXPECT_EQ(state(job), ReplayState::kDone);
  EXPECT_TRUE(replays->result());
}

}  // namespace
}  // namespace sluice::shipper
