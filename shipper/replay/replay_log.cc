#include "shipper/replay/replay_log.h"

#include <fmt/format.h>

#include <utility>

#include "common/message_kinds.h"
#include "shipper/lane_log.h"

namespace sluice::shipper {

ReplayLog::ReplayLog(std::string subject, queue::Lane lane)
    : subject_(std::move(subject)),
      lane_(lane),
      trouble_(message::kEventsWait, fmt::format("{}: events wait", subject_)),
      other_url_(message::kOtherUrl, subject_),
      refusals_(message::kReplayRefused, fmt::format("{}: an event is refused", subject_)) {}

void ReplayLog::on_failure(std::string_view sentence, const Batch* batch) {
  const std::string numbers = numbers_of(batch);
  trouble_.failed(sentence, {.lane = queue::name_of(lane_), .batch = numbers});
}

void ReplayLog::on_healed() { trouble_.succeeded({.lane = queue::name_of(lane_)}); }

void ReplayLog::on_other_url(std::string_view url, std::string_view reason) {
  other_url_.failed(fmt::format("events go to {} from now on: {}", url, reason),
                    {.lane = queue::name_of(lane_)});
}

void ReplayLog::on_dead_letter(const queue::DeadLetter& letter) {
  refusals_.failed(letter.reason,
                   {.lane = queue::name_of(lane_),
                    .sequence = letter.seq,
                    .event_id = letter.id,
                    .session_id = letter.route},
                   describe_event(letter));
}

}  // namespace sluice::shipper
