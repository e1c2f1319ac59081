#include "queue/queuectl/delivered.h"

#include <algorithm>

#include "queue/control_page.h"
#include "queue/intervention.h"

namespace sluice::queue {
namespace {

Result<Seq> published_position(const Access& access, Lane lane, const Error& problem) {
  PageReader reader(access.paths().shipper_page(), PageRole::kShipper);
  const auto payload = reader.read();
  const auto page = payload ? decode_shipper_page(*payload) : std::nullopt;
  if (page) return page->position[lane];
  return fail(problem);
}

}  // namespace

Result<Seq> position_of(Access* access, Lane lane) {
  const auto delivery = access->delivery();
  if (delivery) return delivery->progress[lane].position;
  return published_position(*access, lane, delivery.error());
}

Result<Delivered> Delivered::look(Access* access, Lane lane) {
  Delivered delivered;
  auto progress = access->progress(lane);
  if (!progress && progress.error().kind == ErrorKind::kNotFound) return delivered;
  if (!progress) {
    delivered.problem_ = std::move(progress.error());
    SLUICE_ASSIGN(delivered.progress_.position,
                  published_position(*access, lane, *delivered.problem_));
    return delivered;
  }
  delivered.progress_ = std::move(*progress);
  SLUICE_ASSIGN(const auto interventions, access->interventions());
  for (const Intervention& one : interventions) {
    const bool took_out =
        one.kind == InterventionKind::kSkipped || one.kind == InterventionKind::kDiscarded;
    if (took_out && !one.is_voided && one.record.lane == lane) {
      delivered.set_aside_.insert(one.record);
    }
  }
  SLUICE_TRY(access->visit_dead_letters([&](const DeadLetter& letter, std::size_t /*bytes*/) {
    if (letter.lane == lane) delivered.set_aside_.insert(letter.key());
    return true;
  }));
  return delivered;
}

Seq Delivered::last() const {
  return progress_.completed.empty() ? position() : progress_.completed.back().last;
}

bool Delivered::is_accounted_for(Seq seq) const {
  if (seq <= position()) return true;
  const auto range = std::ranges::lower_bound(progress_.completed, seq, {},
                                              [](const SeqRange& r) { return r.last; });
  return range != progress_.completed.end() && range->first <= seq;
}

bool Delivered::is_acknowledged(const RecordKey& record) const {
  return is_accounted_for(record.seq) && !set_aside_.contains(record);
}

}  // namespace sluice::queue
