#include "fetcher/source/audit_api.h"

#include <utility>

namespace sluice::fetcher {
namespace {

// A day that cannot have chunks yet: the answer is short, or says that there is no bulk export.
constexpr Day kProbeDaysAhead = 2;

}  // namespace

Result<AuditApi> probe_audit_api(EventApi* api, const Clock& clock, std::stop_token stop) {
  const auto listed = api->list_chunks(day_of(clock.now()) + kProbeDaysAhead, std::move(stop));
  if (listed) return AuditApi::kBulkExport;
  if (listed.error().kind == ErrorKind::kUnimplemented) return AuditApi::kSearch;
  return fail(listed.error());
}

}  // namespace sluice::fetcher
