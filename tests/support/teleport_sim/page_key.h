// The opaque key with which a search goes on behind its last page.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_KEY_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_KEY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "teleport/auditlog/v1/auditlog.pb.h"
#include "tests/support/teleport_sim/catalog.h"

namespace sluice::teleport_sim {

// `backend` names the store that the key belongs to. A key is bound to it and to everything in the
// request but limit and start_key. `page` makes keys of one place differ: an empty page has another
// key than the page before it.
std::string make_page_key(const teleport::auditlog::v1::GetUnstructuredEventsRequest& request,
                          const std::string& backend, const Place& last, std::uint64_t page);

// Nothing for a key that was not made for this request and backend.
std::optional<Place> read_page_key(
    const teleport::auditlog::v1::GetUnstructuredEventsRequest& request,
    const std::string& backend);

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_KEY_H_
