#include "queue/answer_rows.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "queue/database.h"

namespace sluice::queue {

Result<std::vector<AnswerRow>> answers_from(Database& database, Lane lane, Seq seq) {
  std::vector<AnswerRow> answers;
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(scan_options(), database.family(kAnswersFamily)));
  const std::string prefix = lane_prefix(lane);
  it->SeekForPrev(answer_key(lane, seq));
  // The range before may reach into `seq`.
  if (!it->Valid() || !it->key().starts_with(prefix)) it->Seek(answer_key(lane, 0));
  for (; it->Valid() && it->key().starts_with(prefix); it->Next()) {
    SLUICE_ASSIGN(AnswerRow answer, decode_answer(lane, {it->key().data(), it->key().size()},
                                                  {it->value().data(), it->value().size()}));
    if (answer.numbers.last >= seq) answers.push_back(std::move(answer));
  }
  if (!it->status().ok()) {
    return fail(database_error("read the database", database.path(), it->status()));
  }
  return answers;
}

Result<std::vector<SeqRange>> completed_beyond(Database& database, Lane lane, Seq position) {
  SLUICE_ASSIGN(const auto answers, answers_from(database, lane, position + 1));
  std::vector<SeqRange> completed;
  for (const AnswerRow& answer : answers) {
    const SeqRange& numbers = answer.numbers;
    if (numbers.first <= position) continue;
    if (!completed.empty() && numbers.first <= completed.back().last) {
      return fail(ErrorKind::kCorrupt,
                  fmt::format("the delivery store at {} is damaged: it has number {} of lane {} "
                              "twice",
                              database.path().string(), numbers.first, name_of(lane)));
    }
    if (!completed.empty() && completed.back().last + 1 == numbers.first) {
      completed.back().last = numbers.last;
    } else {
      completed.push_back(numbers);
    }
  }
  return completed;
}

}  // namespace sluice::queue
