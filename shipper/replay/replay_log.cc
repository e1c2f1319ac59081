#include "shipper/replay/replay_log.h"

#include <fmt/format.h>

#include "common/log.h"

namespace sluice::shipper {

ReplayLog::ReplayLog(std::uint64_t job, queue::Lane lane)
    : job_(job), lane_(lane), trouble_(fmt::format("replay {}: events wait", job)) {}

void ReplayLog::on_failure(std::string_view sentence) { trouble_.failed(sentence); }

void ReplayLog::on_healed() { trouble_.succeeded(); }

void ReplayLog::on_other_url(std::string_view url, std::string_view reason) {
  log_warn("replay {}: events go to {} from now on: {}", job_, url, reason);
}

void ReplayLog::on_dead_letter(const queue::DeadLetter& letter) {
  log_warn("replay {}: event {} (lane {}, number {}, {}) is refused: {}", job_, letter.id,
           queue::name_of(lane_), letter.seq, letter.type.empty() ? "no type" : letter.type,
           letter.reason);
}

}  // namespace sluice::shipper
