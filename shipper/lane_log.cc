#include "shipper/lane_log.h"

#include <fmt/format.h>

#include "common/log.h"

namespace sluice::shipper {

LaneLog::LaneLog(queue::Lane lane)
    : lane_(lane), trouble_(fmt::format("lane {}: events wait", queue::name_of(lane))) {}

void LaneLog::on_failure(std::string_view sentence) { trouble_.failed(sentence); }

void LaneLog::on_healed() { trouble_.succeeded(); }

void LaneLog::on_other_url(std::string_view url, std::string_view reason) {
  log_warn("lane {}: events go to {} from now on: {}", queue::name_of(lane_), url, reason);
}

void LaneLog::on_dead_letter(const queue::DeadLetter& letter) {
  log_warn("lane {}: event {} (number {}, {}) is set aside as a dead letter: {}",
           queue::name_of(lane_), letter.id, letter.seq,
           letter.type.empty() ? "no type" : letter.type, letter.reason);
}

}  // namespace sluice::shipper
