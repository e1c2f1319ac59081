// The rows that say which numbers of a lane were accounted for together. Internal to queue/.
//
// Any thread, as the database.
#ifndef SLUICE_QUEUE_ANSWER_ROWS_H_
#define SLUICE_QUEUE_ANSWER_ROWS_H_

#include <vector>

#include "common/error.h"
#include "queue/delivery_schema.h"
#include "queue/types.h"

namespace sluice::queue {

class Database;

// All answers of a lane that reach `seq` or lie behind it, in order.
Result<std::vector<AnswerRow>> answers_from(Database& database, Lane lane, Seq seq);

// What is accounted for beyond `position`: ascending, disjoint, as long as may be. kCorrupt: the
// rows have a number twice, or, of a secondary, are not of one moment.
Result<std::vector<SeqRange>> completed_beyond(Database& database, Lane lane, Seq position);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_ANSWER_ROWS_H_
