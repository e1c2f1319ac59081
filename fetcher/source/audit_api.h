// Which of its two ways to read audit events a Teleport offers, and what both sources take from the
// configuration.
#ifndef SLUICE_FETCHER_SOURCE_AUDIT_API_H_
#define SLUICE_FETCHER_SOURCE_AUDIT_API_H_

#include <stop_token>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "fetcher/source/bulk_export.h"
#include "fetcher/source/event_api.h"
#include "fetcher/source/window_search.h"

namespace sluice::fetcher {

enum class AuditApi { kBulkExport, kSearch };

// Asks Teleport, once. Errors as of EventApi, but for kUnimplemented.
Result<AuditApi> probe_audit_api(EventApi* api, const Clock& clock, std::stop_token stop);

// Without start time, saved state and takeover.
BulkExportOptions bulk_export_options(const FetcherConfig& config);
WindowSearchOptions window_search_options(const FetcherConfig& config);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_AUDIT_API_H_
