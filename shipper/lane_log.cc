#include "shipper/lane_log.h"

#include <fmt/format.h>

#include <utility>

#include "common/message_kinds.h"
#include "common/process_note.h"
#include "shipper/batch.h"

namespace sluice::shipper {

std::string numbers_of(const Batch* batch) {
  return batch == nullptr ? "" : fmt::format("{}-{}", batch->first(), batch->last());
}

std::string describe_event(const queue::DeadLetter& letter) {
  return fmt::format("event {}, number {}, {}", letter.id, letter.seq,
                     letter.type.empty() ? "no type" : letter.type);
}

LaneLog::LaneLog(queue::Lane lane, const Clock& clock, const LogSink& sink)
    : lane_(lane),
      trouble_(message::kEventsWait, fmt::format("lane {}: events wait", queue::name_of(lane)),
               clock, sink),
      other_url_(message::kOtherUrl, fmt::format("lane {}", queue::name_of(lane)), clock, sink),
      dead_letters_(
          message::kDeadLetter,
          fmt::format("lane {}: an event is set aside as a dead letter", queue::name_of(lane)),
          clock, sink) {}

void LaneLog::on_failure(std::string_view sentence, const Batch* batch) {
  const std::string numbers = numbers_of(batch);
  trouble_.failed(sentence, {.lane = queue::name_of(lane_), .batch = numbers});
  fails_ = true;
  note_state(fmt::format("lane {}: events wait: {}", queue::name_of(lane_), sentence));
}

void LaneLog::on_healed() {
  trouble_.succeeded({.lane = queue::name_of(lane_)});
  if (std::exchange(fails_, false)) note_state("shipping");
}

void LaneLog::on_other_url(std::string_view url, std::string_view reason) {
  other_url_.failed(fmt::format("events go to {} from now on: {}", url, reason),
                    {.lane = queue::name_of(lane_)});
}

void LaneLog::on_dead_letter(const queue::DeadLetter& letter) {
  dead_letters_.failed(letter.reason,
                       {.lane = queue::name_of(lane_),
                        .sequence = letter.seq,
                        .event_id = letter.id,
                        .session_id = letter.route},
                       describe_event(letter));
}

}  // namespace sluice::shipper
