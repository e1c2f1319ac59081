// A dead letter: an event taken out of a lane because it cannot be shipped, kept with everything
// known of it.
//
// Value type. On disk in the delivery store, keyed by lane and sequence number and epoch;
// docs/queue-format.md has the bytes.
#ifndef SLUICE_QUEUE_DEAD_LETTER_H_
#define SLUICE_QUEUE_DEAD_LETTER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/time.h"
#include "queue/record.h"
#include "queue/types.h"

namespace sluice::queue {

struct DeadLetter {
  Lane lane = Lane::kAudit;
  Seq seq = 0;
  std::uint64_t epoch = 0;
  RecordKind kind = RecordKind::kEvent;
  Timestamp time;
  std::int64_t fetched_at_ms = 0;
  std::string id;
  std::string type;
  std::string route;
  std::string body;
  std::string reason;        // one sentence
  std::uint32_t status = 0;  // the sink's last answer; 0: it was never sent
  std::string answer;        // the first bytes of that answer's body
  std::uint64_t attempts = 0;
  std::int64_t first_at_ms = 0;  // unix time of the first attempt, and of the last
  std::int64_t last_at_ms = 0;

  // Everything that the record says; the rest is left to the caller.
  static DeadLetter of(Lane lane, const StoredRecord& record);

  RecordKey key() const { return {lane, seq, epoch}; }
  // The record that it was, as far as the sink is concerned; its views are this letter's.
  StoredRecord record() const;
};

// How many letters a lane has, and how many bytes their rows.
struct DeadLetterTotals {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};

std::string encode_dead_letter(const DeadLetter& letter);
Result<DeadLetter> decode_dead_letter(std::string_view bytes);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DEAD_LETTER_H_
