#include "queue/queuectl/drain.h"

#include <algorithm>
#include <utility>

namespace sluice::queue {

Seq position_in(const QueueView& view, const ShipperPage& page, Lane lane) {
  const auto known = std::ranges::find(view.epochs, page.epoch, &EpochRow::epoch);
  if (page.queue_id != view.queue_id || known == view.epochs.end()) return 0;
  Seq position = page.position[lane];
  for (auto row = known + 1; row != view.epochs.end(); ++row) {
    position = std::min(position, row->first[lane] - 1);
  }
  return position;
}

Drain::Drain(Access* access, std::vector<Lane> lanes)
    : access_(access),
      lanes_(std::move(lanes)),
      page_(std::make_unique<PageReader>(access->paths().shipper_page(), PageRole::kShipper)) {}

Result<Drain> Drain::begin(Access* access, std::vector<Lane> lanes) {
  Drain drain(access, std::move(lanes));
  SLUICE_ASSIGN(Reader * reader, access->reader());
  SLUICE_ASSIGN(const QueueView view, reader->view());
  for (const Lane lane : drain.lanes_) drain.target_[lane] = view.durable[lane];
  return drain;
}

Result<PerLane<std::uint64_t>> Drain::left() {
  doorbell_ = page_->doorbell();
  SLUICE_ASSIGN(Reader * reader, access_->reader());
  SLUICE_ASSIGN(const QueueView view, reader->view());
  PerLane<std::uint64_t> left;
  for (const Lane lane : lanes_) {
    target_[lane] = std::min(target_[lane], view.durable[lane]);
    const Seq done = position(view, lane);
    left[lane] = target_[lane] > done ? target_[lane] - done : 0;
  }
  return left;
}

Seq Drain::position(const QueueView& view, Lane lane) {
  const auto payload = page_->read();
  const auto page = payload ? decode_shipper_page(*payload) : std::nullopt;
  return page ? position_in(view, *page, lane) : 0;
}

void Drain::wait(std::chrono::milliseconds timeout) { page_->wait(doorbell_, timeout); }

}  // namespace sluice::queue
