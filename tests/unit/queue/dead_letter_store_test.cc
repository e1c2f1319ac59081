// What people do about dead letters and about events that are not delivered yet: the sums hold,
// also when the queue loses its tail afterwards.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <deque>
#include <string>
#include <vector>

#include "queue/adopt.h"
#include "queue/database.h"
#include "queue/dead_letter_limits.h"
#include "queue/delivery_reader.h"
#include "queue/delivery_schema.h"
#include "queue/delivery_store.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

Actor anna() { return {1000, "anna", "INC-4711"}; }

class DeadLetterStoreTest : public QueueFixture {
 protected:
  // Twenty events in the audit lane: 1 to 4 and 6 to 9 are acknowledged, 5 is a dead letter.
  DeadLetterStoreTest() {
    auto writer = open_writer();
    EXPECT_TRUE(append(writer.get(), Lane::kAudit, 20));
    writer.reset();
    reader_ = open_reader();
    view_ = reader_->view().value();
    store_ = open_store();
    EXPECT_EQ(error_of(store_->reconcile(view_)), "");
    Completion completion(Lane::kAudit);
    for (const StoredRecord& record : records(1, 9)) {
      if (record.seq == 5) {
        completion.set_aside(record, letter_of(record));
      } else {
        completion.acknowledge(record);
      }
    }
    EXPECT_EQ(error_of(store_->commit(completion)), "");
  }

  std::vector<StoredRecord> records(Seq first, Seq last) {
    blocks_.push_back(reader_->read(Lane::kAudit, first, {last - first + 1, 1U << 20}).value());
    return {blocks_.back().records().begin(), blocks_.back().records().end()};
  }
  StoredRecord record(Seq seq) { return records(seq, seq).front(); }

  static DeadLetter letter_of(const StoredRecord& record) {
    DeadLetter letter = DeadLetter::of(Lane::kAudit, record);
    letter.reason = "https://fluentd:8888/test.log: answered 400 \"invalid time\"";
    letter.status = 400;
    letter.answer = "400 Bad Request\ninvalid time\n";
    letter.attempts = 3;
    letter.first_at_ms = 1'000;
    letter.last_at_ms = 2'000;
    return letter;
  }

  RecordKey five() { return {Lane::kAudit, 5, record(5).record.epoch}; }

  LaneProgress at() const { return store_->progress(Lane::kAudit); }

  void expect_counts(std::uint64_t acknowledged, std::uint64_t dead, std::uint64_t skipped) {
    const LaneProgress now = at();
    EXPECT_EQ(now.acknowledged, acknowledged);
    EXPECT_EQ(now.dead, dead);
    EXPECT_EQ(now.skipped, skipped);
    EXPECT_EQ(now.acknowledged + now.dead + now.skipped + now.gap,
              now.position + now.completed_count());
    const LedgerRow sum = total_of(store_->ledger(), Lane::kAudit);
    EXPECT_EQ(sum.acknowledged, acknowledged);
    EXPECT_EQ(sum.dead, dead);
    EXPECT_EQ(sum.skipped, skipped);
  }

  // Ids that left the lane are those of the numbers that are accounted for.
  void expect_digests(const std::vector<Seq>& acknowledged, const std::vector<Seq>& set_aside) {
    Digest sent;
    Digest aside;
    for (const Seq seq : acknowledged) sent.add_id(fmt::format("e-{}", seq));
    for (const Seq seq : set_aside) aside.add_id(fmt::format("e-{}", seq));
    const LedgerRow sum = total_of(store_->ledger(), Lane::kAudit);
    EXPECT_EQ(sum.acknowledged_ids, sent);
    EXPECT_EQ(sum.set_aside_ids, aside);
  }

  void reopen() {
    store_.reset();
    store_ = open_store();
    EXPECT_EQ(error_of(store_->reconcile(view_)), "");
  }

  // The queue has lost all numbers from `first` on, and a new opening gives them anew.
  void lose_from(Seq first) {
    QueueView after = view_;
    EpochRow row;
    row.epoch = {after.epochs.back().epoch.number + 1, 77};
    row.first[Lane::kAudit] = first;
    row.first[Lane::kSession] = 1;
    after.epochs.push_back(row);
    view_ = after;
    const auto rewinds = store_->reconcile(after);
    ASSERT_EQ(error_of(rewinds), "");
    rewinds_ = *rewinds;
  }

  std::vector<Intervention> interventions() const {
    const auto reader = DeliveryReader::open(paths_, paths_.root / "look");
    return reader.value()->interventions().value();
  }

  std::unique_ptr<Reader> reader_;
  QueueView view_;
  std::unique_ptr<DeliveryStore> store_;
  std::deque<RecordBatch> blocks_;
  std::vector<Rewind> rewinds_;
};

TEST_F(DeadLetterStoreTest, RequeuedLetterWaitsAcrossARestartAndStaysDeadUntilItIsDelivered) {
  const auto asked = store_->requeue({five()}, anna());
  ASSERT_EQ(error_of(asked), "");
  EXPECT_EQ(asked->changed, 1u);
  expect_counts(8, 1, 0);
  reopen();
  ASSERT_EQ(store_->requeued(Lane::kAudit), std::vector<RecordKey>{five()});
  EXPECT_EQ(store_->dead_letter(five())->body, record(5).record.body);
  ASSERT_EQ(error_of(store_->finish_requeue(Lane::kAudit, {{five()}, {}})), "");
  expect_counts(9, 0, 0);
  expect_digests({1, 2, 3, 4, 5, 6, 7, 8, 9}, {});
  EXPECT_EQ(store_->dead_letters(Lane::kAudit).count, 0u);
  EXPECT_EQ(store_->dead_letters(Lane::kAudit).bytes, 0u);
  reopen();
  expect_counts(9, 0, 0);
  EXPECT_TRUE(store_->requeued(Lane::kAudit).empty());
  const auto done = interventions();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].kind, InterventionKind::kRequeued);
  EXPECT_EQ(done[0].actor, anna());
  EXPECT_EQ(done[0].id, "e-5");
  EXPECT_NE(journal().find("by uid 1000 (anna, as that user says): INC-4711"), std::string::npos);
  EXPECT_NE(journal().find("was sent again and taken"), std::string::npos);
  expect_clean();
}

TEST_F(DeadLetterStoreTest, RefusedAgainItStaysWithTheNewReasonAndTheTriesAdded) {
  ASSERT_TRUE(store_->requeue({five()}, anna()));
  DeadLetter tried = letter_of(record(5));
  tried.reason = "refused for another reason";
  tried.status = 422;
  tried.attempts = 2;
  tried.first_at_ms = 50'000;
  tried.last_at_ms = 60'000;
  ASSERT_EQ(error_of(store_->finish_requeue(Lane::kAudit, {{}, {tried}})), "");
  expect_counts(8, 1, 0);
  reopen();
  EXPECT_TRUE(store_->requeued(Lane::kAudit).empty());
  const auto letter = store_->dead_letter(five());
  ASSERT_EQ(error_of(letter), "");
  EXPECT_EQ(letter->reason, tried.reason);
  EXPECT_EQ(letter->status, 422u);
  EXPECT_EQ(letter->attempts, 5u);
  EXPECT_EQ(letter->first_at_ms, 1'000);
  EXPECT_EQ(letter->last_at_ms, 60'000);
  EXPECT_TRUE(interventions().empty());
  expect_clean();
}

TEST_F(DeadLetterStoreTest, DiscardedLetterIsGoneAndCountsAsSkipped) {
  const auto done = store_->discard({five(), {Lane::kAudit, 6, 1}}, anna());
  ASSERT_EQ(error_of(done), "");
  EXPECT_EQ(done->changed, 1u);
  EXPECT_EQ(done->gone, 1u);
  expect_counts(8, 0, 1);
  expect_digests({1, 2, 3, 4, 6, 7, 8, 9}, {5});
  EXPECT_EQ(store_->dead_letter(five()).error().kind, ErrorKind::kNotFound);
  reopen();
  expect_counts(8, 0, 1);
  ASSERT_EQ(interventions().size(), 1u);
  EXPECT_EQ(interventions()[0].kind, InterventionKind::kDiscarded);
  EXPECT_NE(journal().find("dead letter 5 of lane audit (event e-5"), std::string::npos);
  expect_clean();
}

TEST_F(DeadLetterStoreTest, EachChangeNeedsAReason) {
  const Actor nobody{0, "", ""};
  EXPECT_EQ(store_->requeue({five()}, nobody).error().kind, ErrorKind::kUsage);
  EXPECT_EQ(store_->discard({five()}, nobody).error().kind, ErrorKind::kUsage);
  EXPECT_EQ(store_->skip(Lane::kAudit, {record(12)}, nobody).error().kind, ErrorKind::kUsage);
  expect_counts(8, 1, 0);
}

TEST_F(DeadLetterStoreTest, RejectIsNotSentAgainButCanBeDiscarded) {
  StoredRecord reject = record(10);
  reject.record.kind = RecordKind::kReject;
  Completion completion(Lane::kAudit);
  completion.set_aside(reject, DeadLetter::of(Lane::kAudit, reject));
  ASSERT_TRUE(store_->commit(completion));
  const RecordKey key{Lane::kAudit, 10, reject.record.epoch};
  const auto asked = store_->requeue({key}, anna());
  ASSERT_EQ(error_of(asked), "");
  EXPECT_EQ(asked->changed, 0u);
  EXPECT_EQ(asked->rejects, 1u);
  EXPECT_EQ(store_->discard({key}, anna())->changed, 1u);
  expect_counts(8, 1, 1);
}

TEST_F(DeadLetterStoreTest, CancelledRequeueStaysDeadUnlessTheAnswerWasUnderWay) {
  ASSERT_TRUE(store_->requeue({five()}, anna()));
  EXPECT_EQ(store_->requeue({five()}, anna())->as_asked, 1u);
  EXPECT_EQ(store_->cancel_requeue({five()}, anna())->changed, 1u);
  EXPECT_TRUE(store_->requeued(Lane::kAudit).empty());
  expect_counts(8, 1, 0);
  ASSERT_TRUE(store_->finish_requeue(Lane::kAudit, {{five()}, {}}));
  expect_counts(9, 0, 0);
}

TEST_F(DeadLetterStoreTest, LetterThatIsDiscardedWhileTheSinkTakesItCountsAsAcknowledged) {
  ASSERT_TRUE(store_->requeue({five()}, anna()));
  ASSERT_TRUE(store_->discard({five()}, anna()));
  expect_counts(8, 0, 1);
  ASSERT_TRUE(store_->finish_requeue(Lane::kAudit, {{five()}, {}}));
  expect_counts(9, 0, 0);
  expect_digests({1, 2, 3, 4, 5, 6, 7, 8, 9}, {});
  // Nobody counts it a second time.
  ASSERT_TRUE(store_->finish_requeue(Lane::kAudit, {{five()}, {}}));
  expect_counts(9, 0, 0);
  ASSERT_EQ(interventions().size(), 1u);
  EXPECT_EQ(interventions()[0].kind, InterventionKind::kRequeued);
  expect_clean();
}

TEST_F(DeadLetterStoreTest, SkippedNumbersAreAccountedForAndDurable) {
  ASSERT_EQ(error_of(store_->skip(Lane::kAudit, {record(12), record(13), record(15)}, anna())), "");
  expect_counts(8, 1, 3);
  EXPECT_EQ(at().position, 9u);
  EXPECT_EQ(at().completed, (std::vector<SeqRange>{{12, 13}, {15, 15}}));
  EXPECT_EQ(*store_->skipped(Lane::kAudit), (std::set<Seq>{12, 13, 15}));
  reopen();
  expect_counts(8, 1, 3);
  EXPECT_EQ(store_->skipped(Lane::kAudit), nullptr);
  Completion completion(Lane::kAudit);
  for (const Seq seq : std::vector<Seq>{10, 11, 14}) completion.acknowledge(record(seq));
  ASSERT_EQ(error_of(store_->commit(completion)), "");
  EXPECT_EQ(at().position, 15u);
  expect_digests({1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 14}, {5, 12, 13, 15});
  EXPECT_NE(journal().find("number 12 of lane audit (event e-12"), std::string::npos);
  expect_clean();
}

TEST_F(DeadLetterStoreTest, SkipOfWhatIsAccountedForOrNotThereIsRefusedAsAWhole) {
  const auto refused = [&](std::vector<StoredRecord> events) {
    const auto done = store_->skip(Lane::kAudit, events, anna());
    EXPECT_EQ(done.error().kind, ErrorKind::kUsage);
    return error_of(done);
  };
  EXPECT_NE(refused({record(12), record(9)}).find("out of order"), std::string::npos);
  EXPECT_NE(
      refused({record(9), record(12)}).find("number 9 of lane audit is accounted for already"),
      std::string::npos);
  StoredRecord later = record(12);
  later.seq = 21;
  EXPECT_NE(refused({record(12), later}).find("is not in the queue yet, which ends at 20"),
            std::string::npos);
  StoredRecord other = record(12);
  other.record.epoch = 99;
  EXPECT_NE(refused({other}).find("belongs to another event"), std::string::npos);
  ASSERT_TRUE(store_->skip(Lane::kAudit, {record(12)}, anna()));
  EXPECT_NE(refused({record(12)}).find("accounted for already"), std::string::npos);
  expect_counts(8, 1, 1);
}

TEST_F(DeadLetterStoreTest, CommitOfANumberThatWasSkippedMeanwhileIsToBeMadeAgain) {
  Completion before(Lane::kAudit);
  for (Seq seq = 10; seq <= 14; ++seq) before.acknowledge(record(seq));
  ASSERT_TRUE(store_->skip(Lane::kAudit, {record(12)}, anna()));
  EXPECT_EQ(store_->commit(before).error().kind, ErrorKind::kBusy);
  expect_counts(8, 1, 1);
  Completion again(Lane::kAudit);
  for (Seq seq = 10; seq <= 14; ++seq) {
    if (seq == 12) {
      again.honour(record(seq));
    } else {
      again.acknowledge(record(seq));
    }
  }
  ASSERT_EQ(error_of(store_->commit(again)), "");
  // The sink has it, so it is no skipped one.
  expect_counts(13, 1, 0);
  expect_digests({1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14}, {5});
  EXPECT_EQ(at().position, 14u);
  EXPECT_TRUE(interventions().empty());
  reopen();
  expect_counts(13, 1, 0);
  expect_clean();
}

// ---- When the queue loses its tail afterwards

TEST_F(DeadLetterStoreTest, RewindTakesBackWhatCountsNowAndNotWhatCountedFirst) {
  ASSERT_TRUE(store_->requeue({five()}, anna()));
  ASSERT_TRUE(store_->finish_requeue(Lane::kAudit, {{five()}, {}}));
  Completion completion(Lane::kAudit);
  completion.set_aside(record(10), letter_of(record(10)));
  completion.acknowledge(record(11));
  ASSERT_TRUE(store_->commit(completion));
  ASSERT_TRUE(store_->discard({{Lane::kAudit, 10, record(10).record.epoch}}, anna()));
  ASSERT_TRUE(store_->skip(Lane::kAudit, {record(14)}, anna()));
  expect_counts(10, 0, 2);
  lose_from(12);
  expect_counts(10, 0, 1);
  ASSERT_EQ(rewinds_.size(), 1u);
  EXPECT_EQ(rewinds_[0].skipped, 1u);
  EXPECT_NE(journal().find("1 of which had been skipped by hand"), std::string::npos);
  lose_from(10);
  expect_counts(9, 0, 0);
  expect_digests({1, 2, 3, 4, 5, 6, 7, 8, 9}, {});
  // The first commit was of one piece, so all of it is taken back.
  lose_from(9);
  expect_counts(0, 0, 0);
  expect_digests({}, {});
  for (const Intervention& one : interventions()) EXPECT_TRUE(one.is_voided) << one.id;
}

TEST_F(DeadLetterStoreTest, LetterWhoseNumberIsLostIsNotCountedAndNotSentUnlessAskedForAnew) {
  ASSERT_TRUE(store_->requeue({five()}, anna()));
  lose_from(3);
  expect_counts(0, 0, 0);
  EXPECT_TRUE(store_->requeued(Lane::kAudit).empty());
  EXPECT_EQ(store_->dead_letters(Lane::kAudit).count, 1u);
  // The number belongs to another event now, which is delivered.
  Completion completion(Lane::kAudit);
  for (Seq seq = 1; seq <= 9; ++seq) completion.acknowledge(record(seq));
  ASSERT_TRUE(store_->commit(completion));
  expect_counts(9, 0, 0);
  ASSERT_EQ(store_->requeue({five()}, anna())->changed, 1u);
  reopen();
  ASSERT_TRUE(store_->finish_requeue(Lane::kAudit, {{five()}, {}}));
  expect_counts(9, 0, 0);
  EXPECT_EQ(store_->dead_letters(Lane::kAudit).count, 0u);
}

TEST_F(DeadLetterStoreTest, DiscardOfALetterWhoseNumberIsLostCountsNothing) {
  lose_from(3);
  ASSERT_EQ(store_->discard({five()}, anna())->changed, 1u);
  expect_counts(0, 0, 0);
  EXPECT_EQ(store_->dead_letters(Lane::kAudit).count, 0u);
}

// A commit that reaches across the point of the loss is taken back whole, so the same record may
// come again, and be refused again.
TEST_F(DeadLetterStoreTest, RecordThatIsRefusedAgainAfterARewindHasOneLetterWhichCounts) {
  lose_from(8);
  expect_counts(0, 0, 0);
  Completion completion(Lane::kAudit);
  for (Seq seq = 1; seq <= 7; ++seq) {
    if (seq == 5) {
      completion.set_aside(record(seq), letter_of(record(seq)));
    } else {
      completion.acknowledge(record(seq));
    }
  }
  ASSERT_TRUE(store_->commit(completion));
  expect_counts(6, 1, 0);
  EXPECT_EQ(store_->dead_letters(Lane::kAudit).count, 1u);
  reopen();
  EXPECT_EQ(store_->dead_letters(Lane::kAudit).count, 1u);
  ASSERT_TRUE(store_->requeue({five()}, anna()));
  ASSERT_TRUE(store_->finish_requeue(Lane::kAudit, {{five()}, {}}));
  expect_counts(7, 0, 0);
}

TEST_F(DeadLetterStoreTest, AnAdoptionThatGoesBackCountsNoLettersBehindIt) {
  ASSERT_TRUE(store_->requeue({five()}, anna()));
  store_.reset();
  AdoptOptions options;
  options.paths = paths_;
  options.machine = machine_;
  options.from = {AdoptFrom::Kind::kNumber, 3};
  options.lane = Lane::kAudit;
  options.reason = "test";
  ASSERT_EQ(error_of(adopt(options)), "");
  store_ = open_store();
  EXPECT_TRUE(store_->requeued(Lane::kAudit).empty());
  EXPECT_EQ(at().dead, 0u);
  ASSERT_TRUE(store_->discard({five()}, anna()));
  EXPECT_EQ(at().skipped, 0u);
}

// ---- Limits, and what verify finds

TEST_F(DeadLetterStoreTest, VerifyMissesALetterThatIsCounted) {
  store_.reset();
  {
    const auto database =
        Database::open_primary(paths_.delivery_db(), delivery_families(), nullptr).value();
    rocksdb::WriteBatch batch;
    batch.DeleteRange(database->family(kDeadFamily), dead_key({Lane::kAudit, 0, 0}, 0),
                      dead_key({Lane::kSession, 0, 0}, 0));
    ASSERT_TRUE(database->write(&batch));
  }
  EXPECT_NE(first_problem(checked()).find("1 events are dead, and there are 0 dead letters"),
            std::string::npos)
      << first_problem(checked());
}

TEST(DeadLetterLimitsTest, TheNearerLimitCountsAndIsNamed) {
  const DeadLetterLimits limits{.count_max = 100, .bytes_max = 1U << 20};
  EXPECT_EQ(limits.share({.count = 79, .bytes = 0}), 79u);
  EXPECT_EQ(limits.share({.count = 100, .bytes = 0}), 100u);
  EXPECT_EQ(limits.share({.count = 1, .bytes = 1U << 20}), 100u);
  EXPECT_EQ(limits.share({.count = 99, .bytes = (1U << 20) - 1}), 99u);
  EXPECT_NE(limits.describe(Lane::kAudit, {.count = 100, .bytes = 5}).find("dead-letters-max)"),
            std::string::npos);
  EXPECT_NE(limits.describe(Lane::kAudit, {.count = 1, .bytes = 2U << 20})
                .find("(shipper.dead-letters-max-bytes), so nothing more is set aside"),
            std::string::npos);
  EXPECT_EQ(DeadLetterLimits{}.share({.count = 1'000'000, .bytes = 1U << 30}), 0u);
}

}  // namespace
}  // namespace sluice::queue
