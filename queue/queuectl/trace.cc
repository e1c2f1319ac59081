#include "queue/queuectl/trace.h"

#include <algorithm>
#include <memory>

#include "queue/database.h"
#include "queue/queue_schema.h"
#include "queue/reader.h"
#include "queue/seen_key.h"

namespace sluice::queue {
namespace {

constexpr int kTriesMax = 5;

TracedEvent traced(Lane lane, const StoredRecord& stored) {
  return {.lane = lane,
          .seq = stored.seq,
          .type = std::string(stored.record.type),
          .time = stored.record.time,
          .fetched_at_ms = stored.record.fetched_at_ms,
          .fate = Fate::kUnknown,
          .is_kept = true,
          .epoch = stored.record.epoch,
          .letter = {},
          .intervention = {}};
}

Result<void> look_through(Access* access, Lane lane, std::string_view id, Trace* found) {
  SLUICE_ASSIGN(Reader * reader, access->reader());
  SLUICE_ASSIGN(const QueueView view, reader->view());
  found->floor[lane] = view.floor[lane];
  for (Seq next = view.floor[lane]; next <= view.durable[lane];) {
    auto batch = reader->read(lane, next, kScanBlock);
    // Trimmed under our feet: go on with what is kept.
    if (!batch && batch.error().kind == ErrorKind::kTrimmed) {
      SLUICE_ASSIGN(const QueueView now, reader->view());
      next = found->floor[lane] = now.floor[lane];
      continue;
    }
    if (!batch) return fail(std::move(batch.error()));
    if (batch->empty()) break;
    for (const StoredRecord& stored : batch->records()) {
      if (stored.record.id == id) found->events.push_back(traced(lane, stored));
    }
    next = batch->records().back().seq + 1;
  }
  return {};
}

// Says of each record what became of it; adds the dead letters whose records are trimmed.
void tell_fates(const DeliveryView& delivery, std::vector<DeadLetter> letters, Trace* found) {
  for (TracedEvent& event : found->events) {
    event.fate =
        event.seq <= delivery.progress[event.lane].position ? Fate::kAcknowledged : Fate::kWaiting;
  }
  for (DeadLetter& letter : letters) {
    const auto record =
        std::find_if(found->events.begin(), found->events.end(), [&](const TracedEvent& event) {
          return event.lane == letter.lane && event.seq == letter.seq && !event.letter;
        });
    TracedEvent& event = record != found->events.end() ? *record : found->events.emplace_back();
    if (record == found->events.end()) {
      event.lane = letter.lane;
      event.seq = letter.seq;
      event.type = letter.type;
      event.time = letter.time;
      event.fetched_at_ms = letter.fetched_at_ms;
      event.is_kept = false;
    }
    event.epoch = letter.epoch;
    event.fate = Fate::kDead;
    event.letter = std::move(letter);
  }
}

std::optional<Fate> fate_of(InterventionKind kind) {
  switch (kind) {
    case InterventionKind::kRequeueAsked:
      return Fate::kDead;
    case InterventionKind::kRequeued:
      return Fate::kRequeued;
    case InterventionKind::kDiscarded:
      return Fate::kDiscarded;
    case InterventionKind::kSkipped:
      return Fate::kSkipped;
    case InterventionKind::kNone:
      break;
  }
  return std::nullopt;
}

// Says what was done by hand; adds events whose records are trimmed.
void tell_interventions(std::vector<Intervention> interventions, std::string_view id,
                        Trace* found) {
  for (Intervention& one : interventions) {
    const auto fate = fate_of(one.kind);
    if (one.id != id || one.is_voided || !fate) continue;
    const auto known = std::ranges::find_if(found->events, [&](const TracedEvent& event) {
      return RecordKey{event.lane, event.seq, event.epoch} == one.record;
    });
    TracedEvent& event = known != found->events.end() ? *known : found->events.emplace_back();
    if (known == found->events.end()) {
      event.lane = one.record.lane;
      event.seq = one.record.seq;
      event.epoch = one.record.epoch;
      event.type = one.type;
      event.time = one.time;
      event.is_kept = false;
    }
    event.fate = *fate;
    event.intervention = std::move(one);
  }
}

Result<std::optional<Timestamp>> look_up_remembered(Access* access, std::string_view id) {
  SLUICE_ASSIGN(const auto scratch, access->scratch());
  SLUICE_ASSIGN(const auto database, Database::open_secondary(access->paths().queue_db(),
                                                              scratch / "seen", queue_families()));
  if (!database->has_family(kSeenFamily)) return std::nullopt;
  const std::unique_ptr<rocksdb::Iterator> it(
      database->db().NewIterator(scan_options(), database->family(kSeenFamily)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (const auto time = seen_time({it->key().data(), it->key().size()}, id)) return time;
  }
  if (!it->status().ok()) {
    return fail(database_error("read the remembered ids in", database->path(), it->status()));
  }
  return std::nullopt;
}

Result<Trace> try_trace(Access* access, std::string_view id) {
  Trace found;
  for (const Lane lane : kLanes) SLUICE_TRY(look_through(access, lane, id, &found));
  const auto delivery = access->delivery();
  // Without a store nothing has been delivered yet.
  if (delivery) {
    SLUICE_ASSIGN(auto letters, access->dead_letters_of(id));
    tell_fates(*delivery, std::move(letters), &found);
    SLUICE_ASSIGN(auto interventions, access->interventions());
    tell_interventions(std::move(interventions), id, &found);
  } else if (delivery.error().kind == ErrorKind::kNotFound) {
    tell_fates({}, {}, &found);
  }
  if (!found.events.empty()) return found;
  SLUICE_ASSIGN(found.remembered, look_up_remembered(access, id));
  return found;
}

}  // namespace

std::string_view name_of(Fate fate) {
  switch (fate) {
    case Fate::kWaiting:
      return "waiting";
    case Fate::kAcknowledged:
      return "acknowledged";
    case Fate::kDead:
      return "dead letter";
    case Fate::kRequeued:
      return "requeued";
    case Fate::kDiscarded:
      return "discarded";
    case Fate::kSkipped:
      return "skipped";
    case Fate::kUnknown:
      break;
  }
  return "unknown";
}

Result<Trace> trace(Access* access, std::string_view id) {
  for (int i = 1;; ++i) {
    auto found = try_trace(access, id);
    // The fetcher was started again while we looked.
    const bool may_pass = !found && found.error().kind == ErrorKind::kEpochChanged;
    if (!may_pass || i == kTriesMax) return found;
  }
}

}  // namespace sluice::queue
