// Collects the events of one page of a search until the page is full.
//
// A page is full with as many events as were asked for, about 1 MiB of them (one larger event has a
// page of its own), or where its shape ends it. While duplicates are asked for, some events are on
// the page twice, and the next page begins with the last event of this one. Used by one call.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_BUILDER_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>

#include "teleport/auditlog/v1/auditlog.pb.h"
#include "tests/support/teleport_sim/catalog.h"
#include "tests/support/teleport_sim/page_shape.h"
#include "tests/support/teleport_sim/simulation.h"

namespace sluice::teleport_sim {

class PageBuilder {
 public:
  // `begin`: where the page begins. All else must outlive the builder.
  PageBuilder(const teleport::auditlog::v1::GetUnstructuredEventsRequest& request, Place begin,
              const PageShape& shape, const Simulation& simulation,
              teleport::auditlog::v1::EventsUnstructured* page);

  // False when the entry has no place on this page any more.
  bool add(const Entry& entry, const std::string& sid);

  // The place behind which the next page begins, if there is one.
  std::optional<Place> go_on_behind() const;

 private:
  bool more();

  const std::uint32_t limit_;
  const Place begin_;
  const PageShape shape_;
  const bool duplicates_;
  const std::unordered_set<std::string> types_;
  const Simulation& simulation_;
  teleport::auditlog::v1::EventsUnstructured& page_;
  std::size_t bytes_ = 0;
  std::uint32_t events_ = 0;  // distinct
  std::optional<Place> before_last_;
  std::optional<Place> last_;
  bool has_more_ = false;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_BUILDER_H_
