// The metrics that both daemons have: which build this is, when it last had trouble, when its
// certificates end, and how full the disk of the queue is.
// Any thread.
#ifndef SLUICE_COMMON_PROCESS_METRICS_H_
#define SLUICE_COMMON_PROCESS_METRICS_H_

#include <string_view>

#include "common/config.h"
#include "common/metrics_page.h"

namespace sluice {

// `program` is "fetcher" or "shipper".
void fill_process_metrics(std::string_view program, const Config& config, MetricsPage* page);

}  // namespace sluice

#endif  // SLUICE_COMMON_PROCESS_METRICS_H_
