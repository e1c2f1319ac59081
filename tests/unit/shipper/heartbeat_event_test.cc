#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "shipper/heartbeat_sender.h"

namespace sluice::shipper {
namespace {

constexpr Timestamp kNow{.seconds = 1'790'000'000, .nanos = 0};

TEST(HeartbeatEvent, SaysHowFarTheShipperIs) {
  Config config;
  config.instance = "bank-2";
  ShipperMetrics::State state;
  state.queue.emplace();
  state.queue->cluster = "bank.example.com";
  state.queue->read_up_to = queue::ReadUpTo{.time_ms = 1'789'999'990'000, .looked_at_ms = 0};
  auto& audit = state.lanes[queue::Lane::kAudit];
  audit.progress.position = 7;
  audit.backlog = 3;
  audit.letters.count = 2;
  audit.oldest_ms = to_unix_ms(kNow) - 12'345;
  const auto event = nlohmann::json::parse(heartbeat_event(config, state, kNow));
  EXPECT_EQ(event["event"], "sluice.heartbeat");
  EXPECT_EQ(event["time"], format_rfc3339(kNow));
  EXPECT_EQ(event["instance"], "bank-2");
  EXPECT_EQ(event["interval_seconds"], 60);
  EXPECT_EQ(event["cluster"], "bank.example.com");
  EXPECT_EQ(event["read_up_to"], format_rfc3339(from_unix_ms(1'789'999'990'000)));
  EXPECT_EQ(event["lanes"]["audit"],
            (nlohmann::json{
                {"position", 7}, {"backlog", 3}, {"oldest_age_seconds", 12}, {"dead_letters", 2}}));
}

TEST(HeartbeatEvent, SaysWhatTheShipperWaitsForWhileThereIsNoQueue) {
  ShipperMetrics::State state;
  state.waits_for = "there is no queue yet";
  const auto event = nlohmann::json::parse(heartbeat_event(Config{}, state, kNow));
  EXPECT_EQ(event["waits_for"], "there is no queue yet");
  EXPECT_FALSE(event.contains("lanes"));
  EXPECT_NE(event["uid"], nlohmann::json::parse(heartbeat_event(Config{}, state, kNow))["uid"]);
}

TEST(HeartbeatEvent, IsMadeOfASentenceThatIsNoUtf8) {
  ShipperMetrics::State state;
  state.waits_for = "cannot open /data/caf\xe9/queue";
  const auto event = nlohmann::json::parse(heartbeat_event(Config{}, state, kNow));
  EXPECT_EQ(event["waits_for"], "cannot open /data/caf\xef\xbf\xbd/queue");
}

}  // namespace
}  // namespace sluice::shipper
