// What all of the simulator's services work on; each part outlives them, and is thread-safe.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_SIMULATION_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_SIMULATION_H_

#include "common/time.h"
#include "tests/support/teleport_sim/catalog.h"
#include "tests/support/teleport_sim/event_maker.h"
#include "tests/support/teleport_sim/faults.h"
#include "tests/support/teleport_sim/record_file.h"
#include "tests/support/teleport_sim/statistics.h"

namespace sluice::teleport_sim {

struct Simulation {
  const EventMaker& maker;
  Catalog& catalog;
  RecordFile& record;
  Faults& faults;
  Statistics& statistics;

  // The present, or the moment at which it was made to stand still.
  Timestamp now() const {
    const std::int64_t frozen_ms = faults.frozen_at_ms;
    return frozen_ms == 0 ? system_clock().now() : from_unix_ms(frozen_ms);
  }
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_SIMULATION_H_
