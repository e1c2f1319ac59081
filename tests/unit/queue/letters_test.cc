// How queuectl chooses, counts and shows dead letters, and what it says became of events.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "queue/queuectl/access.h"
#include "queue/queuectl/letter_render.h"
#include "queue/queuectl/letters.h"
#include "queue/queuectl/snapshot.h"
#include "queue/queuectl/status_render.h"
#include "queue/queuectl/trace.h"
#include "queue/queuectl/trace_render.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

Actor anna() { return {1000, "anna", "INC-4711"}; }

class LettersTest : public QueueFixture {
 protected:
  // 1 and 2 are refused, 3 is a reject, 4 is acknowledged, 5 and 6 wait.
  LettersTest() {
    writer_ = open_writer();
    EXPECT_TRUE(append(writer_.get(), Lane::kAudit, 6));
    const auto reader = open_reader();
    store_ = open_store();
    EXPECT_EQ(error_of(store_->reconcile(reader->view().value())), "");
    block_ = reader->read(Lane::kAudit, 1, {}).value();
    Completion completion(Lane::kAudit);
    for (Seq seq = 1; seq <= 4; ++seq) {
      StoredRecord record = block_.records()[seq - 1];
      if (seq == 4) {
        completion.acknowledge(record);
        continue;
      }
      if (seq == 3) record.record.kind = RecordKind::kReject;
      DeadLetter letter = DeadLetter::of(Lane::kAudit, record);
      letter.reason = "too large";
      if (seq < 3) {
        letter.status = 400;
        letter.reason = "https://fluentd:8888/test.log: answered 400";
        letter.answer = "400 Bad Request\ninvalid time\n";
        letter.first_at_ms = 86'400'000;
        letter.last_at_ms = 86'500'000;
        letter.attempts = seq;
      }
      completion.set_aside(record, letter);
    }
    EXPECT_EQ(error_of(store_->commit(completion)), "");
  }

  RecordKey key(Seq seq) const {
    return {Lane::kAudit, seq, block_.records()[seq - 1].record.epoch};
  }
  std::vector<ListedLetter> letters(const LetterFilter& filter = {}) const {
    Access access(paths_);
    std::vector<ListedLetter> all;
    EXPECT_EQ(error_of(visit_letters(&access, filter,
                                     [&](ListedLetter listed) {
                                       all.push_back(std::move(listed));
                                       return true;
                                     })),
              "");
    return all;
  }
  std::vector<Seq> numbers(const LetterFilter& filter) const {
    std::vector<Seq> found;
    for (const ListedLetter& listed : letters(filter)) found.push_back(listed.letter.seq);
    return found;
  }
  LetterSummary summary() const {
    LetterSummary sum;
    for (const ListedLetter& listed : letters()) sum.add(listed);
    return sum;
  }
  TracedEvent traced(const std::string& id) const {
    Access access(paths_);
    const auto found = trace(&access, id);
    EXPECT_EQ(error_of(found), "");
    EXPECT_EQ(found->events.size(), 1u);
    return found->events.at(0);
  }

  std::unique_ptr<Writer> writer_;
  std::unique_ptr<DeliveryStore> store_;
  RecordBatch block_;
};

TEST_F(LettersTest, EachFilterChooses) {
  using Numbers = std::vector<Seq>;
  const auto with = [this](auto set) {
    LetterFilter filter;
    set(&filter);
    return numbers(filter);
  };
  using Filter = LetterFilter;
  EXPECT_EQ(with([](Filter*) {}), (Numbers{1, 2, 3}));
  EXPECT_EQ(with([](Filter* f) { f->lane = Lane::kSession; }), Numbers{});
  EXPECT_EQ(with([](Filter* f) { f->numbers = SeqRange{2, 9}; }), (Numbers{2, 3}));
  EXPECT_EQ(with([](Filter* f) { f->status = 400; }), (Numbers{1, 2}));
  EXPECT_EQ(with([](Filter* f) { f->status = 0; }), Numbers{3});
  EXPECT_EQ(with([](Filter* f) { f->text = "invalid"; }), (Numbers{1, 2}));
  EXPECT_EQ(with([](Filter* f) { f->text = "too large"; }), Numbers{3});
  EXPECT_EQ(with([](Filter* f) { f->event.ids = {"e-2", "e-3", "e-4"}; }), (Numbers{2, 3}));
  EXPECT_EQ(with([](Filter* f) { f->event.types = {"no.such"}; }), Numbers{});
  EXPECT_EQ(with([](Filter* f) { f->event.to_time = Timestamp{0, 0}; }), Numbers{});
}

TEST_F(LettersTest, ReasonsAreCountedByStatusAndWords) {
  const LetterSummary sum = summary();
  EXPECT_EQ(sum.count(), 3u);
  ASSERT_EQ(sum.reasons(), 2u);
  const auto top = sum.top(1);
  ASSERT_EQ(top.size(), 1u);
  EXPECT_EQ(top[0].first, "400 invalid time");
  EXPECT_EQ(top[0].second.count, 2u);
  EXPECT_EQ(sum.totals(Lane::kAudit).count, store_->dead_letters(Lane::kAudit).count);
  EXPECT_EQ(sum.totals(Lane::kAudit).bytes, store_->dead_letters(Lane::kAudit).bytes);
}

TEST_F(LettersTest, TextAndJsonSayTheSame) {
  ASSERT_TRUE(store_->requeue({key(2)}, anna()));
  const auto all = letters();
  const std::string table = letters_table(summary(), {all[0]}, from_unix_ms(2 * 86'400'000));
  EXPECT_NE(table.find("3 events, "), std::string::npos) << table;
  EXPECT_NE(table.find("2 reasons; 1 to be sent again"), std::string::npos) << table;
  EXPECT_NE(table.find("and 2 more"), std::string::npos) << table;
  const auto json = nlohmann::json::parse(letters_json(summary(), all));
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["letters"][0]["state"], "dead");
  EXPECT_EQ(json["letters"][1]["state"], "requeued");
  EXPECT_EQ(json["letters"][1]["requeued_by"]["claimed_by"], "anna");
  EXPECT_EQ(json["letters"][2]["state"], "reject");
  EXPECT_NE(letter_text(all[1]).find("by uid 1000 (anna): INC-4711"), std::string::npos);
}

TEST_F(LettersTest, ExportedLineHasTheEventAsItIsAndARejectsBytesAsBase64) {
  const auto all = letters();
  const std::string line = letter_json(all[0]);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_NE(line.find(fmt::format("\"event\":{}", all[0].letter.body)), std::string::npos) << line;
  EXPECT_EQ(nlohmann::json::parse(line)["attempts"], 1);
  const auto reject = nlohmann::json::parse(letter_json(all[2]));
  EXPECT_TRUE(reject["raw"].is_string());
  EXPECT_FALSE(reject.contains("event"));
  EXPECT_TRUE(reject["first_at"].is_null());
  ListedLetter spread = all[0];
  spread.letter.body = "{\n  \"a\": 1\r\n}";
  EXPECT_EQ(nlohmann::json::parse(letter_json(spread))["event"]["a"], 1);
}

TEST_F(LettersTest, StatusSaysWhatIsDeadAndWhetherThereIsRoom) {
  Access access(paths_);
  const auto snapshot = take_snapshot(&access);
  ASSERT_EQ(error_of(snapshot), "");
  StatusContext context;
  const std::string text = status_table(*snapshot, context);
  EXPECT_NE(text.find("DEAD   3 events, 2 reasons (400 invalid time; too large), oldest"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("ERROR"), std::string::npos) << text;
  context.letter_limits.count_max = 3;
  EXPECT_NE(
      status_table(*snapshot, context).find("ERROR  lane audit has 3 dead letters of at most 3"),
      std::string::npos);
  const auto json = nlohmann::json::parse(status_json(*snapshot, context))["dead_letters"];
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["lanes"]["audit"]["percent_of_limit"], 100);
  EXPECT_TRUE(json["lanes"]["session"]["problem"].is_null());
}

TEST_F(LettersTest, TraceSaysWhatWasDoneByHand) {
  ASSERT_TRUE(store_->requeue({key(1)}, anna()));
  EXPECT_EQ(traced("e-1").fate, Fate::kDead);
  EXPECT_TRUE(traced("e-1").intervention);
  ASSERT_TRUE(store_->finish_requeue(Lane::kAudit, {{key(1)}, {}}));
  ASSERT_TRUE(store_->discard({key(2)}, anna()));
  ASSERT_EQ(error_of(store_->skip(Lane::kAudit, {block_.records()[5]}, anna())), "");
  EXPECT_EQ(name_of(traced("e-1").fate), "requeued");
  EXPECT_EQ(name_of(traced("e-2").fate), "discarded");
  EXPECT_EQ(name_of(traced("e-3").fate), "dead letter");
  EXPECT_EQ(name_of(traced("e-4").fate), "acknowledged");
  EXPECT_EQ(name_of(traced("e-5").fate), "waiting");
  EXPECT_EQ(name_of(traced("e-6").fate), "skipped");
  Access access(paths_);
  const auto found = trace(&access, "e-6");
  EXPECT_NE(trace_table(*found).find("by uid 1000 (anna): INC-4711"), std::string::npos);
  const auto json = nlohmann::json::parse(trace_json(*found, "e-6"));
  EXPECT_EQ(json["events"][0]["by_hand"]["what"], "skipped");
  EXPECT_EQ(json["events"][0]["by_hand"]["uid"], 1000);
}

}  // namespace
}  // namespace sluice::queue
