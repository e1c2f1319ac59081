// A queue record: one event, or what stands in an event's place, with its provenance and a
// checksum.
//
// The bytes are described in docs/queue-format.md. The checksum covers the lane and the sequence
// number too, so that a record that turns up in the wrong place is damage and not an event. Pure;
// any thread.
#ifndef SLUICE_QUEUE_RECORD_H_
#define SLUICE_QUEUE_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/time.h"
#include "queue/types.h"

namespace sluice::queue {

// On disk: never change the numbers.
enum class RecordKind : std::uint8_t {
  kEvent = 0,   // body is the event's JSON object, as it will be shipped
  kReject = 1,  // body is what was received and cannot be shipped; note is the reason
  kGap = 2,     // a number whose record was lost; note says when and how that was found
};

std::string_view name_of(RecordKind kind);

// What goes into a record. The views are the caller's and must live as long as this does.
struct RecordView {
  RecordKind kind = RecordKind::kEvent;
  std::uint64_t epoch = 0;         // set by the Writer
  std::int64_t fetched_at_ms = 0;  // unix time
  Timestamp time;                  // the event's own
  std::string_view id;             // never empty; at most kStringBytesMax, as are the next three
  std::string_view type;           // for example "user.login"
  std::string_view route;          // the recording's session id in the session lane, else empty
  std::string_view note;           // see RecordKind
  std::string_view body;           // at most kBodyBytesMax
};

inline constexpr std::size_t kStringBytesMax = 65'535;
inline constexpr std::size_t kBodyBytesMax = 128U << 20;

// A record together with its place.
struct StoredRecord {
  Seq seq = 0;
  RecordView record;
};

// Appends the record's bytes to *out. The limits above are the caller's to keep (checked).
void encode_record(Lane lane, Seq seq, const RecordView& record, std::string* out);
// The same without the body, whose bytes are to follow: for who need not copy it.
void encode_record_head(Lane lane, Seq seq, const RecordView& record, std::string* out);

// The record in `bytes`, whose views point into `bytes`. kCorrupt for a wrong checksum or length,
// kFormat for a version that this program does not know.
Result<RecordView> decode_record(Lane lane, Seq seq, std::string_view bytes);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_RECORD_H_
