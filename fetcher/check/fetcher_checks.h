// What `sluice-fetcher check` looks at: the identity, the way to Teleport and what its role may do,
// whether Teleport's own handler still runs, the queue's folders, the disk and the clock.
//
// Each part adds at least one finding. Asks Teleport nothing that it would note as an audit event.
#ifndef SLUICE_FETCHER_CHECK_FETCHER_CHECKS_H_
#define SLUICE_FETCHER_CHECK_FETCHER_CHECKS_H_

#include "common/self_check.h"
#include "common/time.h"

namespace sluice::fetcher {

SelfCheck fetcher_checks();

// The parts.
void check_identity(const CheckContext& context, Findings* findings);
void check_teleport(const CheckContext& context, Findings* findings);
void check_takeover(const CheckContext& context, Findings* findings);
void check_clock(const CheckContext& context, Findings* findings);

// Of two clocks that were looked at together: how far ours is off, if that matters.
Finding compare_clocks(Timestamp ours, Timestamp theirs);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_CHECK_FETCHER_CHECKS_H_
