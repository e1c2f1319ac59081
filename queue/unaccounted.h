// Whether the shipper's half of the ledger adds up. Pure; any thread.
#ifndef SLUICE_QUEUE_UNACCOUNTED_H_
#define SLUICE_QUEUE_UNACCOUNTED_H_

#include <cstdint>

#include "queue/ledger.h"
#include "queue/types.h"

namespace sluice::queue {

// What is missing from `durable` = acknowledged + dead + skipped + gap + backlog; 0 unless
// something is wrong.
inline std::int64_t unaccounted(Seq durable, std::uint64_t backlog, const LedgerRow& delivered) {
  const std::uint64_t sum =
      delivered.acknowledged + delivered.dead + delivered.skipped + delivered.gap + backlog;
  return static_cast<std::int64_t>(durable - sum);
}

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_UNACCOUNTED_H_
