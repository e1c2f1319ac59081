#include "shipper/status_line.h"

#include <gtest/gtest.h>

#include <optional>

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

TEST(StatusLine, BacklogLeavesOutWhatIsAccountedForBeyondThePosition) {
  queue::LaneProgress progress;
  EXPECT_EQ(describe_backlog(queue::Lane::kSession, progress, 0, std::nullopt),
            "lane session: 0 waiting, 0 dead letters, last acknowledged: never");
  progress.position = 100;
  progress.completed = {{111, 120}};
  progress.dead = 2;
  progress.acknowledged_at_ms = 1'764'407'472'345;
  EXPECT_EQ(describe_backlog(queue::Lane::kAudit, progress, 150, 1'764'406'800'000),
            "lane audit: 40 waiting since 2025-11-29T09:00:00Z, 2 dead letters, last acknowledged: "
            "2025-11-29T09:11:12Z");
}

}  // namespace
}  // namespace sluice::shipper
