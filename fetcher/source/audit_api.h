// Which of its two ways to read audit events a Teleport offers.
#ifndef SLUICE_FETCHER_SOURCE_AUDIT_API_H_
#define SLUICE_FETCHER_SOURCE_AUDIT_API_H_

#include <stop_token>

#include "common/error.h"
#include "common/time.h"
#include "fetcher/source/event_api.h"

namespace sluice::fetcher {

enum class AuditApi { kBulkExport, kSearch };

// Asks Teleport, once. Errors as of EventApi, but for kUnimplemented.
Result<AuditApi> probe_audit_api(EventApi* api, const Clock& clock, std::stop_token stop);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_AUDIT_API_H_
