// What people change in the delivery store: dead letters that are sent again or discarded, events
// that are skipped. Each change is counted in the lane, the ledger and the answers in one write, so
// that the sums hold and a rewind takes back what counts now.

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "queue/damage_advice.h"
#include "queue/delivery_store_impl.h"
#include "queue/journal.h"

namespace sluice::queue {
namespace {

std::uint64_t& count_of(LedgerRow* row, Account account) {
  switch (account) {
    case Account::kAcknowledged:
      return row->acknowledged;
    case Account::kDead:
      return row->dead;
    case Account::kSkipped:
      break;
  }
  return row->skipped;
}

std::uint64_t& count_of(LaneProgress* progress, Account account) {
  switch (account) {
    case Account::kAcknowledged:
      return progress->acknowledged;
    case Account::kDead:
      return progress->dead;
    case Account::kSkipped:
      break;
  }
  return progress->skipped;
}

Digest& ids_of(LedgerRow* row, Account account) {
  return account == Account::kAcknowledged ? row->acknowledged_ids : row->set_aside_ids;
}

void move_in(LedgerRow* row, const Digest& id, Account from, Account to) {
  --count_of(row, from);
  ++count_of(row, to);
  ids_of(row, from) -= id;
  ids_of(row, to) += id;
}

std::string words_for(const DeadLetter& letter) {
  return fmt::format("dead letter {} of lane {} (event {}, {})", letter.seq, name_of(letter.lane),
                     letter.id, letter.type.empty() ? "no type" : letter.type);
}

std::string by(const Actor& actor) {
  return fmt::format("by uid {}{}: {}", actor.uid, claimed_name(actor), actor.reason);
}

Intervention intervention_of(const DeadLetter& letter, InterventionKind kind, const Actor& actor,
                             std::int64_t at_ms) {
  return {.record = letter.key(),
          .kind = kind,
          .is_voided = false,
          .at_ms = at_ms,
          .actor = actor,
          .time = letter.time,
          .id = letter.id,
          .type = letter.type};
}

Result<void> check_amount(std::size_t count, std::string_view what) {
  if (count > 0 && count <= kChangesAtOnceMax) return {};
  return fail(ErrorKind::kUsage, fmt::format("1 to {} {} can be named at once, and {} were",
                                             kChangesAtOnceMax, what, count));
}

}  // namespace

Result<std::optional<AnswerRow>> DeliveryStore::Impl::answer_with(Lane lane, Seq seq) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database->db().NewIterator(scan_options(), database->family(kAnswersFamily)));
  it->SeekForPrev(answer_key(lane, seq));
  if (!it->status().ok()) {
    return fail(database_error("read the database", database->path(), it->status()));
  }
  if (!it->Valid() || !it->key().starts_with(lane_prefix(lane))) return std::nullopt;
  SLUICE_ASSIGN(AnswerRow answer, decode_answer(lane, {it->key().data(), it->key().size()},
                                                {it->value().data(), it->value().size()}));
  if (answer.numbers.last < seq) return std::nullopt;
  return answer;
}

Result<std::optional<VersionedRow>> DeliveryStore::Impl::newest_intervention(
    const RecordKey& record) {
  return database->newest(kDefaultFamily, intervention_key(record, 0));
}

// Does nothing where `from` has nothing that could be taken away: for a letter that was taken back
// by an older program, which did not write down which were.
Result<void> DeliveryStore::Impl::move(const RecordKey& record, Timestamp time,
                                       std::string_view event_id, Account from, Account to,
                                       CountMoves* moves) {
  SLUICE_CHECK(record.lane == moves->lane, "the numbers of one write are of one lane");
  const LedgerKey key{day_of(time), record.lane};
  LedgerRow now = moves->delta[key];
  if (const auto known = ledger.rows().find(key); known != ledger.rows().end())
    now += known->second;
  LaneProgress& at = progress[record.lane];
  if (count_of(&now, from) == 0 || count_of(&at, from) == 0) return {};
  Digest digest;
  digest.add_id(event_id);
  move_in(&moves->delta[key], digest, from, to);
  --count_of(&at, from);
  ++count_of(&at, to);
  auto answer = moves->answers.upper_bound(record.seq);
  const bool is_known =
      answer != moves->answers.begin() && std::prev(answer)->second.numbers.last >= record.seq;
  if (is_known) {
    move_in(&std::prev(answer)->second.delta[key], digest, from, to);
    return {};
  }
  SLUICE_ASSIGN(auto found, answer_with(record.lane, record.seq));
  // What is pruned cannot be taken back any more.
  if (!found) return {};
  move_in(&found->delta[key], digest, from, to);
  moves->answers.emplace(found->numbers.first, std::move(*found));
  return {};
}

// Only the writer reads these rows, so they may be overwritten.
void DeliveryStore::Impl::put_moves(const CountMoves& moves, rocksdb::WriteBatch* batch) {
  ledger.add(*database, moves.delta, version, batch);
  for (const auto& [first, answer] : moves.answers) {
    batch->Put(database->family(kAnswersFamily), answer_key(moves.lane, first),
               encode_answer(answer));
  }
}

Result<void> DeliveryStore::Impl::write_change(Lane lane, rocksdb::WriteBatch* batch) {
  put_lane(lane, batch);
  SLUICE_TRY(write(batch));
  ++changes;
  publish();
  return {};
}

// Of letters of both lanes one lane is changed after the other, each in one write.
Result<DeadLetterChange> DeliveryStore::Impl::change_letters(LetterOrder order,
                                                             const std::vector<RecordKey>& records,
                                                             const Actor& actor) {
  const std::lock_guard guard(mutex);
  if (dead) return must_reopen();
  SLUICE_TRY(check_actor(actor));
  SLUICE_TRY(check_amount(records.size(), "dead letters"));
  DeadLetterChange result;
  for (const Lane lane : kLanes) {
    rocksdb::WriteBatch batch;
    CountMoves moves{.lane = lane, .delta = {}, .answers = {}};
    ++version;
    const std::uint64_t before = result.changed;
    for (const RecordKey& record : std::set<RecordKey>(records.begin(), records.end())) {
      if (record.lane != lane) continue;
      const DeadLetterEntry* entry = letters.find(record);
      if (entry == nullptr) {
        ++result.gone;
      } else if (order == LetterOrder::kRequeue && !entry->is_event) {
        ++result.rejects;
      } else if (order != LetterOrder::kDiscard &&
                 entry->is_requeued == (order == LetterOrder::kRequeue)) {
        ++result.as_asked;
      } else {
        // What was changed in memory is not on disk after an error.
        if (auto done = change_letter(order, record, actor, &moves, &batch); !done) {
          dead = true;
          return fail(std::move(done).error());
        }
        ++result.changed;
      }
    }
    if (result.changed == before) continue;
    put_moves(moves, &batch);
    SLUICE_TRY(write_change(lane, &batch));
  }
  return result;
}

Result<void> DeliveryStore::Impl::change_letter(LetterOrder order, const RecordKey& record,
                                                const Actor& actor, CountMoves* moves,
                                                rocksdb::WriteBatch* batch) {
  SLUICE_ASSIGN(const DeadLetter letter, letters.read(*database, record));
  const DeadLetterEntry entry = *letters.find(record);
  const std::int64_t now_ms = to_unix_ms(clock.now());
  Intervention row = intervention_of(letter, InterventionKind::kNone, actor, now_ms);
  row.is_voided = entry.is_voided;
  switch (order) {
    case LetterOrder::kRequeue:
      row.kind = InterventionKind::kRequeueAsked;
      put_journal(fmt::format("{} is to be sent again, {}", words_for(letter), by(actor)), batch);
      letters.intervene(*database, row, version, batch);
      return {};
    case LetterOrder::kCancelRequeue:
      put_journal(fmt::format("{} is not to be sent again, {}", words_for(letter), by(actor)),
                  batch);
      letters.intervene(*database, row, version, batch);
      return {};
    case LetterOrder::kDiscard:
      break;
  }
  row.kind = InterventionKind::kDiscarded;
  put_journal(fmt::format("{} is discarded, {}", words_for(letter), by(actor)), batch);
  letters.remove(*database, record, batch);
  batch->Put(database->family(kDefaultFamily), intervention_key(record, version),
             encode_intervention(row));
  if (entry.may_be_under_way) discarded_in_flight[record] = row;
  if (entry.is_voided) return {};
  return move(record, letter.time, letter.id, Account::kDead, Account::kSkipped, moves);
}

Result<void> DeliveryStore::Impl::finish_requeue(Lane lane, const RequeueOutcome& outcome) {
  const std::lock_guard guard(mutex);
  if (dead) return must_reopen();
  rocksdb::WriteBatch batch;
  CountMoves moves{.lane = lane, .delta = {}, .answers = {}};
  ++version;
  Result<void> done;
  for (const RecordKey& record : outcome.delivered) {
    if (done) done = requeue_delivered(record, &moves, &batch);
  }
  for (const DeadLetter& tried : outcome.refused) {
    if (done) done = requeue_refused(tried, &batch);
  }
  if (!done) {
    dead = true;
    return done;
  }
  if (!outcome.delivered.empty()) progress[lane].acknowledged_at_ms = to_unix_ms(clock.now());
  put_moves(moves, &batch);
  return write_change(lane, &batch);
}

Result<void> DeliveryStore::Impl::requeue_delivered(const RecordKey& record, CountMoves* moves,
                                                    rocksdb::WriteBatch* batch) {
  const DeadLetterEntry* known = letters.find(record);
  if (known == nullptr) return discarded_was_delivered(record, moves, batch);
  const DeadLetterEntry entry = *known;
  SLUICE_ASSIGN(const DeadLetter letter, letters.read(*database, record));
  Intervention row =
      intervention_of(letter, InterventionKind::kRequeued, {}, to_unix_ms(clock.now()));
  row.is_voided = entry.is_voided;
  if (entry.intervention_version != 0) {
    SLUICE_ASSIGN(const Intervention asked, letters.read_intervention(*database, record));
    row.actor = asked.actor;
  }
  put_journal(fmt::format("{} was sent again and taken", words_for(letter)), batch);
  letters.remove(*database, record, batch);
  batch->Put(database->family(kDefaultFamily), intervention_key(record, version),
             encode_intervention(row));
  if (entry.is_voided) return {};
  return move(record, letter.time, letter.id, Account::kDead, Account::kAcknowledged, moves);
}

// The sink has it all the same, so it counts as acknowledged.
Result<void> DeliveryStore::Impl::discarded_was_delivered(const RecordKey& record,
                                                          CountMoves* moves,
                                                          rocksdb::WriteBatch* batch) {
  const auto found = discarded_in_flight.find(record);
  if (found == discarded_in_flight.end()) return {};
  Intervention row = found->second;
  discarded_in_flight.erase(found);
  SLUICE_ASSIGN(const auto old, newest_intervention(record));
  if (!old) return {};
  row.kind = InterventionKind::kRequeued;
  row.at_ms = to_unix_ms(clock.now());
  put_journal(fmt::format("dead letter {} of lane {} (event {}) was taken by the sink when it was "
                          "discarded: it counts as acknowledged",
                          record.seq, name_of(record.lane), row.id),
              batch);
  batch->Delete(database->family(kDefaultFamily), intervention_key(record, old->version));
  batch->Put(database->family(kDefaultFamily), intervention_key(record, version),
             encode_intervention(row));
  if (row.is_voided) return {};
  return move(record, row.time, row.id, Account::kSkipped, Account::kAcknowledged, moves);
}

Result<void> DeliveryStore::Impl::requeue_refused(const DeadLetter& tried,
                                                  rocksdb::WriteBatch* batch) {
  const RecordKey record = tried.key();
  const DeadLetterEntry* entry = letters.find(record);
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(DeadLetter letter, letters.read(*database, record));
  letter.reason = tried.reason;
  letter.status = tried.status;
  letter.answer = tried.answer;
  letter.attempts += tried.attempts;
  if (letter.first_at_ms == 0) letter.first_at_ms = tried.first_at_ms;
  letter.last_at_ms = tried.last_at_ms;
  put_journal(fmt::format("{} was sent again and is refused: {}", words_for(letter), letter.reason),
              batch);
  Intervention row;
  row.record = record;
  row.is_voided = entry->is_voided;
  letters.replace(*database, letter, version, batch);
  letters.intervene(*database, row, version, batch);
  letters.came_back(record);
  return {};
}

Result<Seq> DeliveryStore::Impl::published_durable(Lane lane) const {
  PageReader fetcher(options.paths.fetcher_page(), PageRole::kFetcher);
  const auto payload = fetcher.read();
  const auto values = payload ? decode_fetcher_page(*payload) : std::nullopt;
  if (!values || values->queue_id != binding.queue_id) {
    return fail(ErrorKind::kBusy,
                fmt::format("{} does not say up to where the queue is durable: start "
                            "sluice-fetcher, which writes it",
                            options.paths.fetcher_page().string()));
  }
  if (epochs.empty() || values->epoch != epochs.back().epoch) {
    return fail(ErrorKind::kBusy,
                "the queue has just been opened anew, and what has its numbers now is not known "
                "yet: try again");
  }
  return values->durable[lane];
}

Result<void> DeliveryStore::Impl::check_skip(Lane lane,
                                             const std::vector<StoredRecord>& events) const {
  SLUICE_ASSIGN(const Seq durable, published_durable(lane));
  const LaneProgress& at = progress[lane];
  Seq before = 0;
  for (const auto& [seq, record] : events) {
    const auto refuse = [&, number = seq](std::string_view why) {
      return fail(ErrorKind::kUsage, fmt::format("number {} of lane {} {}: nothing was skipped",
                                                 number, name_of(lane), why));
    };
    if (seq <= before) return refuse("is named twice, or out of order");
    before = seq;
    if (seq > durable) {
      return refuse(fmt::format("is not in the queue yet, which ends at {}", durable));
    }
    const bool is_done =
        seq <= at.position || std::ranges::any_of(at.completed, [&](const SeqRange& range) {
          return range.first <= seq && seq <= range.last;
        });
    if (is_done) return refuse("is accounted for already");
    if (record.kind != RecordKind::kEvent) return refuse("is no event, and passes by itself");
    const auto owner = std::find_if(epochs.rbegin(), epochs.rend(),
                                    [&](const EpochRow& row) { return row.first[lane] <= seq; });
    if (owner == epochs.rend() || owner->epoch.number != record.epoch) {
      return refuse("belongs to another event than that which was looked at");
    }
  }
  return {};
}

Result<void> DeliveryStore::Impl::skip(Lane lane, const std::vector<StoredRecord>& events,
                                       const Actor& actor) {
  const std::lock_guard guard(mutex);
  if (dead) return must_reopen();
  SLUICE_TRY(check_actor(actor));
  SLUICE_TRY(check_amount(events.size(), "events"));
  if (binding.queue_id.is_zero()) {
    return fail(ErrorKind::kNotFound,
                "the delivery store has never been used with a queue: start sluice-shipper");
  }
  SLUICE_TRY(check_skip(lane, events));
  rocksdb::WriteBatch batch;
  ++version;
  Completion completion(lane);
  const auto known = skipped_numbers[lane];
  auto numbers =
      known ? std::make_shared<std::set<Seq>>(*known) : std::make_shared<std::set<Seq>>();
  for (const StoredRecord& event : events) {
    const RecordView& record = event.record;
    completion.skip(event);
    const Intervention row{.record = {lane, event.seq, record.epoch},
                           .kind = InterventionKind::kSkipped,
                           .is_voided = false,
                           .at_ms = to_unix_ms(clock.now()),
                           .actor = actor,
                           .time = record.time,
                           .id = std::string(record.id),
                           .type = std::string(record.type)};
    batch.Put(database->family(kDefaultFamily), intervention_key(row.record, version),
              encode_intervention(row));
    put_journal(
        fmt::format("number {} of lane {} (event {}, {}) is skipped, {}", event.seq, name_of(lane),
                    row.id, row.type.empty() ? "no type" : row.type, by(actor)),
        &batch);
    skips[lane][event.seq] = {row.record, version, row.time, row.id};
    numbers->insert(event.seq);
  }
  account(completion, &batch);
  skipped_numbers[lane] = std::move(numbers);
  return write_change(lane, &batch);
}

// Those that its maker knew of are not in its ranges.
Result<void> DeliveryStore::Impl::check_not_skipped(const Completion& completion) const {
  const auto& skipped = skips[completion.lane()];
  if (skipped.empty()) return {};
  for (const auto& range : completion.ranges_) {
    const auto next = skipped.lower_bound(range.numbers.first);
    if (next == skipped.end() || next->first > range.numbers.last) continue;
    return fail(ErrorKind::kBusy, fmt::format("number {} of lane {} has been skipped meanwhile",
                                              next->first, name_of(completion.lane())));
  }
  return {};
}

Result<void> DeliveryStore::Impl::honour(const Completion& completion, rocksdb::WriteBatch* batch) {
  const Lane lane = completion.lane();
  CountMoves moves{.lane = lane, .delta = {}, .answers = {}};
  for (const Seq seq : completion.honoured_) {
    const auto found = skips[lane].find(seq);
    if (found == skips[lane].end()) continue;
    const SkippedRow& row = found->second;
    if (auto done =
            move(row.record, row.time, row.id, Account::kSkipped, Account::kAcknowledged, &moves);
        !done) {
      dead = true;
      return done;
    }
    batch->Delete(database->family(kDefaultFamily), intervention_key(row.record, row.version));
    put_journal(fmt::format("number {} of lane {} (event {}) was taken by the sink when it was "
                            "skipped: it counts as acknowledged",
                            seq, name_of(lane), row.id),
                batch);
    skips[lane].erase(found);
    progress[lane].acknowledged_at_ms = to_unix_ms(clock.now());
  }
  put_moves(moves, batch);
  return {};
}

}  // namespace sluice::queue
