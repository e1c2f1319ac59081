// The ledger: counts and digests per event day (UTC) and lane, that must add up.
//
// The fetcher's half (queued, filtered, duplicates) is written in the queue's batches, the
// shipper's half (acknowledged, dead, skipped, gap) in the delivery store's, each in the same
// atomic write as what it counts. On a drained lane: queued = acknowledged + dead + skipped + gap,
// and the same for the digests. Value types; any thread.
#ifndef SLUICE_QUEUE_LEDGER_H_
#define SLUICE_QUEUE_LEDGER_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/time.h"
#include "queue/types.h"

namespace sluice::queue {

// A set of ids as the sum of their SHA-256 modulo 2^256: independent of order, and what is added
// can be subtracted again.
class Digest {
 public:
  void add_id(std::string_view id);
  Digest& operator+=(const Digest& other);
  Digest& operator-=(const Digest& other);
  bool is_zero() const { return *this == Digest{}; }
  std::string to_hex() const;                        // 64 digits, most significant first
  std::string to_bytes() const;                      // 32 bytes, most significant first
  static Digest from_bytes(std::string_view bytes);  // exactly 32
  bool operator==(const Digest&) const = default;

 private:
  std::array<std::uint64_t, 4> limbs_{};  // least significant first
};

struct LedgerRow {
  std::uint64_t queued = 0;        // records appended (events and rejects)
  std::uint64_t filtered = 0;      // left out by configuration, before the queue
  std::uint64_t duplicates = 0;    // kept out before the queue: already there
  std::uint64_t acknowledged = 0;  // the sink answered 2xx
  std::uint64_t dead = 0;          // passed as dead letters
  std::uint64_t skipped = 0;       // taken out by an operator
  std::uint64_t gap = 0;           // passed as recorded losses
  Digest queued_ids;
  Digest acknowledged_ids;
  Digest set_aside_ids;  // dead, skipped and gap together

  LedgerRow& operator+=(const LedgerRow& other);
  LedgerRow& operator-=(const LedgerRow& other);
  bool operator==(const LedgerRow&) const = default;
};

struct LedgerKey {
  Day day = 0;
  Lane lane = Lane::kAudit;
  auto operator<=>(const LedgerKey&) const = default;
};

using Ledger = std::map<LedgerKey, LedgerRow>;

void add_to(Ledger* ledger, const Ledger& delta);
LedgerRow total_of(const Ledger& ledger, Lane lane);

std::string encode_ledger_row(const LedgerRow& row);
Result<LedgerRow> decode_ledger_row(std::string_view bytes);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LEDGER_H_
