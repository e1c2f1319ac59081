#include "fetcher/source/audit_api.h"

#include <utility>

namespace sluice::fetcher {

// A day that cannot have chunks yet: the answer is short, or says that there is no bulk export.
Result<AuditApi> probe_audit_api(EventApi* api, const Clock& clock, std::stop_token stop) {
  const auto listed = api->list_chunks(day_of(clock.now()) + kProbeDaysAhead, std::move(stop));
  if (listed) return AuditApi::kBulkExport;
  if (listed.error().kind == ErrorKind::kUnimplemented) return AuditApi::kSearch;
  return fail(listed.error());
}

BulkExportOptions bulk_export_options(const FetcherConfig& config) {
  BulkExportOptions options;
  options.concurrency = config.concurrency;
  options.late_days = config.late_days;
  options.export_delay = config.export_delay;
  options.poll_interval = config.poll_interval;
  return options;
}

WindowSearchOptions window_search_options(const FetcherConfig& config) {
  WindowSearchOptions options;
  options.types = config.types;
  options.page_size = config.page_size;
  options.window_size = config.window_size;
  options.overlap = config.search_overlap;
  options.late_days = config.late_days;
  options.poll_interval = config.poll_interval;
  return options;
}

}  // namespace sluice::fetcher
