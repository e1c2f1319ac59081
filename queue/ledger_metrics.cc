#include "queue/ledger_metrics.h"

#include <string>

namespace sluice::queue {

void fill_ledger(Lane lane, const LedgerSums& sums, MetricsPage* page) {
  for (const auto& [what, events] : sums) {
    page->gauge("sluice_ledger_events",
                "The sums of the ledger since the queue was made, by what became of events.",
                {{"lane", std::string(name_of(lane))}, {"what", what}},
                static_cast<double>(events));
  }
}

}  // namespace sluice::queue
