// How many dead letters a lane may have, and what is said when there are many. Pure; any thread.
//
// At the limit a lane sets nothing more aside and waits: thousands of dead letters are a fault in
// what is sent or in who takes it, and not in each event.
#ifndef SLUICE_QUEUE_DEAD_LETTER_LIMITS_H_
#define SLUICE_QUEUE_DEAD_LETTER_LIMITS_H_

#include <cstdint>
#include <limits>
#include <string>

#include "queue/dead_letter.h"
#include "queue/types.h"

namespace sluice::queue {

// From this share of a limit on, in percent, people are told.
inline constexpr std::uint64_t kDeadLettersWarnShare = 80;

// Of each lane.
struct DeadLetterLimits {
  std::uint64_t count_max = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t bytes_max = std::numeric_limits<std::uint64_t>::max();

  // How much of the limits is used, in whole percent, by the one of which more is; 100 or more:
  // all.
  std::uint64_t share(const DeadLetterTotals& totals) const;
  // What is to be known and done from kDeadLettersWarnShare on: a sentence.
  std::string describe(Lane lane, const DeadLetterTotals& totals) const;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DEAD_LETTER_LIMITS_H_
