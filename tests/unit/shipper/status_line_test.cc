#include "shipper/status_line.h"

#include <gtest/gtest.h>

namespace sluice::shipper {
namespace {

TEST(StatusLine, DrainedQueueTellsDeadLettersFromAcknowledgedEvents) {
  queue::LaneProgress audit;
  audit.acknowledged = 90;
  audit.dead = 10;
  queue::LaneProgress session;
  session.acknowledged = 5;
  EXPECT_EQ(describe_drained(audit, session),
            "everything in the queue is accounted for: 95 acknowledged, 10 dead letters");
}

}  // namespace
}  // namespace sluice::shipper
