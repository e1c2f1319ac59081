#include "shipper/heartbeat_sender.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/backoff.h"
#include "common/message_kinds.h"
#include "shipper/answer.h"
#include "shipper/destination.h"
#include "shipper/fluentd/make_transport.h"
#include "shipper/made_body.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStopPollInterval{100};

nlohmann::ordered_json lane_json(const ShipperMetrics::LaneState& lane, Timestamp now) {
  const std::int64_t age_ms = lane.oldest_ms ? to_unix_ms(now) - *lane.oldest_ms : 0;
  return {{"position", lane.progress.position},
          {"backlog", lane.backlog},
          {"oldest_age_seconds", std::max<std::int64_t>(age_ms, 0) / 1000},
          {"dead_letters", lane.letters.count}};
}

// What it waits for may have bytes of a file's name in it that are no UTF-8.
std::string text_of(const nlohmann::ordered_json& event) {
  return event.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::string heartbeat_event(const Config& config, const ShipperMetrics::State& state,
                            Timestamp now) {
  nlohmann::ordered_json event = {
      {"event", "sluice.heartbeat"},
      {"uid", queue::Id128::random().to_string()},
      {"time", format_rfc3339(now)},
      {"message", "made by sluice-shipper; this is no audit event"},
      {"instance", config.instance},
      {"interval_seconds", config.shipper.heartbeat_interval.count() / 1000},
      {"waits_for", state.waits_for}};
  if (!state.queue) return text_of(event);
  event["cluster"] = state.queue->cluster;
  event["queue"] = state.queue->id.to_string();
  if (const auto& read = state.queue->read_up_to) {
    event["read_up_to"] = format_rfc3339(from_unix_ms(read->time_ms));
  }
  for (const queue::Lane lane : queue::kLanes) {
    event["lanes"][std::string(queue::name_of(lane))] = lane_json(state.lanes[lane], now);
  }
  return text_of(event);
}

Result<std::unique_ptr<HeartbeatSender>> HeartbeatSender::start(const HeartbeatOptions& options) {
  if (options.config->shipper.heartbeat_tag.empty()) return nullptr;
  std::unique_ptr<HeartbeatSender> sender(new HeartbeatSender(options));
  SLUICE_ASSIGN(sender->transport_,
                fluentd::make_transport(*options.config, 1, options.on_connected));
  sender->thread_ =
      std::jthread([self = sender.get()](const std::stop_token& stop) { self->run(stop); });
  return sender;
}

HeartbeatSender::HeartbeatSender(const HeartbeatOptions& options)
    : options_(options),
      trouble_(message::kHeartbeatsFail, "Fluentd takes no heartbeats", *options.clock) {}

// No beat is made up for: one that took long is followed by the next at its own time.
void HeartbeatSender::run(const std::stop_token& stop) {
  const milliseconds interval = options_.config->shipper.heartbeat_interval;
  auto next = options_.clock->monotonic();
  while (!stop.stop_requested()) {
    send(stop);
    const auto now = options_.clock->monotonic();
    while (next <= now) next += interval;
    sleep_for(stop, next - now);
  }
}

void HeartbeatSender::send(const std::stop_token& stop) {
  std::string complaint;
  for (const std::string& base : options_.config->fluentd.urls) {
    const std::string url = with_path(base, options_.config->shipper.heartbeat_tag);
    const auto answer = send_to(url, stop);
    if (!answer) return;
    if (verdict_of(*answer) == Verdict::kAccepted) {
      ++options_.counters->accepted;
      return trouble_.succeeded();
    }
    complaint = describe(*answer, url);
  }
  ++options_.counters->failed;
  trouble_.failed(complaint);
}

std::optional<fluentd::Answer> HeartbeatSender::send_to(const std::string& url,
                                                        const std::stop_token& stop) {
  const std::string event =
      heartbeat_event(*options_.config, options_.state(), options_.clock->now());
  if (options_.tally != nullptr) options_.tally->sent(1);
  transport_->start(++last_request_id_, url, made_body(event, 1, options_.config->shipper.body));
  while (!stop.stop_requested()) {
    auto answers = transport_->poll(kStopPollInterval);
    if (answers.empty()) continue;
    fluentd::Answer answer = std::move(answers.front());
    if (options_.tally != nullptr) {
      verdict_of(answer) == Verdict::kAccepted
          ? options_.tally->accepted(1)
          : options_.tally->refused(1, answer.failure.has_value());
    }
    return answer;
  }
  transport_->cancel_all();
  if (options_.tally != nullptr) options_.tally->refused(1, false);
  return std::nullopt;
}

}  // namespace sluice::shipper
