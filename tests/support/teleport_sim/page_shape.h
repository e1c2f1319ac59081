// Where a page of a search ends although there is more.
//
// Teleport's backends fill pages as they can: a page may be shorter than its limit while there is a
// next one (reference/teleport.md §1.3), hold nothing at all since what was read was filtered out,
// or give a key behind which there is nothing. Value type.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_SHAPE_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_SHAPE_H_

#include <cstdint>
#include <limits>

namespace sluice::teleport_sim {

struct PageShape {
  std::uint32_t events_max = std::numeric_limits<std::uint32_t>::max();
  bool key_behind_the_last = false;

  // One after the other: full, empty, of one event, short, and with a key to an empty page.
  static PageShape of_page(std::uint64_t number) {
    switch (number % 5) {
      case 1:
        return {.events_max = 0};
      case 2:
        return {.events_max = 1};
      case 3:
        return {.events_max = 7};
      case 4:
        return {.key_behind_the_last = true};
      default:
        return {};
    }
  }
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_PAGE_SHAPE_H_
