// Dead letters as text: for people, and JSON for programs. Pure.
#ifndef SLUICE_QUEUE_QUEUECTL_LETTER_RENDER_H_
#define SLUICE_QUEUE_QUEUECTL_LETTER_RENDER_H_

#include <string>
#include <vector>

#include "common/time.h"
#include "queue/dead_letter_limits.h"
#include "queue/queuectl/json.h"
#include "queue/queuectl/letters.h"

namespace sluice::queue {

// The first `shown` of those that are summed up.
std::string letters_table(const LetterSummary& summary, const std::vector<ListedLetter>& shown,
                          Timestamp now);
std::string letters_json(const LetterSummary& summary, const std::vector<ListedLetter>& shown);

// All that is known of one.
std::string letter_text(const ListedLetter& listed);
// One object, one line. The event is embedded as it is stored; a reject's raw bytes as base64.
std::string letter_json(const ListedLetter& listed);

// "DEAD   3 events, 1 reason (400 invalid time), oldest 5d: "queuectl dead-letter list"": a line of
// the screen that `status` shows, with another for each lane that is near its limit; empty: there
// are none.
std::string dead_lines(const LetterSummary& summary, const DeadLetterLimits& limits, Timestamp now);
Json dead_json(const LetterSummary& summary, const DeadLetterLimits& limits);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_LETTER_RENDER_H_
