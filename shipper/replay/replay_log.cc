#include "shipper/replay/replay_log.h"

#include <fmt/format.h>

#include <utility>

#include "common/log.h"

namespace sluice::shipper {

ReplayLog::ReplayLog(std::string subject, queue::Lane lane)
    : subject_(std::move(subject)),
      lane_(lane),
      trouble_(fmt::format("{}: events wait", subject_)) {}

void ReplayLog::on_failure(std::string_view sentence) { trouble_.failed(sentence); }

void ReplayLog::on_healed() { trouble_.succeeded(); }

void ReplayLog::on_other_url(std::string_view url, std::string_view reason) {
  log_warn("{}: events go to {} from now on: {}", subject_, url, reason);
}

void ReplayLog::on_dead_letter(const queue::DeadLetter& letter) {
  log_warn("{}: event {} (lane {}, number {}, {}) is refused: {}", subject_, letter.id,
           queue::name_of(lane_), letter.seq, letter.type.empty() ? "no type" : letter.type,
           letter.reason);
}

}  // namespace sluice::shipper
