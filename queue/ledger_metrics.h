// The ledger's sums as metrics, of which each daemon serves its half.
//
// Any thread.
#ifndef SLUICE_QUEUE_LEDGER_METRICS_H_
#define SLUICE_QUEUE_LEDGER_METRICS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "common/metrics_page.h"
#include "queue/types.h"

namespace sluice::queue {

// By what became of them: {{"queued", 12}, ...}.
using LedgerSums = std::vector<std::pair<const char*, std::uint64_t>>;

void fill_ledger(Lane lane, const LedgerSums& sums, MetricsPage* page);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LEDGER_METRICS_H_
