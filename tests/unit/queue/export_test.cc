// Exporting records, and waiting until they are delivered, while the queue goes on.
#include "queue/queuectl/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/epoch_rows.h"
#include "queue/queue_schema.h"
#include "queue/queuectl/drain.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// More than are read at once.
constexpr int kMany = static_cast<int>(kScanBlock.records_max) + 1000;

class ExportTest : public QueueFixture {
 protected:
  Result<ExportTotals> run(const ExportQuestion& question,
                           const std::function<void()>& after_block = {}) {
    Access access(paths_);
    lines_.clear();
    return export_records(&access, question, [&](std::string_view text) -> Result<void> {
      for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = text.find('\n', begin);
        lines_.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
      }
      if (after_block) after_block();
      return {};
    });
  }
  // kMany of them, in batches that an append takes.
  static void append_many(Writer* writer) {
    constexpr int kBatch = 1000;
    for (int left = kMany; left > 0; left -= kBatch) {
      const auto appended = append(writer, Lane::kAudit, std::min(left, kBatch));
      ASSERT_TRUE(appended) << error_of(appended);
    }
  }
  static ExportQuestion of(Lane lane) {
    ExportQuestion question;
    question.lanes = {lane};
    return question;
  }
  // Events 1 to 3 are acknowledged, 4 is dead, 5 is skipped by hand, 8 is acknowledged ahead.
  void deliver_some() {
    const auto reader = open_reader();
    const auto store = open_store();
    ASSERT_TRUE(store->reconcile(*reader->view()));
    const auto batch = reader->read(Lane::kAudit, 1, {});
    ASSERT_TRUE(batch);
    ASSERT_TRUE(store->skip(Lane::kAudit, {batch->records()[4]}, {0, "", "INC-1"}));
    Completion completion(Lane::kAudit);
    for (const StoredRecord& record : batch->records()) {
      if (record.seq <= 3 || record.seq == 8) completion.acknowledge(record);
      if (record.seq != 4) continue;
      DeadLetter letter = DeadLetter::of(Lane::kAudit, record);
      letter.reason = "too large";
      completion.set_aside(record, letter);
    }
    ASSERT_TRUE(store->commit(completion));
  }
  // As if the fetcher had opened the queue anew, and found nothing from `first` on.
  void lose_from(Seq first) {
    const auto payload = PageReader(paths_.fetcher_page(), PageRole::kFetcher).read();
    auto values = decode_fetcher_page(payload.value());
    ASSERT_TRUE(values);
    const auto database = Database::open_primary(paths_.queue_db(), queue_families(), nullptr);
    ASSERT_TRUE(database) << error_of(database);
    ++values->epoch.number;
    values->durable[Lane::kAudit] = first - 1;
    rocksdb::WriteBatch batch;
    put_epoch_row(**database, {values->epoch, {first, 1}, 0}, &batch);
    ASSERT_TRUE((*database)->write(&batch));
    auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
    page->publish(encode_page(*values));
  }
  void trim_below(Seq floor) {
    const auto payload = PageReader(paths_.fetcher_page(), PageRole::kFetcher).read();
    auto values = decode_fetcher_page(payload.value());
    ASSERT_TRUE(values);
    values->floor[Lane::kAudit] = floor;
    auto page = PageWriter::open(paths_.fetcher_page(), PageRole::kFetcher);
    page->publish(encode_page(*values));
  }

  std::vector<std::string> lines_;
};

TEST_F(ExportTest, GivesEachEventOnceAsItIsStoredOverARestartOfTheFetcher) {
  auto writer = open_writer();
  append_many(writer.get());
  bool first = true;
  const auto totals = run(of(Lane::kAudit), [&] {
    if (!std::exchange(first, false)) return;
    writer.reset();
    writer = open_writer();
    ASSERT_TRUE(append(writer.get(), Lane::kAudit, 10, "later"));
  });
  ASSERT_TRUE(totals) << error_of(totals);
  EXPECT_EQ(totals->count(), static_cast<std::uint64_t>(kMany));
  ASSERT_THAT(lines_, SizeIs(kMany));
  const auto reader = open_reader();
  for (std::size_t i = 0; i < lines_.size(); i += 100) {
    const auto stored = reader->read(Lane::kAudit, i + 1, {1, 1});
    ASSERT_TRUE(stored) << error_of(stored);
    EXPECT_EQ(lines_[i], stored->records()[0].record.body);
  }
}

TEST_F(ExportTest, FiltersByNumberTypeAndLimit) {
  const auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 20));
  ExportQuestion question = of(Lane::kAudit);
  question.numbers = SeqRange{5, 30};
  question.limit = 3;
  const auto totals = run(question);
  ASSERT_TRUE(totals) << error_of(totals);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("e-5"), HasSubstr("e-6"), HasSubstr("e-7")));
  EXPECT_THAT(totals->remarks, ElementsAre(HasSubstr("lane audit ends with number 20")));
  question.filter.ids = {"e-9"};
  ASSERT_TRUE(run(question));
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("e-9")));
  question.filter.types = {"no.such"};
  ASSERT_TRUE(run(question));
  EXPECT_THAT(lines_, SizeIs(0));
}

TEST_F(ExportTest, TellsWhatIsDeliveredFromTheBacklogAndFromWhatWasSetAside) {
  const auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 9));
  deliver_some();
  ExportQuestion question = of(Lane::kAudit);
  question.what = ExportQuestion::What::kDelivered;
  ASSERT_TRUE(run(question));
  EXPECT_THAT(lines_,
              ElementsAre(HasSubstr("e-1"), HasSubstr("e-2"), HasSubstr("e-3"), HasSubstr("e-8")));
  question.what = ExportQuestion::What::kBacklog;
  ASSERT_TRUE(run(question));
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("e-6"), HasSubstr("e-7"), HasSubstr("e-9")));
}

// Dead letters and what was skipped must not pass for delivered.
TEST_F(ExportTest, SaysNothingOfDeliveryThatOnlyTheStoreKnows) {
  const auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 10));
  deliver_some();
  const std::filesystem::path store = paths_.delivery_db();
  std::filesystem::remove_all(store);
  std::filesystem::create_directory_symlink(store.filename(), store);  // can be entered by nobody
  auto page = PageWriter::open(paths_.shipper_page(), PageRole::kShipper);
  ShipperPage values;
  values.position[Lane::kAudit] = 5;
  page->publish(encode_page(values));
  ExportQuestion question = of(Lane::kAudit);
  question.what = ExportQuestion::What::kDelivered;
  ASSERT_FALSE(run(question));
  EXPECT_THAT(lines_, SizeIs(0));
  question.what = ExportQuestion::What::kBacklog;
  const auto backlog = run(question);
  ASSERT_TRUE(backlog) << error_of(backlog);
  EXPECT_EQ(backlog->count(), 5U);
  EXPECT_THAT(backlog->remarks, ElementsAre(HasSubstr("beyond number 5 is taken for backlog")));
}

TEST_F(ExportTest, CountsWhatHasNoEventAndShowsItInAnEnvelope) {
  const auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 1));
  Append batch;
  RecordView reject;
  reject.kind = RecordKind::kReject;
  reject.id = "broken";
  reject.note = "cannot be decoded";
  reject.body = "\xff\n";
  batch.add(Lane::kAudit, reject);
  ASSERT_TRUE(writer->append(batch));
  ExportQuestion question = of(Lane::kAudit);
  const auto plain = run(question);
  ASSERT_TRUE(plain) << error_of(plain);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("e-1")));
  EXPECT_EQ(plain->rejects_left_out, 1U);
  EXPECT_THAT(describe(*plain), HasSubstr("1 numbers left out, which have no event"));
  question.form = ExportForm::kEnvelope;
  const auto whole = run(question);
  ASSERT_TRUE(whole) << error_of(whole);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr(R"("seq":1,)"), HasSubstr(R"("raw":"/wo=")")));
  EXPECT_EQ(whole->rejects_left_out, 0U);
}

TEST_F(ExportTest, FailsWhenNumbersAreTrimmedBeforeItHasComeToThem) {
  auto writer = open_writer();
  append_many(writer.get());
  writer.reset();
  const auto totals = run(of(Lane::kAudit), [&] { trim_below(kMany - 10); });
  ASSERT_FALSE(totals);
  EXPECT_EQ(totals.error().kind, ErrorKind::kTrimmed);
  ExportQuestion question = of(Lane::kAudit);
  question.numbers = SeqRange{1, 5};
  const auto trimmed = run(question);
  ASSERT_FALSE(trimmed);
  EXPECT_EQ(trimmed.error().kind, ErrorKind::kTrimmed);
}

TEST_F(ExportTest, FailsWhenTheQueueHasLostWhatWasExported) {
  auto writer = open_writer();
  append_many(writer.get());
  writer.reset();
  const auto totals = run(of(Lane::kAudit), [&] { lose_from(100); });
  ASSERT_FALSE(totals);
  EXPECT_EQ(totals.error().kind, ErrorKind::kEpochChanged);
  EXPECT_THAT(totals.error().message, HasSubstr("has lost records 100 to 4096 of lane audit"));
}

class DrainTest : public ExportTest {
 protected:
  static PerLane<std::uint64_t> left_of(Drain* drain) {
    const auto left = drain->left();
    EXPECT_TRUE(left) << error_of(left);
    return left.value_or(PerLane<std::uint64_t>{99, 99});
  }
};

TEST_F(DrainTest, WaitsForWhatWasThereWhenItBeganAndForNothingElse) {
  const auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 5));
  ASSERT_TRUE(append(writer.get(), Lane::kSession, 2));
  Access access(paths_);
  auto drain = Drain::begin(&access, {Lane::kAudit});
  ASSERT_TRUE(drain) << error_of(drain);
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 4, "later"));
  EXPECT_EQ(left_of(&*drain), (PerLane<std::uint64_t>{5, 0}));
  deliver_some();
  EXPECT_EQ(left_of(&*drain), (PerLane<std::uint64_t>{0, 0}));
}

TEST_F(DrainTest, DoesNotWaitForWhatTheQueueHasLost) {
  auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 9));
  deliver_some();
  Access access(paths_);
  auto drain = Drain::begin(&access, {Lane::kAudit});
  ASSERT_TRUE(drain) << error_of(drain);
  EXPECT_EQ(left_of(&*drain)[Lane::kAudit], 4U);
  writer.reset();
  lose_from(7);
  EXPECT_EQ(left_of(&*drain)[Lane::kAudit], 1U);
}

TEST_F(DrainTest, APositionHoldsOnlyInTheQueueAndUpToWhatThatHasLost) {
  QueueView view;
  view.queue_id = Id128::random();
  view.epochs = {{{1, 11}, {1, 1}, 0}, {{2, 22}, {41, 1}, 0}, {{3, 33}, {61, 8}, 0}};
  ShipperPage page;
  page.queue_id = view.queue_id;
  page.epoch = {1, 11};
  page.position = {50, 5};
  EXPECT_EQ(position_in(view, page, Lane::kAudit), 40U);
  EXPECT_EQ(position_in(view, page, Lane::kSession), 0U);
  page.epoch = {3, 33};
  EXPECT_EQ(position_in(view, page, Lane::kAudit), 50U);
  page.epoch = {3, 34};
  EXPECT_EQ(position_in(view, page, Lane::kAudit), 0U);
  page.epoch = {3, 33};
  page.queue_id = Id128::random();
  EXPECT_EQ(position_in(view, page, Lane::kAudit), 0U);
}

}  // namespace
}  // namespace sluice::queue
